#include "apiserver/api/time.h"

#include <cstdint>

#include "absl/time/civil_time.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Takes `digits` digits off the text. -1: they are not there.
int TakeNumber(std::string_view* text, size_t digits) {
  if (text->size() < digits) return -1;
  int value = 0;
  for (char c : text->substr(0, digits)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  text->remove_prefix(digits);
  return value;
}

bool Take(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) return false;
  text->remove_prefix(1);
  return true;
}

// ".25": a fraction of a second, if there is one. nullopt: a point without digits.
std::optional<absl::Duration> TakeFraction(std::string_view* text) {
  if (!Take(text, '.') && !Take(text, ',')) return absl::ZeroDuration();
  int64_t nanoseconds = 0, unit = 100'000'000;
  size_t digits = 0;
  for (int digit = TakeNumber(text, 1); digit >= 0; digit = TakeNumber(text, 1)) {
    nanoseconds += digit * unit;
    unit /= 10;
    ++digits;
  }
  if (digits == 0) return std::nullopt;
  return absl::Nanoseconds(nanoseconds);
}

// "Z" or "+01:00".
std::optional<absl::Duration> TakeOffset(std::string_view* text) {
  if (Take(text, 'Z')) return absl::ZeroDuration();
  const bool east = Take(text, '+');
  if (!east && !Take(text, '-')) return std::nullopt;
  const int hours = TakeNumber(text, 2);
  if (hours < 0 || hours > 23 || !Take(text, ':')) return std::nullopt;
  const int minutes = TakeNumber(text, 2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  const absl::Duration offset = absl::Hours(hours) + absl::Minutes(minutes);
  return east ? offset : -offset;
}

// "18m", or "18m5s" if `small` is not 0.
std::string TwoUnits(int64_t large, std::string_view large_unit, int64_t small,
                     std::string_view small_unit) {
  std::string text = Concat(large, large_unit);
  if (small != 0) Append(&text, small, small_unit);
  return text;
}

}  // namespace

std::string FormatTime(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string FormatMicroTime(absl::Time time) {
  return absl::FormatTime("%E4Y-%m-%d%ET%H:%M:%E6SZ", time, absl::UTCTimeZone());
}

std::optional<absl::Time> ParseTime(std::string_view text) {
  const int year = TakeNumber(&text, 4);
  if (year < 0 || !Take(&text, '-')) return std::nullopt;
  const int month = TakeNumber(&text, 2);
  if (month < 0 || !Take(&text, '-')) return std::nullopt;
  const int day = TakeNumber(&text, 2);
  if (day < 0 || !Take(&text, 'T')) return std::nullopt;
  const int hour = TakeNumber(&text, 2);
  if (hour < 0 || !Take(&text, ':')) return std::nullopt;
  const int minute = TakeNumber(&text, 2);
  if (minute < 0 || !Take(&text, ':')) return std::nullopt;
  const int second = TakeNumber(&text, 2);
  if (second < 0) return std::nullopt;
  // A civil time carries what is too large over into the next unit; then it is not what was said.
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  if (civil.month() != month || civil.day() != day || civil.hour() != hour ||
      civil.minute() != minute || civil.second() != second) {
    return std::nullopt;
  }
  const std::optional<absl::Duration> fraction = TakeFraction(&text);
  if (!fraction.has_value()) return std::nullopt;
  const std::optional<absl::Duration> offset = TakeOffset(&text);
  if (!offset.has_value() || !text.empty()) return std::nullopt;
  return absl::FromCivil(civil, absl::UTCTimeZone()) + *fraction - *offset;
}

std::string FormatAge(absl::Duration age) {
  constexpr int64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour, kYear = 365 * kDay;
  const int64_t seconds = absl::ToInt64Seconds(age);
  // Clocks differ: what is a second ahead is of now.
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 2 * kMinute) return Concat(seconds, "s");
  if (seconds < 10 * kMinute) return TwoUnits(seconds / kMinute, "m", seconds % kMinute, "s");
  if (seconds < 3 * kHour) return Concat(seconds / kMinute, "m");
  if (seconds < 8 * kHour) {
    return TwoUnits(seconds / kHour, "h", seconds % kHour / kMinute, "m");
  }
  if (seconds < 2 * kDay) return Concat(seconds / kHour, "h");
  if (seconds < 8 * kDay) return TwoUnits(seconds / kDay, "d", seconds % kDay / kHour, "h");
  if (seconds < 2 * kYear) return Concat(seconds / kDay, "d");
  if (seconds < 8 * kYear) return TwoUnits(seconds / kYear, "y", seconds % kYear / kDay, "d");
  return Concat(seconds / kYear, "y");
}

std::string AgeSince(std::string_view timestamp, absl::Time now) {
  const std::optional<absl::Time> time = ParseTime(timestamp);
  return time.has_value() ? FormatAge(now - *time) : "<unknown>";
}

}  // namespace keelson::api
