#include "tools/kvctl/go_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace keelson::kvctl {
namespace {

TEST(GoTextTest, QuotesAsStrconvQuoteDoes) {
  EXPECT_EQ(GoQuote("plain"), R"("plain")");
  EXPECT_EQ(GoQuote("q\"\\\n\t\x01é\xff"), R"("q\"\\\n\t\x01é\xff")");
  EXPECT_EQ(GoQuote(absl::string_view("\0\x7f", 2)), R"("\x00\x7f")");
  EXPECT_EQ(GoQuote("\xc2\xa0\xe2\x80\xa8"), R"("\u00a0\u2028")");
  EXPECT_EQ(GoQuote("\xf3\xa0\x80\x81"), R"("\U000e0001")");
  EXPECT_EQ(GoQuote("\xed\xa0\x80"), R"("\xed\xa0\x80")") << "a surrogate is no UTF-8";
}

TEST(GoTextTest, TakesWhatGoQuotes) {
  for (const std::string text : {"", "plain", "q\"\\\n\t\x01é\xff", "\xe2\x80\xa8"}) {
    const std::string quoted = GoQuote(text) + " rest";
    absl::string_view view = quoted;
    EXPECT_EQ(TakeGoQuoted(view), text);
    EXPECT_EQ(view, " rest");
  }
  absl::string_view raw = R"(`a\n"b`)";
  EXPECT_EQ(TakeGoQuoted(raw), R"(a\n"b)");
  absl::string_view octal = R"("\101\u00e9\U0001F600")";
  EXPECT_EQ(TakeGoQuoted(octal), "Aé😀");
}

TEST(GoTextTest, MalformedQuotesAreLeftAlone) {
  for (const char* text : {"", "plain", "\"open", "\"\\q\"", "\"\\x1\"", "\"\\400\"", "\"a\nb\"", "`open",
                           "\"\\ud800\"", "\"\\"}) {
    absl::string_view view = text;
    EXPECT_FALSE(TakeGoQuoted(view).has_value()) << text;
    EXPECT_EQ(view, text);
  }
}

TEST(GoTextTest, JsonStringsAreEscapedForHtml) {
  EXPECT_EQ(GoJsonString("a<b>&\"\\\n\r\t\x01"), R"("a\u003cb\u003e\u0026\"\\\n\r\t\u0001")");
  EXPECT_EQ(GoJsonString("é\xff"), R"("é\ufffd")");
}

TEST(GoTextTest, HexEscapesEveryByte) { EXPECT_EQ(HexEscape("a\xff"), R"(\x61\xff)"); }

TEST(GoTextTest, DurationsAreWrittenAsGoDoes) {
  EXPECT_EQ(FormatGoDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(FormatGoDuration(absl::Nanoseconds(1)), "1ns");
  EXPECT_EQ(FormatGoDuration(absl::Nanoseconds(855378)), "855.378µs");
  EXPECT_EQ(FormatGoDuration(absl::Nanoseconds(1119390)), "1.11939ms");
  EXPECT_EQ(FormatGoDuration(absl::Milliseconds(1500)), "1.5s");
  EXPECT_EQ(FormatGoDuration(absl::Seconds(60)), "1m0s");
  EXPECT_EQ(FormatGoDuration(absl::Hours(25) + absl::Seconds(61)), "25h1m1s");
  EXPECT_EQ(FormatGoDuration(-absl::Seconds(2)), "-2s");
}

TEST(GoTextTest, DurationsAreReadAsGoDoes) {
  EXPECT_EQ(*ParseGoDuration("1m30s"), absl::Seconds(90));
  EXPECT_EQ(*ParseGoDuration("1.5h"), absl::Minutes(90));
  EXPECT_EQ(*ParseGoDuration("-300ms"), absl::Milliseconds(-300));
  EXPECT_EQ(*ParseGoDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(ParseGoDuration("5").status().message(), "time: missing unit in duration \"5\"");
  EXPECT_EQ(ParseGoDuration("5x").status().message(), "time: unknown unit \"x\" in duration \"5x\"");
  EXPECT_EQ(ParseGoDuration("x").status().message(), "time: invalid duration \"x\"");
  EXPECT_EQ(ParseGoDuration("").status().message(), "time: invalid duration \"\"");
}

TEST(GoTextTest, NumbersAreReadAsGoDoes) {
  EXPECT_EQ(*ParseGoInt("-12", 10), -12);
  EXPECT_EQ(*ParseGoInt("7fffffffffffffff", 16), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(*ParseGoInt("-9223372036854775808", 10), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(*ParseGoInt("0x1f", 0), 31);
  EXPECT_EQ(*ParseGoInt("017", 0), 15);
  EXPECT_EQ(ParseGoInt("9223372036854775808", 10).status().message(),
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
  for (const char* text : {"", "x", "1x", " 1", "+-1", "0x1", "1.5"}) {
    EXPECT_FALSE(ParseGoInt(text, 10).ok()) << text;
  }
  EXPECT_FALSE(ParseGoInt("0x1", 16).ok());
}

TEST(GoTextTest, SizesAreRoundedAsHumanizeDoes) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(20480), "20 kB");
  EXPECT_EQ(HumanBytes(1'560'000), "1.6 MB");
  EXPECT_EQ(HumanBytes(2'147'483'648), "2.1 GB");
}

}  // namespace
}  // namespace keelson::kvctl
