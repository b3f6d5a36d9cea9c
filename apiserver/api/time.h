// Times as the API writes them: RFC 3339 in UTC.
#ifndef KEELSON_APISERVER_API_TIME_H_
#define KEELSON_APISERVER_API_TIME_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace keelson::api {

// Write api::FormatTime: Abseil has a function of that name too, and finds it by its argument.
std::string FormatTime(absl::Time time);       // "2026-01-02T03:04:05Z"
std::string FormatMicroTime(absl::Time time);  // "2026-01-02T03:04:05.000006Z"
// Any RFC 3339 time, with or without a fraction. nullopt: not a time.
std::optional<absl::Time> ParseTime(std::string_view text);
// "5m", "3h12m", "2d": how long ago, as kubectl prints ages.
std::string FormatAge(absl::Duration age);
// The age of what happened at `timestamp` (text of the API); "<unknown>" for none.
std::string AgeSince(std::string_view timestamp, absl::Time now);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_TIME_H_
