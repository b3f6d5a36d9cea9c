// Values as Go writes and reads them, because etcdctl is a Go program and its output is the contract:
// quoted strings, durations, sizes, numbers with Go's words for what is wrong with them. Pure.
#ifndef KEELSON_TOOLS_KVCTL_GO_TEXT_H_
#define KEELSON_TOOLS_KVCTL_GO_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace keelson::kvctl {

// strconv.Quote, %q: "a\tb\xff".
std::string GoQuote(absl::string_view bytes);

// Takes a quoted string, "..." with escapes or `...` without, from the front of `text`. Nothing, and
// `text` unchanged, when there is none or it is malformed.
std::optional<std::string> TakeGoQuoted(absl::string_view& text);

// A JSON string as encoding/json writes it: <, > and & escaped, invalid UTF-8 replaced.
std::string GoJsonString(absl::string_view bytes);

// \x61\x62, etcdctl's --hex.
std::string HexEscape(absl::string_view bytes);

// time.Duration: "1.5s", "2m0s", "855.378µs", "0s".
std::string FormatGoDuration(absl::Duration duration);
absl::StatusOr<absl::Duration> ParseGoDuration(absl::string_view text);

// strconv.ParseInt(text, base, 64); base 0 means 0x, 0o, 0b prefixes or decimal. The error is
// `strconv.ParseInt: parsing "x": invalid syntax`.
absl::StatusOr<int64_t> ParseGoInt(absl::string_view text, int base);
absl::StatusOr<bool> ParseGoBool(absl::string_view text);

// go-humanize's Bytes: "20 kB", "1.5 MB".
std::string HumanBytes(uint64_t bytes);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_GO_TEXT_H_
