#include "apiserver/api/time.h"

#include "gtest/gtest.h"

namespace keelson::api {
namespace {

std::string Reread(std::string_view text) {
  const std::optional<absl::Time> time = ParseTime(text);
  return time.has_value() ? FormatMicroTime(*time) : "none";
}

TEST(TimeTest, TimesOfRfc3339AreReadAndWritten) {
  EXPECT_EQ(Reread("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05.000000Z");
  EXPECT_EQ(Reread("2026-01-02T03:04:05.25+02:30"), "2026-01-02T00:34:05.250000Z");
  EXPECT_EQ(Reread("2024-02-29T23:59:59.123456789-01:00"), "2024-03-01T00:59:59.123456Z");
  EXPECT_EQ(api::FormatTime(*ParseTime("0001-01-01T00:00:00Z")), "0001-01-01T00:00:00Z");
  EXPECT_EQ(api::FormatTime(absl::UnixEpoch() + absl::Milliseconds(1999)), "1970-01-01T00:00:01Z");
  for (const char* text :
       {"", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-29T03:04:05Z",
        "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:60Z",
        "2026-01-02t03:04:05Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+2:00",
        "2026-01-02T03:04:05Zx", "26-01-02T03:04:05Z", "2026-01-02T03:04:05+24:00"}) {
    EXPECT_EQ(Reread(text), "none") << text;
  }
}

TEST(TimeTest, AgesAreAsKubectlPrintsThem) {
  const auto age = [](int64_t seconds) { return FormatAge(absl::Seconds(seconds)); };
  constexpr int64_t kHour = 3600, kDay = 24 * kHour, kYear = 365 * kDay;
  EXPECT_EQ(age(-5), "<invalid>");
  EXPECT_EQ(age(-1), "0s");
  EXPECT_EQ(age(0), "0s");
  EXPECT_EQ(age(119), "119s");
  EXPECT_EQ(age(120), "2m");
  EXPECT_EQ(age(125), "2m5s");
  EXPECT_EQ(age(600), "10m");
  EXPECT_EQ(age(3 * kHour - 1), "179m");
  EXPECT_EQ(age(3 * kHour), "3h");
  EXPECT_EQ(age(3 * kHour + 720), "3h12m");
  EXPECT_EQ(age(8 * kHour + 720), "8h");
  EXPECT_EQ(age(47 * kHour), "47h");
  EXPECT_EQ(age(2 * kDay), "2d");
  EXPECT_EQ(age(2 * kDay + 3 * kHour), "2d3h");
  EXPECT_EQ(age(8 * kDay + 3 * kHour), "8d");
  EXPECT_EQ(age(2 * kYear - 1), "729d");
  EXPECT_EQ(age(2 * kYear), "2y");
  EXPECT_EQ(age(3 * kYear + 4 * kDay), "3y4d");
  EXPECT_EQ(age(8 * kYear + 4 * kDay), "8y");
  const absl::Time now = *ParseTime("2026-01-02T03:04:05Z");
  EXPECT_EQ(AgeSince("2026-01-02T03:03:05Z", now), "60s");
  EXPECT_EQ(AgeSince("", now), "<unknown>");
}

}  // namespace
}  // namespace keelson::api
