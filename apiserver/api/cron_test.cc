#include "apiserver/api/cron.h"

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::api {
namespace {

using ::testing::ElementsAre;
using ::testing::Test;

absl::TimeZone Zone(const std::string& name) {
  const absl::StatusOr<absl::TimeZone> zone = FindTimeZone(name);
  EXPECT_TRUE(zone.ok()) << zone.status();
  return zone.value_or(absl::UTCTimeZone());
}

absl::Time At(const std::string& text, absl::TimeZone zone) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%E*S", text, zone, &time, &error)) << error;
  return time;
}

// The next `count` times after `from`, in the zone, with its offset.
std::vector<std::string> Times(const std::string& schedule, const std::string& from, int count,
                               absl::TimeZone zone = absl::UTCTimeZone()) {
  std::vector<std::string> times;
  const absl::StatusOr<CronSchedule> parsed = CronSchedule::Parse(schedule, zone);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  if (!parsed.ok()) return times;
  absl::Time time = At(from, zone);
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Time> next = parsed->Next(time);
    if (!next.has_value()) {
      times.push_back("never");
      break;
    }
    time = *next;
    times.push_back(absl::FormatTime("%Y-%m-%d %H:%M:%S %z", time, zone));
  }
  return times;
}

std::string Refusal(const std::string& schedule) {
  return std::string(CronSchedule::Parse(schedule).status().message());
}

TEST(CronTest, FieldsSayWhenItIsDue) {
  EXPECT_THAT(Times("*/15 * * * *", "2026-01-02 10:14:59", 3),
              ElementsAre("2026-01-02 10:15:00 +0000", "2026-01-02 10:30:00 +0000",
                          "2026-01-02 10:45:00 +0000"));
  EXPECT_THAT(Times("0 9-17/4 * jan-mar,NOV mon-fri", "2026-03-31 17:00:00", 2),
              ElementsAre("2026-11-02 09:00:00 +0000", "2026-11-02 13:00:00 +0000"));
  EXPECT_THAT(Times("5/20 3 29 2 ?", "2026-01-01 00:00:00", 2),
              ElementsAre("2028-02-29 03:05:00 +0000", "2028-02-29 03:25:00 +0000"));
}

TEST(CronTest, NextIsAlwaysLater) {
  EXPECT_THAT(Times("0 10 * * *", "2026-01-02 10:00:00", 1),
              ElementsAre("2026-01-03 10:00:00 +0000"));
  EXPECT_THAT(Times("0 10 * * *", "2026-01-02 09:59:59.999", 1),
              ElementsAre("2026-01-02 10:00:00 +0000"));
}

TEST(CronTest, EitherDaySufficesWhereBothAreRestricted) {
  EXPECT_THAT(Times("0 0 13 * fri", "2026-02-06 00:00:00", 3),
              ElementsAre("2026-02-13 00:00:00 +0000", "2026-02-20 00:00:00 +0000",
                          "2026-02-27 00:00:00 +0000"));
  EXPECT_THAT(Times("0 0 13 * *", "2026-02-06 00:00:00", 2),
              ElementsAre("2026-02-13 00:00:00 +0000", "2026-03-13 00:00:00 +0000"));
  // A step makes "*" a restriction: every second day, or a Sunday.
  EXPECT_THAT(Times("0 0 */2 * sun", "2026-02-06 00:00:00", 3),
              ElementsAre("2026-02-07 00:00:00 +0000", "2026-02-08 00:00:00 +0000",
                          "2026-02-09 00:00:00 +0000"));
}

TEST(CronTest, DescriptorsStandForFields) {
  EXPECT_THAT(Times("@hourly", "2026-12-31 22:30:00", 2),
              ElementsAre("2026-12-31 23:00:00 +0000", "2027-01-01 00:00:00 +0000"));
  EXPECT_THAT(Times("@daily", "2026-12-31 22:30:00", 1), ElementsAre("2027-01-01 00:00:00 +0000"));
  EXPECT_THAT(Times("@weekly", "2026-12-31 22:30:00", 1), ElementsAre("2027-01-03 00:00:00 +0000"));
  EXPECT_THAT(Times("@monthly", "2026-11-30 22:30:00", 1),
              ElementsAre("2026-12-01 00:00:00 +0000"));
  EXPECT_THAT(Times("@annually", "2026-11-30 22:30:00", 1),
              ElementsAre("2027-01-01 00:00:00 +0000"));
}

TEST(CronTest, EveryCountsFromTheTimeGiven) {
  EXPECT_THAT(Times("@every 1h30m", "2026-01-02 10:00:30.5", 2),
              ElementsAre("2026-01-02 11:30:30 +0000", "2026-01-02 13:00:30 +0000"));
  // Less than a second is a second.
  EXPECT_THAT(Times("@every 10ms", "2026-01-02 10:00:00", 1),
              ElementsAre("2026-01-02 10:00:01 +0000"));
}

TEST(CronTest, TimesOfDayAreThoseOfTheZone) {
  const absl::TimeZone berlin = Zone("Europe/Berlin");
  EXPECT_THAT(Times("0 8 * * *", "2026-07-01 08:00:00", 1, berlin),
              ElementsAre("2026-07-02 08:00:00 +0200"));
  EXPECT_THAT(Times("TZ=America/New_York 0 8 * * *", "2026-07-01 00:00:00", 1),
              ElementsAre("2026-07-01 12:00:00 +0000"));
  EXPECT_THAT(Times("CRON_TZ=Asia/Tokyo   @daily", "2026-07-01 00:00:00", 1),
              ElementsAre("2026-07-01 15:00:00 +0000"));
}

TEST(CronTest, ATimeTheClockSkipsIsSkippedAndOneItRepeatsIsDueTwice) {
  const absl::TimeZone berlin = Zone("Europe/Berlin");
  EXPECT_THAT(Times("30 2 * * *", "2026-03-28 12:00:00", 1, berlin),
              ElementsAre("2026-03-30 02:30:00 +0200"));
  EXPECT_THAT(Times("30 2 * * *", "2026-10-24 12:00:00", 3, berlin),
              ElementsAre("2026-10-25 02:30:00 +0200", "2026-10-25 02:30:00 +0100",
                          "2026-10-26 02:30:00 +0100"));
  EXPECT_THAT(Times("0 * * * *", "2026-03-29 00:30:00", 2, berlin),
              ElementsAre("2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200"));
}

TEST(CronTest, WhatNeverComesIsNotWaitedFor) {
  EXPECT_THAT(Times("0 0 30 2 *", "2026-01-01 00:00:00", 1), ElementsAre("never"));
}

TEST(CronTest, RefusalsHaveTheKnownTexts) {
  EXPECT_EQ(Refusal(""), "empty spec string");
  EXPECT_EQ(Refusal("* * * *"), "expected exactly 5 fields, found 4: [* * * *]");
  EXPECT_EQ(Refusal("error schedule"), "expected exactly 5 fields, found 2: [error schedule]");
  EXPECT_EQ(Refusal("60 * * * *"), "end of range (60) above maximum (59): 60");
  EXPECT_EQ(Refusal("* * 0 * *"), "beginning of range (0) below minimum (1): 0");
  EXPECT_EQ(Refusal("* 5-3 * * *"), "beginning of range (5) beyond end of range (3): 5-3");
  EXPECT_EQ(Refusal("*/0 * * * *"), "step of range should be a positive number: */0");
  EXPECT_EQ(Refusal("1-2-3 * * * *"), "too many hyphens: 1-2-3");
  EXPECT_EQ(Refusal("1/2/3 * * * *"), "too many slashes: 1/2/3");
  EXPECT_EQ(Refusal("x * * * *"),
            "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
  EXPECT_EQ(Refusal("* * * foo *"),
            "failed to parse int from foo: strconv.Atoi: parsing \"foo\": invalid syntax");
  EXPECT_EQ(Refusal("@sometimes"), "unrecognized descriptor: @sometimes");
  EXPECT_EQ(Refusal("@every 5"),
            "failed to parse duration @every 5: time: missing unit in duration \"5\"");
  EXPECT_EQ(Refusal("@every 5y"),
            "failed to parse duration @every 5y: time: unknown unit \"y\" in duration \"5y\"");
  EXPECT_EQ(Refusal("@every x"), "failed to parse duration @every x: time: invalid duration \"x\"");
  EXPECT_EQ(Refusal("TZ=Nowhere/Land * * * * *"),
            "provided bad location Nowhere/Land: unknown time zone Nowhere/Land");
  EXPECT_EQ(Refusal("TZ=UTC"), "expected exactly 5 fields, found 0: []");
}

TEST(CronTest, OnlyZonesOfTheDatabaseAreFound) {
  for (const char* name : {"Fixed/UTC+01:00:00", "libc:localtime", "/etc/localtime",
                           "../../../etc/passwd", "Nowhere"}) {
    EXPECT_EQ(FindTimeZone(name).status().message(), absl::StrFormat("unknown time zone %s", name));
  }
  EXPECT_TRUE(FindTimeZone("UTC").ok());
}

}  // namespace
}  // namespace keelson::api
