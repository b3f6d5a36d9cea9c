#include "apiserver/scheduler/selectors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/numbers.h"
#include "apiserver/api/object.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using Operator = api::LabelSelector::Operator;

bool Contains(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool Compares(const Requirement& requirement, const std::string& value) {
  int64_t mine = 0;
  int64_t bound = 0;
  if (requirement.values.size() != 1 || !absl::SimpleAtoi(value, &mine) ||
      !absl::SimpleAtoi(requirement.values[0], &bound)) {
    return false;
  }
  return requirement.op == Operator::kGreater ? mine > bound : mine < bound;
}

bool Holds(const Requirement& requirement, const std::string* value) {
  switch (requirement.op) {
    case Operator::kIn:
      return value != nullptr && Contains(requirement.values, *value);
    case Operator::kNotIn:
      return value == nullptr || !Contains(requirement.values, *value);
    case Operator::kExists:
      return value != nullptr;
    case Operator::kDoesNotExist:
      return value == nullptr;
    case Operator::kGreater:
    case Operator::kLess:
      return value != nullptr && Compares(requirement, *value);
  }
  return false;
}

std::optional<Operator> ParseOperator(std::string_view text) {
  if (text == "In") return Operator::kIn;
  if (text == "NotIn") return Operator::kNotIn;
  if (text == "Exists") return Operator::kExists;
  if (text == "DoesNotExist") return Operator::kDoesNotExist;
  if (text == "Gt") return Operator::kGreater;
  if (text == "Lt") return Operator::kLess;
  return std::nullopt;
}

// One that cannot be read holds for nothing.
Requirement ParseRequirement(const Json& json) {
  const std::optional<Operator> op = ParseOperator(api::TextAt(json, "operator"));
  Requirement requirement{api::TextAt(json, "key"), op.value_or(Operator::kIn), {}};
  if (!op) return requirement;
  for (const Json& value : api::ArrayAt(json, "values")) {
    if (value.is_string()) requirement.values.push_back(value.get<std::string>());
  }
  return requirement;
}

}  // namespace

Labels ParseLabels(const Json& map) {
  Labels labels;
  if (!map.is_object()) return labels;
  labels.reserve(map.size());
  for (const auto& [key, value] : map.items()) {
    if (value.is_string()) labels.emplace_back(key, value.get_ref<const std::string&>());
  }
  return labels;
}

const std::string* FindLabel(const Labels& labels, std::string_view key) {
  const auto at = std::lower_bound(labels.begin(), labels.end(), key,
                                   [](const auto& label, auto k) { return label.first < k; });
  return at == labels.end() || at->first != key ? nullptr : &at->second;
}

bool Selector::Matches(const Labels& labels) const {
  if (nothing) return false;
  return std::all_of(requirements.begin(), requirements.end(), [&](const Requirement& one) {
    return Holds(one, FindLabel(labels, one.key));
  });
}

bool Selector::operator==(const Selector& other) const {
  return nothing == other.nothing &&
         std::equal(requirements.begin(), requirements.end(), other.requirements.begin(),
                    other.requirements.end(), [](const Requirement& a, const Requirement& b) {
                      return a.key == b.key && a.op == b.op && a.values == b.values;
                    });
}

Selector ParseSelector(const Json* selector) {
  if (selector == nullptr) return {{}, true};
  const api::LabelSelector parsed = api::LabelSelector::FromObject(*selector);
  return {parsed.requirements(), parsed.requirements().empty() && !parsed.everything()};
}

Selector SelectLabels(const Labels& labels) {
  Selector selector;
  for (const auto& [key, value] : labels) Require(selector, key, Operator::kIn, value);
  return selector;
}

void Require(Selector& selector, std::string key, Operator op, std::string value) {
  selector.requirements.push_back({std::move(key), op, {std::move(value)}});
}

bool NodeTerm::Matches(const Labels& node_labels, const std::string& node_name) const {
  if (labels.empty() && fields.empty()) return false;
  return std::all_of(
             labels.begin(), labels.end(),
             [&](const Requirement& one) { return Holds(one, FindLabel(node_labels, one.key)); }) &&
         std::all_of(fields.begin(), fields.end(), [&](const Requirement& one) {
           return one.key == "metadata.name" && Holds(one, &node_name);
         });
}

NodeTerm ParseNodeTerm(const Json& term) {
  NodeTerm parsed;
  for (const Json& one : api::ArrayAt(term, "matchExpressions")) {
    parsed.labels.push_back(ParseRequirement(one));
  }
  for (const Json& one : api::ArrayAt(term, "matchFields")) {
    parsed.fields.push_back(ParseRequirement(one));
  }
  return parsed;
}

std::vector<NodeTerm> ParseNodeTerms(const Json& node_selector) {
  std::vector<NodeTerm> terms;
  for (const Json& term : api::ArrayAt(node_selector, "nodeSelectorTerms")) {
    terms.push_back(ParseNodeTerm(term));
  }
  return terms;
}

bool MatchesAny(const std::vector<NodeTerm>& terms, const Labels& labels, const std::string& name) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const NodeTerm& term) { return term.Matches(labels, name); });
}

}  // namespace keelson::scheduler
