#include "apiserver/api/field_selector.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/utf8.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

// Parts of the text between commas; a backslash takes its meaning from what follows it.
std::vector<std::string_view> SplitTerms(std::string_view text) {
  std::vector<std::string_view> terms;
  size_t begin = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == ',') {
      terms.push_back(text.substr(begin, i - begin));
      begin = i + 1;
    }
  }
  terms.push_back(text.substr(begin));
  return terms;
}

absl::StatusOr<std::string> Unescape(std::string_view text) {
  std::string value;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ',' || text[i] == '=') {
      return BadRequest(Concat("invalid field selector: unescaped character in value: ",
                               static_cast<int>(text[i])));
    }
    if (text[i] == '\\') {
      const std::string_view next = text.substr(i + 1);
      if (next.empty() || std::string_view("\\,=").find(next[0]) == std::string_view::npos) {
        const size_t bytes = next.empty() ? 0 : std::max<size_t>(1, FirstCodePoint(next).bytes);
        return BadRequest(
            Concat("invalid field selector: invalid escape sequence: ", text.substr(i, 1 + bytes)));
      }
      ++i;
    }
    value.push_back(text[i]);
  }
  return value;
}

std::string Escaped(std::string_view value) {
  std::string text;
  for (char c : value) {
    if (c == '\\' || c == ',' || c == '=') text.push_back('\\');
    text.push_back(c);
  }
  return text;
}

std::optional<FieldLabel> FindLabel(const Kind& kind, std::string_view label) {
  if (label == "metadata.name" || label == "metadata.namespace") {
    return FieldLabel{.label = label, .path = label};
  }
  for (const FieldLabel& known : kind.field_labels) {
    if (known.label == label) return known;
  }
  return std::nullopt;
}

absl::Status UnknownLabel(const Kind& kind, std::string_view label) {
  if (!kind.field_labels.empty()) {
    return BadRequest(Concat("field label not supported: ", label));
  }
  return BadRequest(Concat(Quoted(label),
                           " is not a known field selector: only \"metadata.name\", "
                           "\"metadata.namespace\""));
}

// Whether the value, as text, is `wanted`; no copy is made of what is text already.
bool IsText(const Json* value, const std::string& absent, const std::string& wanted) {
  if (value == nullptr) return absent == wanted;
  if (value->is_string()) return value->get_ref<const std::string&>() == wanted;
  if (value->is_boolean()) return wanted == (value->get<bool>() ? "true" : "false");
  if (value->is_number()) return wanted == value->dump();
  return absent == wanted;
}

std::string Text(const FieldSelector::Term& term) {
  return Concat(term.label, term.equal ? "=" : "!=", Escaped(term.value));
}

}  // namespace

absl::StatusOr<FieldSelector> FieldSelector::Parse(const Kind& kind, std::string_view text) {
  FieldSelector selector;
  std::vector<std::string_view> parts = SplitTerms(text);
  std::sort(parts.begin(), parts.end());
  for (std::string_view part : parts) {
    if (part.empty()) continue;
    const size_t at = part.find('=');
    if (at == std::string_view::npos) {
      return BadRequest(Concat("invalid selector: '", text, "'; can't understand '", part, "'"));
    }
    const bool equal = at == 0 || part[at - 1] != '!';
    const std::string_view label = part.substr(0, equal ? at : at - 1);
    std::string_view right = part.substr(at + 1);
    if (equal && right.starts_with('=')) right.remove_prefix(1);
    absl::StatusOr<std::string> value = Unescape(right);
    if (!value.ok()) return value.status();
    const std::optional<FieldLabel> known = FindLabel(kind, label);
    if (!known.has_value()) return UnknownLabel(kind, label);
    selector.terms_.push_back({std::string(label), std::string(known->path),
                               std::string(known->absent), *std::move(value), equal});
  }
  // As their text says it now: "a==b" came before "a=a".
  std::sort(selector.terms_.begin(), selector.terms_.end(),
            [](const Term& a, const Term& b) { return Text(a) < Text(b); });
  return selector;
}

bool FieldSelector::Matches(const Json& object) const {
  for (const Term& term : terms_) {
    if (IsText(Find(object, term.path), term.absent, term.value) != term.equal) return false;
  }
  return true;
}

std::optional<std::string> FieldSelector::Required(std::string_view label) const {
  for (const Term& term : terms_) {
    if (term.equal && term.label == label) return term.value;
  }
  return std::nullopt;
}

std::string FieldSelector::ToString() const {
  std::string text;
  for (const Term& term : terms_) Append(&text, text.empty() ? "" : ",", Text(term));
  return text;
}

}  // namespace keelson::api
