#include "base/failpoint_terms.h"

#include <cctype>
#include <charconv>
#include <optional>
#include <utility>

#include "base/status_macros.h"

namespace keelson {
namespace {

absl::Status Wrong(std::string_view what, std::string_view at) {
  return absl::InvalidArgumentError("failpoint: " + std::string(what) + " at \"" + std::string(at) +
                                    "\"");
}

// Takes `word` off the front.
bool Take(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return false;
  text.remove_prefix(word.size());
  return true;
}

// A number followed by `mark` off the front; nullopt: there is none.
std::optional<double> TakeNumber(std::string_view& text, char mark) {
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto size = static_cast<size_t>(parsed.ptr - text.data());
  if (parsed.ec != std::errc() || size >= text.size() || text[size] != mark) return std::nullopt;
  text.remove_prefix(size + 1);
  return number;
}

// A quoted string off the front, with Go's commonest escapes.
absl::StatusOr<std::string> TakeString(std::string_view& text) {
  const std::string_view whole = text;
  std::string value;
  text.remove_prefix(1);
  while (!text.empty() && text.front() != '"') {
    char c = text.front();
    text.remove_prefix(1);
    if (c == '\\') {
      if (text.empty()) break;
      c = text.front() == 'n' ? '\n' : text.front() == 't' ? '\t' : text.front();
      text.remove_prefix(1);
    }
    value.push_back(c);
  }
  if (!Take(text, "\"")) return Wrong("a string without an end", whole);
  return value;
}

struct Value {
  bool given = false;
  bool is_string = false;
  std::string text;
};

absl::StatusOr<Value> TakeValue(std::string_view& text) {
  const std::string_view whole = text;
  Value value;
  if (!Take(text, "(")) return value;
  value.given = true;
  if (text.starts_with('"')) {
    value.is_string = true;
    KV_ASSIGN_OR_RETURN(value.text, TakeString(text));
  } else if (Take(text, "true")) {
    value.text = "true";
  } else if (Take(text, "false")) {
    value.text = "false";
  } else {
    size_t size = text.starts_with('-') ? 1 : 0;
    while (size < text.size() && std::isdigit(static_cast<unsigned char>(text[size])) != 0) ++size;
    value.text = std::string(text.substr(0, size));
    text.remove_prefix(size);
  }
  if (!Take(text, ")")) return Wrong("no value", whole);
  return value;
}

absl::StatusOr<absl::Duration> SleepOf(const Value& value, std::string_view at) {
  absl::Duration sleep;
  if (value.is_string) {
    if (!absl::ParseDuration(value.text, &sleep)) return Wrong("no duration", at);
  } else {
    int64_t ms = 0;
    const char* const end = value.text.data() + value.text.size();
    if (value.text.empty() || std::from_chars(value.text.data(), end, ms).ptr != end) {
      return Wrong("no time to sleep", at);
    }
    sleep = absl::Milliseconds(ms);
  }
  if (sleep < absl::ZeroDuration()) return Wrong("a negative time to sleep", at);
  return sleep;
}

absl::StatusOr<FailpointAct> TakeAct(std::string_view& text) {
  using Kind = FailpointAct::Kind;
  constexpr std::pair<std::string_view, Kind> kActions[] = {
      {"off", Kind::kNothing}, {"break", Kind::kNothing}, {"return", Kind::kReturn},
      {"panic", Kind::kPanic}, {"sleep", Kind::kSleep},   {"print", Kind::kPrint}};
  const std::string_view whole = text;
  for (const auto& [word, kind] : kActions) {
    if (!Take(text, word)) continue;
    FailpointAct act;
    act.kind = kind;
    KV_ASSIGN_OR_RETURN(Value value, TakeValue(text));
    if (kind == Kind::kSleep) {
      KV_ASSIGN_OR_RETURN(act.sleep, SleepOf(value, whole));
    }
    act.value = std::move(value.text);
    return act;
  }
  return Wrong("no action", whole);
}

}  // namespace

absl::StatusOr<FailpointTerms> FailpointTerms::Parse(std::string_view text) {
  FailpointTerms terms;
  terms.text_ = std::string(text);
  do {
    Term term;
    while (true) {
      if (const auto percent = TakeNumber(text, '%')) {
        if (!(*percent >= 0 && *percent <= 100)) return Wrong("no probability", text);
        term.percent = *percent;
      } else if (const auto count = TakeNumber(text, '*')) {
        if (!(*count >= 0 && *count <= 1e15)) return Wrong("no count", text);
        term.left = static_cast<uint64_t>(*count);
      } else {
        break;
      }
    }
    KV_ASSIGN_OR_RETURN(term.act, TakeAct(text));
    terms.chain_.push_back(std::move(term));
  } while (Take(text, "->"));
  if (!text.empty()) return Wrong("something after the end", text);
  return terms;
}

FailpointAct FailpointTerms::Next(Random& random) {
  constexpr uint64_t kParts = 1'000'000;
  for (Term& term : chain_) {
    if (term.left == 0) continue;
    if (term.percent < 100 &&
        static_cast<double>(random.Below(kParts)) * 100 / kParts >= term.percent) {
      continue;
    }
    --term.left;
    return term.act;
  }
  return {};
}

}  // namespace keelson
