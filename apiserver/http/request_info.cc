#include "apiserver/http/request_info.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "apiserver/api/errors.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {
namespace {

int HexDigit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

enum class Plus { kIsPlus, kIsSpace };

absl::StatusOr<std::string> Unescape(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kIsSpace) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return api::BadRequest(Concat("invalid URL escape \"", text.substr(i, 3), "\""));
      }
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

absl::StatusOr<Query> ParseQuery(std::string_view text) {
  Query query;
  while (!text.empty()) {
    const size_t end = text.find('&');
    const std::string_view pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    KV_ASSIGN_OR_RETURN(std::string name, Unescape(pair.substr(0, equals), Plus::kIsSpace));
    std::string value;
    if (equals != std::string_view::npos) {
      KV_ASSIGN_OR_RETURN(value, Unescape(pair.substr(equals + 1), Plus::kIsSpace));
    }
    query.emplace(std::move(name), std::move(value));
  }
  return query;
}

std::string VerbOf(const RequestInfo& info) {
  const bool one = !info.name.empty();
  if (info.method == "POST") return "create";
  if (info.method == "PUT") return "update";
  if (info.method == "PATCH") return "patch";
  if (info.method == "DELETE") return one ? "delete" : "deletecollection";
  if (info.method != "GET" && info.method != "HEAD") return absl::AsciiStrToLower(info.method);
  // One object is not watched: whoever may read only that one would be told of all.
  if (one) return "get";
  const absl::StatusOr<bool> watch = ParseFlag(info, "watch");
  return watch.ok() && *watch ? "watch" : "list";
}

// The names between slashes; escapes are decoded behind the cuts, so that a slash may be part of
// one.
absl::StatusOr<std::vector<std::string>> Segments(std::string_view path) {
  std::vector<std::string> segments;
  while (!path.empty()) {
    const size_t end = path.find('/');
    if (end != 0) {
      KV_ASSIGN_OR_RETURN(std::string segment, Unescape(path.substr(0, end), Plus::kIsPlus));
      segments.push_back(std::move(segment));
    }
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return segments;
}

}  // namespace

const std::string& RequestInfo::Parameter(std::string_view wanted) const {
  static const std::string none;
  const auto found = query.lower_bound(wanted);
  return found != query.end() && found->first == wanted ? found->second : none;
}

absl::StatusOr<RequestInfo> ParseRequest(std::string_view method, std::string_view target) {
  RequestInfo info;
  info.method = method;
  const size_t question = target.find('?');
  const std::string_view path = target.substr(0, question);
  if (question != std::string_view::npos) {
    KV_ASSIGN_OR_RETURN(info.query, ParseQuery(target.substr(question + 1)));
  }
  KV_ASSIGN_OR_RETURN(info.path, Unescape(path, Plus::kIsPlus));
  KV_ASSIGN_OR_RETURN(std::vector<std::string> segments, Segments(path));
  info.verb = absl::AsciiStrToLower(info.method);
  size_t at = 0;
  const auto take = [&]() -> std::string {
    return at < segments.size() ? std::move(segments[at++]) : std::string();
  };
  if (segments.empty() || (segments[0] != "api" && segments[0] != "apis")) return info;
  const bool core = take() == "api";
  if (segments.size() < (core ? 3U : 4U)) return info;  // discovery
  if (!core) info.group = take();
  info.version = take();
  bool watch_path = false;
  if (segments[at] == "watch" && at + 1 < segments.size()) {
    watch_path = true;  // the old form of ?watch=true
    ++at;
  }
  const bool in_namespace = segments[at] == "namespaces" && at + 2 < segments.size();
  if (in_namespace && segments[at + 2] != "status" && segments[at + 2] != "finalize") {
    ++at;
    info.name_space = take();
  }
  info.resource = take();
  info.name = take();
  info.subresource = take();
  while (at < segments.size()) Append(&info.rest, '/', take());
  if (info.resource == "namespaces" && info.name_space.empty()) info.name_space = info.name;
  info.is_resource = true;
  info.verb = VerbOf(info);
  if (watch_path && (info.verb == "get" || info.verb == "list")) {
    info.verb = "watch";
    if (!info.name.empty()) {
      info.query.erase("fieldSelector");
      info.query.emplace("fieldSelector", Concat("metadata.name=", info.name));
    }
  }
  return info;
}

absl::StatusOr<bool> ParseFlag(const RequestInfo& info, std::string_view name) {
  const std::string& text = info.Parameter(name);
  if (!info.Has(name)) return false;
  if (text.empty() || text == "1" || text == "t" || text == "T" || text == "true" ||
      text == "TRUE" || text == "True") {
    return true;
  }
  if (text == "0" || text == "f" || text == "F" || text == "false" || text == "FALSE" ||
      text == "False") {
    return false;
  }
  return api::BadRequest(Concat("strconv.ParseBool: parsing \"", text, "\": invalid syntax"));
}

absl::StatusOr<std::optional<int64_t>> ParseCount(const RequestInfo& info, std::string_view name) {
  const std::string& text = info.Parameter(name);
  if (text.empty()) return std::optional<int64_t>();
  int64_t count = 0;
  if (!absl::SimpleAtoi(text, &count)) {
    return api::BadRequest(Concat("strconv.ParseInt: parsing \"", text, "\": invalid syntax"));
  }
  return std::optional<int64_t>(count);
}

}  // namespace keelson::apiserver
