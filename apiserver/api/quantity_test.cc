#include "apiserver/api/quantity.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace keelson::api {
namespace {

std::string Canonical(std::string_view text) { return Quantity::Canonical(text).value_or("none"); }

TEST(QuantityTest, TextsBecomeCanonical) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"0", "0"},
      {"0.0", "0"},
      {"100m", "100m"},
      {"1000m", "1"},
      {"0.5", "500m"},
      {".5", "500m"},
      {"1.5", "1500m"},
      {"1024Mi", "1Gi"},
      {"1536Mi", "1536Mi"},
      {"1000Mi", "1000Mi"},
      {"0.5Gi", "512Mi"},
      {"1.5Gi", "1536Mi"},
      {"1000", "1k"},
      {"1200", "1200"},
      {"12000", "12k"},
      {"1e3", "1e3"},
      {"1000e3", "1e6"},
      {"12e1", "120"},
      {"1E", "1E"},
      {"-1.5", "-1500m"},
      {"0.5m", "500u"},
      {"1n", "1n"},
      {"0.1n", "1n"},
      {"1.1n", "2n"},
      {"-0.1n", "-1n"},
      {"0.5Ki", "512"},
      {"100Ki", "100Ki"},
      {"1.001Ki", "1025024m"},
      {"9Ei", "9223372036854775807"},
      {".", "0"},
      {"10", "10"},
      {"128974848", "128974848"},
      {"129e6", "129e6"},
      {"129M", "129M"},
      {"123Mi", "123Mi"},
      {"0.001", "1m"},
      {"1000000k", "1G"},
      {"1Ki", "1Ki"},
      {"1000Ki", "1000Ki"},
      {"1e-3", "1e-3"},
  };
  for (const auto& [text, canonical] : cases) EXPECT_EQ(Canonical(text), canonical) << text;
}

TEST(QuantityTest, TextsThatKubernetesKeepsAsWrittenAreKept) {
  EXPECT_EQ(Canonical("1.500"), "1.500");
  EXPECT_EQ(Canonical("+5"), "+5");
  EXPECT_EQ(Canonical("0012"), "0012");
  EXPECT_EQ(Canonical("5."), "5.");
  EXPECT_EQ(Canonical("5E3"), "5E3");
  EXPECT_EQ(Canonical("100.500"), "100.500");
  EXPECT_EQ(Canonical("1.000"), "1");
}

TEST(QuantityTest, WhatIsNoQuantityIsRefused) {
  for (const char* text : {"", "abc", "1x", "1 ", "1Kii", "1kk", "--1", "1.2.3", "1e", "1e+",
                           "1e1.5", "0x10", "1_000", "1,5", "1KI", "1g", "1Mib"}) {
    EXPECT_EQ(Quantity::Parse(text), std::nullopt) << text;
  }
}

TEST(QuantityTest, NumbersAreRoundedAwayFromZeroAndSaturate) {
  EXPECT_EQ(Quantity::Parse("100m")->Value(), 1);
  EXPECT_EQ(Quantity::Parse("-100m")->Value(), -1);
  EXPECT_EQ(Quantity::Parse("1.0001")->Milli(), 1001);
  EXPECT_EQ(Quantity::Parse("1Gi")->Value(), int64_t{1} << 30);
  EXPECT_EQ(Quantity::Parse("1e30")->Value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Quantity::Parse("-1e999")->Value(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(Quantity::Parse(std::string(500, '9') + "." + std::string(500, '9') + "e-500")->Value(),
            1);
  EXPECT_EQ(Quantity::Parse("1e-999")->ToString(), "1e-9");
  EXPECT_EQ(Quantity::Parse("1e999")->ToString(), "80e27");
  EXPECT_EQ(Quantity::FromValue(std::numeric_limits<int64_t>::min()).Value(),
            std::numeric_limits<int64_t>::min());
}

TEST(QuantityTest, SumsKeepTheFormatOfWhatCameFirst) {
  const Quantity gi = *Quantity::Parse("1Gi"), mi = *Quantity::Parse("512Mi");
  EXPECT_EQ((gi + mi).ToString(), "1536Mi");
  EXPECT_EQ((Quantity() + gi).ToString(), "1Gi");
  EXPECT_EQ((gi - gi).ToString(), "0");
  EXPECT_EQ((*Quantity::Parse("1") - *Quantity::Parse("250m")).ToString(), "750m");
  EXPECT_LT(mi, gi);
  EXPECT_EQ(*Quantity::Parse("1024Mi"), gi);
  Quantity most = *Quantity::Parse("1e999");
  EXPECT_EQ((most + most).Value(), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(Quantity::FromMilli(1500).ToString(), "1500m");
  EXPECT_EQ(Quantity::FromValue(2048, Quantity::Format::kBinary).ToString(), "2Ki");
}

TEST(QuantityTest, JsonIsTextOrNumber) {
  EXPECT_EQ(Quantity::Of("2").Value(), 2);
  EXPECT_EQ(Quantity::Of(2).Value(), 2);
  EXPECT_EQ(Quantity::Of(0.5).Milli(), 500);
  EXPECT_TRUE(Quantity::Of(nullptr).IsZero());
  EXPECT_TRUE(Quantity::Of("x").IsZero());
}

}  // namespace
}  // namespace keelson::api
