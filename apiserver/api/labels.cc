#include "apiserver/api/labels.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "apiserver/api/name_rules.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

// --- The text form. ---

enum class Token {
  kEnd,
  kWord,
  kIn,
  kNotIn,
  kOpen,
  kClose,
  kComma,
  kNot,
  kEqual,
  kDoubleEqual,
  kNotEqual,
  kGreater,
  kLess,
};

struct Item {
  Token token;
  std::string_view text;
};

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsSymbol(char c) { return std::string_view("=!(),><").find(c) != std::string_view::npos; }

Item TakeSymbol(std::string_view* text) {
  constexpr std::pair<std::string_view, Token> kSymbols[] = {
      {"==", Token::kDoubleEqual}, {"!=", Token::kNotEqual}, {"=", Token::kEqual},
      {"!", Token::kNot},          {"(", Token::kOpen},      {")", Token::kClose},
      {",", Token::kComma},        {">", Token::kGreater},   {"<", Token::kLess},
  };
  for (const auto& [symbol, token] : kSymbols) {
    if (!text->starts_with(symbol)) continue;
    text->remove_prefix(symbol.size());
    return {token, symbol};
  }
  return {Token::kEnd, ""};
}

// The last item is kEnd, and there is no other.
std::vector<Item> Scan(std::string_view text) {
  std::vector<Item> items;
  for (;;) {
    while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
    if (text.empty()) break;
    if (IsSymbol(text.front())) {
      items.push_back(TakeSymbol(&text));
      continue;
    }
    size_t end = 0;
    while (end < text.size() && !IsSpace(text[end]) && !IsSymbol(text[end])) ++end;
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    items.push_back({word == "in"      ? Token::kIn
                     : word == "notin" ? Token::kNotIn
                                       : Token::kWord,
                     word});
  }
  items.push_back({Token::kEnd, ""});
  return items;
}

template <typename... Parts>
absl::Status Refused(const Parts&... parts) {
  return BadRequest(Concat(parts...));
}

std::string JoinedWith(const std::vector<std::string>& texts, std::string_view between) {
  std::string joined;
  for (size_t i = 0; i < texts.size(); ++i) Append(&joined, i == 0 ? "" : between, texts[i]);
  return joined;
}

// "path: Invalid value: ...", as a finding stands in a message.
std::string Finding(std::string_view path, std::string_view value, std::string_view why) {
  return Concat(path, ": Invalid value: ", Quoted(value), ": ", why);
}

std::optional<int64_t> ParseNumber(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

absl::Status CheckRequirement(const Requirement& requirement) {
  std::vector<std::string> findings;
  const bool compares = requirement.op == Operator::kGreater || requirement.op == Operator::kLess;
  for (size_t i = 0; i < requirement.values.size(); ++i) {
    if (compares && !ParseNumber(requirement.values[i]).has_value()) {
      findings.push_back(Finding(Index("values", i), requirement.values[i],
                                 "for 'Gt', 'Lt' operators, the value must be an integer"));
    }
  }
  for (size_t i = 0; i < requirement.values.size(); ++i) {
    std::string why;
    if (!IsLabelValue(requirement.values[i], &why)) {
      findings.push_back(
          Finding(Key(Index("values", i), requirement.key), requirement.values[i], why));
    }
  }
  if (findings.empty()) return absl::OkStatus();
  const std::string joined = JoinedWith(findings, ", ");
  return findings.size() == 1 ? Refused("unable to parse requirement: ", joined)
                              : Refused("unable to parse requirement: [", joined, "]");
}

class Parser {
 public:
  explicit Parser(std::string_view text) : items_(Scan(text)) {}

  absl::StatusOr<std::vector<Requirement>> Parse() {
    std::vector<Requirement> requirements;
    for (;;) {
      const Item next = Peek();
      if (next.token == Token::kEnd) return requirements;
      if (next.token != Token::kWord && next.token != Token::kNot) {
        return Refused("found '", next.text, "', expected: !, identifier, or 'end of string'");
      }
      absl::StatusOr<Requirement> requirement = ParseRequirement();
      if (!requirement.ok()) return requirement.status();
      requirements.push_back(*std::move(requirement));
      const Item after = Take();
      if (after.token == Token::kEnd) return requirements;
      if (after.token != Token::kComma) {
        return Refused("found '", after.text, "', expected: ',' or 'end of string'");
      }
      if (Peek().token != Token::kWord && Peek().token != Token::kNot) {
        return Refused("found '", Peek().text, "', expected: identifier after ','");
      }
    }
  }

 private:
  // "in" and "notin" are words wherever no operator is looked for.
  Item Peek() const {
    Item item = items_[position_];
    if (item.token == Token::kIn || item.token == Token::kNotIn) item.token = Token::kWord;
    return item;
  }
  Item Take() {
    const Item item = Peek();
    if (position_ + 1 < items_.size()) ++position_;
    return item;
  }
  Item TakeOperator() {
    const Item item = items_[position_];
    if (position_ + 1 < items_.size()) ++position_;
    return item;
  }

  absl::StatusOr<Requirement> ParseRequirement() {
    Item key = Take();
    const bool negated = key.token == Token::kNot;
    if (negated) key = Take();
    if (key.token != Token::kWord) {
      return Refused("unable to parse requirement: found '", key.text, "', expected: identifier");
    }
    std::string why;
    if (!IsQualifiedName(key.text, &why)) {
      return Refused("unable to parse requirement: ", Finding("<nil>", key.text, why));
    }
    Requirement requirement{std::string(key.text), Operator::kExists, {}};
    const Token next = Peek().token;
    if (negated || next == Token::kEnd || next == Token::kComma) {
      if (negated) requirement.op = Operator::kDoesNotExist;
      return requirement;
    }
    if (absl::Status status = ParseOperator(&requirement); !status.ok()) return status;
    if (absl::Status status = CheckRequirement(requirement); !status.ok()) return status;
    return requirement;
  }

  absl::Status ParseOperator(Requirement* requirement) {
    const Item item = TakeOperator();
    switch (item.token) {
      case Token::kIn:
      case Token::kNotIn:
        requirement->op = item.token == Token::kIn ? Operator::kIn : Operator::kNotIn;
        return ParseValues(&requirement->values);
      case Token::kEqual:
      case Token::kDoubleEqual:
        requirement->op = Operator::kIn;
        break;
      case Token::kNotEqual:
        requirement->op = Operator::kNotIn;
        break;
      case Token::kGreater:
        requirement->op = Operator::kGreater;
        break;
      case Token::kLess:
        requirement->op = Operator::kLess;
        break;
      default:
        return Refused("unable to parse requirement: found '", item.text,
                       "', expected: in, notin, =, ==, !=, gt, lt");
    }
    const Item value = Peek();
    if (value.token == Token::kEnd || value.token == Token::kComma) {
      requirement->values = {""};
      return absl::OkStatus();
    }
    Take();
    if (value.token != Token::kWord) {
      return Refused("unable to parse requirement: found '", value.text, "', expected: identifier");
    }
    requirement->values = {std::string(value.text)};
    return absl::OkStatus();
  }

  // "(a,b)"; nothing between commas is the empty value.
  absl::Status ParseValues(std::vector<std::string>* values) {
    constexpr std::string_view kWhere = "unable to parse requirement: found '";
    if (const Item open = Take(); open.token != Token::kOpen) {
      return Refused(kWhere, open.text, "' expected: '('");
    }
    std::set<std::string> found;
    if (Peek().token == Token::kClose) {
      found.insert("");
    } else if (Peek().token != Token::kWord && Peek().token != Token::kComma) {
      return Refused(kWhere, Peek().text, "', expected: ',', ')' or identifier");
    }
    while (Peek().token != Token::kClose) {
      const Item item = Take();
      if (item.token == Token::kWord) {
        found.insert(std::string(item.text));
        if (Peek().token != Token::kComma && Peek().token != Token::kClose) {
          return Refused(kWhere, Peek().text, "', expected: ',' or ')'");
        }
      } else if (item.token == Token::kComma) {
        if (found.empty() || Peek().token == Token::kClose || Peek().token == Token::kComma) {
          found.insert("");
        }
      } else {
        return Refused(kWhere, item.text, "', expected: ',', or identifier");
      }
    }
    Take();
    values->assign(found.begin(), found.end());
    return absl::OkStatus();
  }

  std::vector<Item> items_;
  size_t position_ = 0;
};

// --- The object form. ---

std::optional<Operator> OperatorOf(std::string_view name) {
  if (name == "In") return Operator::kIn;
  if (name == "NotIn") return Operator::kNotIn;
  if (name == "Exists") return Operator::kExists;
  if (name == "DoesNotExist") return Operator::kDoesNotExist;
  return std::nullopt;
}

bool Holds(const Requirement& requirement, const Json* label) {
  switch (requirement.op) {
    case Operator::kExists:
      return label != nullptr;
    case Operator::kDoesNotExist:
      return label == nullptr;
    case Operator::kNotIn:
    case Operator::kIn: {
      const bool wanted = requirement.op == Operator::kIn;
      if (label == nullptr || !label->is_string()) return !wanted;
      return std::binary_search(requirement.values.begin(), requirement.values.end(),
                                label->get_ref<const std::string&>()) == wanted;
    }
    case Operator::kGreater:
    case Operator::kLess: {
      if (label == nullptr || !label->is_string() || requirement.values.empty()) return false;
      const std::optional<int64_t> value = ParseNumber(label->get_ref<const std::string&>());
      const std::optional<int64_t> bound = ParseNumber(requirement.values.front());
      if (!value.has_value() || !bound.has_value()) return false;
      return requirement.op == Operator::kGreater ? *value > *bound : *value < *bound;
    }
  }
  return false;
}

void SortByKey(std::vector<Requirement>* requirements) {
  std::stable_sort(requirements->begin(), requirements->end(),
                   [](const Requirement& a, const Requirement& b) { return a.key < b.key; });
}

std::string TextOf(const Requirement& requirement) {
  const std::string& key = requirement.key;
  const std::string values = JoinedWith(requirement.values, ",");
  const bool one = requirement.values.size() == 1;
  switch (requirement.op) {
    case Operator::kExists:
      return key;
    case Operator::kDoesNotExist:
      return "!" + key;
    case Operator::kGreater:
      return Concat(key, ">", values);
    case Operator::kLess:
      return Concat(key, "<", values);
    case Operator::kIn:
      return one ? Concat(key, "=", values) : Concat(key, " in (", values, ")");
    case Operator::kNotIn:
      return one ? Concat(key, "!=", values) : Concat(key, " notin (", values, ")");
  }
  return key;
}

}  // namespace

LabelSelector LabelSelector::Nothing() {
  LabelSelector selector;
  selector.nothing_ = true;
  return selector;
}

absl::StatusOr<LabelSelector> LabelSelector::Parse(std::string_view text) {
  absl::StatusOr<std::vector<Requirement>> requirements = Parser(text).Parse();
  if (!requirements.ok()) return requirements.status();
  LabelSelector selector;
  selector.requirements_ = *std::move(requirements);
  SortByKey(&selector.requirements_);
  return selector;
}

LabelSelector LabelSelector::FromObject(const Json& object) {
  if (!object.is_object()) return Nothing();
  LabelSelector selector = FromMap(MapAt(object, "matchLabels"));
  for (const Json& expression : ArrayAt(object, "matchExpressions")) {
    const std::optional<Operator> op = OperatorOf(TextAt(expression, "operator"));
    if (!op.has_value()) return Nothing();
    Requirement requirement{TextAt(expression, "key"), *op, {}};
    for (const Json& value : ArrayAt(expression, "values")) {
      if (value.is_string()) requirement.values.push_back(value.get_ref<const std::string&>());
    }
    std::sort(requirement.values.begin(), requirement.values.end());
    selector.requirements_.push_back(std::move(requirement));
  }
  SortByKey(&selector.requirements_);
  return selector;
}

LabelSelector LabelSelector::FromMap(const Json& labels) {
  LabelSelector selector;
  if (!labels.is_object()) return selector;
  for (const auto& [key, value] : labels.items()) {
    if (!value.is_string()) continue;
    selector.requirements_.push_back({key, Operator::kIn, {value.get_ref<const std::string&>()}});
  }
  return selector;
}

bool LabelSelector::Matches(const Json& labels) const {
  if (nothing_) return false;
  for (const Requirement& requirement : requirements_) {
    if (!Holds(requirement, Member(labels, requirement.key))) return false;
  }
  return true;
}

std::string LabelSelector::ToString() const {
  std::string text;
  for (const Requirement& requirement : requirements_) {
    Append(&text, text.empty() ? "" : ",", TextOf(requirement));
  }
  return text;
}

void ValidateLabels(const Json& labels, std::string_view path, FieldErrors& errors) {
  if (!labels.is_object()) return;
  for (const auto& [key, value] : labels.items()) {
    for (const std::string& why : QualifiedNameFaults(key)) errors.Invalid(path, key, why);
    if (!value.is_string()) continue;
    for (const std::string& why : LabelValueFaults(value.get_ref<const std::string&>())) {
      errors.Invalid(path, value, why);
    }
  }
}

void ValidateLabelSelector(const Json& selector, std::string_view path, FieldErrors& errors) {
  ValidateLabels(MapAt(selector, "matchLabels"), Child(path, "matchLabels"), errors);
  const Json& expressions = ArrayAt(selector, "matchExpressions");
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string at = Index(Child(path, "matchExpressions"), i);
    const Json& values = ArrayAt(expressions[i], "values");
    const std::string& name = TextAt(expressions[i], "operator");
    const std::optional<Operator> op = OperatorOf(name);
    if (!op.has_value()) {
      errors.Invalid(Child(at, "operator"), name, "not a valid selector operator");
    } else if (*op == Operator::kIn || *op == Operator::kNotIn) {
      if (values.empty()) {
        errors.Required(Child(at, "values"),
                        "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (!values.empty()) {
      errors.Forbidden(Child(at, "values"),
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
    const std::string& key = TextAt(expressions[i], "key");
    for (const std::string& why : QualifiedNameFaults(key)) {
      errors.Invalid(Child(at, "key"), key, why);
    }
    for (size_t j = 0; j < values.size(); ++j) {
      if (!values[j].is_string()) continue;
      for (const std::string& why : LabelValueFaults(values[j].get_ref<const std::string&>())) {
        errors.Invalid(Index(Child(at, "values"), j), values[j], why);
      }
    }
  }
}

}  // namespace keelson::api
