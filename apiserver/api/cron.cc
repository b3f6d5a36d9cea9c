#include "apiserver/api/cron.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::api {
namespace {

constexpr int kYearsMax = 5;

absl::Status Malformed(std::string_view message) {
  return absl::InvalidArgumentError(absl::string_view(message.data(), message.size()));
}

std::vector<std::string> Split(std::string_view text, char separator) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), separator);
}

std::vector<std::string> Words(std::string_view text) {
  return absl::StrSplit(absl::string_view(text.data(), text.size()), absl::ByAnyChar(" \t\n\v\f\r"),
                        absl::SkipEmpty());
}

constexpr std::array<std::string_view, 12> kMonths = {"jan", "feb", "mar", "apr", "may", "jun",
                                                      "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> kWeekdays = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct Bounds {
  uint64_t first;
  uint64_t last;
  absl::Span<const std::string_view> names = {};  // the first of them means `first`
};
const Bounds kMinute = {0, 59};
const Bounds kHour = {0, 23};
const Bounds kDayOfMonth = {1, 31};
const Bounds kMonth = {1, 12, kMonths};
const Bounds kDayOfWeek = {0, 6, kWeekdays};

absl::StatusOr<uint64_t> ParseNumber(const std::string& text) {
  int64_t number = 0;
  if (!absl::SimpleAtoi(text, &number) || absl::ascii_isspace(text.front()) ||
      absl::ascii_isspace(text.back())) {
    const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
    const bool digits =
        text.size() > sign && text.find_first_not_of("0123456789", sign) == std::string::npos;
    return Malformed(Concat("failed to parse int from ", text, ": strconv.Atoi: parsing ",
                            Quoted(text), digits ? ": value out of range" : ": invalid syntax"));
  }
  if (number < 0) return Malformed(Concat("negative number (", number, ") not allowed: ", text));
  return static_cast<uint64_t>(number);
}

absl::StatusOr<uint64_t> ParseNumberOrName(const std::string& text, const Bounds& bounds) {
  const std::string lower = absl::AsciiStrToLower(text);
  for (size_t i = 0; i < bounds.names.size(); ++i) {
    if (bounds.names[i] == lower) return bounds.first + i;
  }
  return ParseNumber(text);
}

// An amount of time as Go writes it: "1h30m", "1.5s". `text` stands in messages.
absl::StatusOr<absl::Duration> ParseGoDuration(std::string_view text) {
  const std::string quoted = Quoted(text);
  const absl::Status invalid = Malformed(Concat("time: invalid duration ", quoted));
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  if (rest == "0") return absl::ZeroDuration();
  if (rest.empty()) return invalid;
  absl::Duration sum;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    double number = 0;
    if (!absl::SimpleAtod(std::string(rest.substr(0, digits)), &number)) return invalid;
    rest.remove_prefix(digits);
    const size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const std::string_view unit = rest.substr(0, letters);
    rest.remove_prefix(letters);
    if (unit.empty()) return Malformed(Concat("time: missing unit in duration ", quoted));
    if (unit == "ns") {
      sum += absl::Nanoseconds(number);
    } else if (unit == "us" || unit == "µs" || unit == "μs") {
      sum += absl::Microseconds(number);
    } else if (unit == "ms") {
      sum += absl::Milliseconds(number);
    } else if (unit == "s") {
      sum += absl::Seconds(number);
    } else if (unit == "m") {
      sum += absl::Minutes(number);
    } else if (unit == "h") {
      sum += absl::Hours(number);
    } else {
      return Malformed(Concat("time: unknown unit ", Quoted(unit), " in duration ", quoted));
    }
  }
  if (sum > absl::Nanoseconds(std::numeric_limits<int64_t>::max())) return invalid;
  return negative ? -sum : sum;
}

absl::Time Begin(absl::CivilDay day, const absl::TimeZone& zone) {
  const absl::TimeZone::TimeInfo info = zone.At(absl::CivilSecond(day));
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

}  // namespace

// Reads one of the five fields: ranges joined by ",".
class CronFieldParser {
 public:
  static absl::StatusOr<CronSchedule::Field> Parse(const std::string& text, const Bounds& bounds) {
    CronSchedule::Field field;
    for (const std::string& range : Split(text, ',')) {
      if (range.empty()) continue;
      KV_ASSIGN_OR_RETURN(const CronSchedule::Field part, ParseRange(range, bounds));
      field.bits |= part.bits;
      field.any = field.any || part.any;
    }
    return field;
  }

 private:
  // "*", "5", "1-5", each with "/2" or without.
  static absl::StatusOr<CronSchedule::Field> ParseRange(const std::string& text,
                                                        const Bounds& bounds) {
    const std::vector<std::string> range_and_step = Split(text, '/');
    const std::vector<std::string> ends = Split(range_and_step[0], '-');
    const bool any = ends[0] == "*" || ends[0] == "?";
    uint64_t first = bounds.first;
    uint64_t last = bounds.last;
    uint64_t step = 1;
    if (!any) {
      KV_ASSIGN_OR_RETURN(first, ParseNumberOrName(ends[0], bounds));
      last = first;
      if (ends.size() > 2) return Malformed(Concat("too many hyphens: ", text));
      if (ends.size() == 2) {
        KV_ASSIGN_OR_RETURN(last, ParseNumberOrName(ends[1], bounds));
      }
    }
    if (range_and_step.size() > 2) return Malformed(Concat("too many slashes: ", text));
    if (range_and_step.size() == 2) {
      KV_ASSIGN_OR_RETURN(step, ParseNumber(range_and_step[1]));
      if (ends.size() == 1) last = bounds.last;
    }
    KV_RETURN_IF_ERROR(CheckRange(first, last, step, bounds, text));
    CronSchedule::Field field{.any = any && step == 1};
    for (uint64_t i = first; i <= last; i += step) field.bits |= uint64_t{1} << i;
    return field;
  }

  static absl::Status CheckRange(uint64_t first, uint64_t last, uint64_t step, const Bounds& bounds,
                                 std::string_view text) {
    if (first < bounds.first) {
      return Malformed(
          Concat("beginning of range (", first, ") below minimum (", bounds.first, "): ", text));
    }
    if (last > bounds.last) {
      return Malformed(
          Concat("end of range (", last, ") above maximum (", bounds.last, "): ", text));
    }
    if (first > last) {
      return Malformed(
          Concat("beginning of range (", first, ") beyond end of range (", last, "): ", text));
    }
    if (step == 0) {
      return Malformed(Concat("step of range should be a positive number: ", text));
    }
    return absl::OkStatus();
  }
};

absl::StatusOr<absl::TimeZone> FindTimeZone(std::string_view name) {
  if (name.empty() || name == "UTC") return absl::UTCTimeZone();
  absl::TimeZone zone;
  // Names Abseil has besides those of the database: "Fixed/UTC+01:00:00", "libc:localtime".
  const bool known = name.find(':') == std::string_view::npos && name.front() != '/' &&
                     name.find("..") == std::string_view::npos &&
                     absl::LoadTimeZone(std::string(name), &zone);
  if (known) return zone;
  const std::string message = Concat("unknown time zone ", name);
  return absl::NotFoundError(message);
}

absl::StatusOr<CronSchedule> CronSchedule::Parse(std::string_view text, absl::TimeZone zone) {
  if (text.empty()) return Malformed("empty spec string");
  if (text.starts_with("TZ=") || text.starts_with("CRON_TZ=")) {
    const size_t begin = text.find('=') + 1;
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view name = text.substr(begin, end - begin);
    const absl::StatusOr<absl::TimeZone> named = FindTimeZone(name);
    if (!named.ok()) {
      return Malformed(
          Concat("provided bad location ", name, ": ", std::string(named.status().message())));
    }
    zone = *named;
    text.remove_prefix(end);
    while (!text.empty() && absl::ascii_isspace(text.front())) text.remove_prefix(1);
    while (!text.empty() && absl::ascii_isspace(text.back())) text.remove_suffix(1);
  }
  absl::StatusOr<CronSchedule> schedule =
      text.starts_with('@') ? ParseDescriptor(text) : ParseFields(text);
  if (schedule.ok()) schedule->zone_ = zone;
  return schedule;
}

absl::StatusOr<CronSchedule> CronSchedule::ParseDescriptor(std::string_view text) {
  if (text == "@yearly" || text == "@annually") return ParseFields("0 0 1 1 *");
  if (text == "@monthly") return ParseFields("0 0 1 * *");
  if (text == "@weekly") return ParseFields("0 0 * * 0");
  if (text == "@daily" || text == "@midnight") return ParseFields("0 0 * * *");
  if (text == "@hourly") return ParseFields("0 * * * *");
  constexpr std::string_view kEvery = "@every ";
  if (!text.starts_with(kEvery)) return Malformed(Concat("unrecognized descriptor: ", text));
  const absl::StatusOr<absl::Duration> every = ParseGoDuration(text.substr(kEvery.size()));
  if (!every.ok()) {
    return Malformed(
        Concat("failed to parse duration ", text, ": ", std::string(every.status().message())));
  }
  CronSchedule schedule;
  schedule.every_ = std::max(absl::Trunc(*every, absl::Seconds(1)), absl::Seconds(1));
  return schedule;
}

absl::StatusOr<CronSchedule> CronSchedule::ParseFields(std::string_view text) {
  const std::vector<std::string> fields = Words(text);
  if (fields.size() != 5) {
    std::string list;
    for (const std::string& field : fields) Append(&list, list.empty() ? "" : " ", field);
    return Malformed(Concat("expected exactly 5 fields, found ", fields.size(), ": [", list, "]"));
  }
  CronSchedule schedule;
  KV_ASSIGN_OR_RETURN(schedule.minute_, CronFieldParser::Parse(fields[0], kMinute));
  KV_ASSIGN_OR_RETURN(schedule.hour_, CronFieldParser::Parse(fields[1], kHour));
  KV_ASSIGN_OR_RETURN(schedule.day_of_month_, CronFieldParser::Parse(fields[2], kDayOfMonth));
  KV_ASSIGN_OR_RETURN(schedule.month_, CronFieldParser::Parse(fields[3], kMonth));
  KV_ASSIGN_OR_RETURN(schedule.day_of_week_, CronFieldParser::Parse(fields[4], kDayOfWeek));
  return schedule;
}

bool CronSchedule::MatchesDay(absl::CivilDay day) const {
  const auto matches = [](const Field& field, int value) { return (field.bits >> value & 1) != 0; };
  if (!matches(month_, day.month())) return false;
  // absl::Weekday begins with Monday.
  const int weekday = (static_cast<int>(absl::GetWeekday(day)) + 1) % 7;
  const bool by_month = matches(day_of_month_, day.day());
  const bool by_week = matches(day_of_week_, weekday);
  return day_of_month_.any || day_of_week_.any ? by_month && by_week : by_month || by_week;
}

std::optional<absl::Time> CronSchedule::Next(absl::Time time) const {
  if (every_ != absl::ZeroDuration()) {
    return absl::FromUnixSeconds(absl::ToUnixSeconds(time)) + every_;
  }
  absl::CivilSecond civil = zone_.At(time).cs;
  const absl::civil_year_t year_last = civil.year() + kYearsMax;
  // The next full minute. From here on every step ends at a full minute.
  time = absl::FromUnixSeconds(absl::ToUnixSeconds(time)) + absl::Seconds(60 - civil.second());
  while (true) {
    civil = zone_.At(time).cs;
    if (civil.year() > year_last) return std::nullopt;
    const absl::CivilDay day(civil);
    if (!MatchesDay(day)) {
      time = Begin(day + 1, zone_);
    } else if ((hour_.bits >> civil.hour() & 1) == 0) {
      time += absl::Minutes(60 - civil.minute());
    } else if ((minute_.bits >> civil.minute() & 1) == 0) {
      time += absl::Minutes(1);
    } else {
      return time;
    }
  }
}

}  // namespace keelson::api
