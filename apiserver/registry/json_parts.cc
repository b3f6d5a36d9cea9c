#include "apiserver/registry/json_parts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace keelson::registry {
namespace {

using api::Json;
using Paths = std::vector<std::string_view>;

// Goes through the text once. Whatever is malformed ends it: every step tells whether it succeeded.
class Reader {
 public:
  explicit Reader(std::string_view text) : left_(text) {}

  // The members that lead to `paths`, into `parts`.
  bool ReadObject(const Paths& paths, Json& parts) {
    if (!Take('{')) return false;
    if (Take('}')) return true;
    do {
      std::string_view name;
      if (!TakeName(&name) || !Take(':') || !ReadMember(name, paths, parts)) return false;
    } while (Take(','));
    return Take('}');
  }

  bool AtEnd() {
    SkipSpace();
    return left_.empty();
  }

 private:
  bool ReadMember(std::string_view name, const Paths& paths, Json& parts) {
    bool whole = false;
    Paths deeper;
    for (const std::string_view path : paths) {
      if (!path.starts_with(name)) continue;
      const std::string_view rest = path.substr(name.size());
      whole |= rest.empty();
      if (rest.starts_with('.')) deeper.push_back(rest.substr(1));
    }
    SkipSpace();
    if (whole) {
      const std::string_view begin = left_;
      if (!SkipValue()) return false;
      Json value = Json::parse(begin.substr(0, begin.size() - left_.size()), nullptr, false);
      if (value.is_discarded()) return false;
      parts[std::string(name)] = std::move(value);
      return true;
    }
    if (deeper.empty() || !left_.starts_with('{')) return SkipValue();
    Json& part = parts[std::string(name)];
    part = Json::object();
    return ReadObject(deeper, part);
  }

  void SkipSpace() {
    while (!left_.empty() && (left_.front() == ' ' || left_.front() == '\n' ||
                              left_.front() == '\t' || left_.front() == '\r')) {
      left_.remove_prefix(1);
    }
  }
  bool Take(char wanted) {
    SkipSpace();
    if (!left_.starts_with(wanted)) return false;
    left_.remove_prefix(1);
    return true;
  }

  bool TakeName(std::string_view* name) {
    SkipSpace();
    const std::string_view begin = left_;
    if (!begin.starts_with('"') || !SkipString()) return false;
    *name = begin.substr(1, begin.size() - left_.size() - 2);
    return name->find('\\') == std::string_view::npos;  // it may spell one of ours
  }

  // REQUIRES: it begins with a quote.
  bool SkipString() {
    size_t at = 0;
    while ((at = left_.find('"', at + 1)) != std::string_view::npos) {
      size_t escapes = 0;
      while (left_[at - 1 - escapes] == '\\') ++escapes;
      if (escapes % 2 != 0) continue;
      left_.remove_prefix(at + 1);
      return true;
    }
    return false;
  }

  bool SkipValue() {
    if (left_.empty()) return false;
    if (left_.front() == '"') return SkipString();
    if (left_.front() != '{' && left_.front() != '[') {
      const size_t end = left_.find_first_of(",}] \n\t\r");
      if (end == 0) return false;
      left_.remove_prefix(std::min(end, left_.size()));
      return true;
    }
    size_t depth = 0;
    while (!left_.empty()) {
      const char at = left_.front();
      if (at == '"') {
        if (!SkipString()) return false;
        continue;
      }
      left_.remove_prefix(1);
      if (at == '{' || at == '[') ++depth;
      if ((at == '}' || at == ']') && --depth == 0) return true;
    }
    return false;
  }

  std::string_view left_;
};

}  // namespace

std::optional<Json> PartsOf(std::string_view text, const std::vector<std::string_view>& paths) {
  Json parts = Json::object();
  Reader reader(text);
  if (!reader.ReadObject(paths, parts) || !reader.AtEnd()) return std::nullopt;
  return parts;
}

}  // namespace keelson::registry
