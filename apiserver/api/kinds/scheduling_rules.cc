#include "apiserver/api/kinds/scheduling_rules.h"

#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/kinds/pod_spec.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";

void ValidateWeight(const Json& term, std::string_view path, FieldErrors& errors) {
  const int64_t weight = NumberAt(term, "weight");
  if (weight <= 0 || weight > 100) {
    errors.Invalid(Child(path, "weight"), weight, "must be in the range 1-100");
  }
}

void ValidateExpression(const Json& expression, LabelValues values_are, std::string_view path,
                        FieldErrors& errors) {
  const std::string& op = TextAt(expression, "operator");
  const Json& values = ArrayAt(expression, "values");
  const std::string values_path = Child(path, "values");
  if (op == "In" || op == "NotIn") {
    if (values.empty()) {
      errors.Required(values_path, "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!values.empty()) {
      errors.Forbidden(values_path,
                       "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (op == "Gt" || op == "Lt") {
    if (values.size() != 1) {
      errors.Required(values_path,
                      "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else {
    errors.Invalid(Child(path, "operator"), op, "not a valid selector operator");
  }
  CheckName(TextAt(expression, "key"), IsQualifiedName, Child(path, "key"), errors);
  if (values_are == LabelValues::kAny) return;
  for (size_t i = 0; i < values.size(); ++i) {
    CheckName(TextAt(values[i], ""), IsLabelValue, Index(values_path, i), errors);
  }
}

void ValidateFieldExpression(const Json& expression, std::string_view path, FieldErrors& errors) {
  const std::string& op = TextAt(expression, "operator");
  const Json& values = ArrayAt(expression, "values");
  if (op != "In" && op != "NotIn") {
    errors.Invalid(Child(path, "operator"), op, "not a valid selector operator");
  } else if (values.size() != 1) {
    errors.Required(
        Child(path, "values"),
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  }
  const std::string& key = TextAt(expression, "key");
  if (key != "metadata.name") {
    return errors.Invalid(Child(path, "key"), key, "not a valid field selector key");
  }
  for (size_t i = 0; i < values.size(); ++i) {
    CheckName(TextAt(values[i], ""), IsSubdomain, Index(Child(path, "values"), i), errors);
  }
}

void ValidateNodeTerm(const Json& term, LabelValues values, std::string_view path,
                      FieldErrors& errors) {
  const Json& labels = ArrayAt(term, "matchExpressions");
  for (size_t i = 0; i < labels.size(); ++i) {
    ValidateExpression(labels[i], values, Index(Child(path, "matchExpressions"), i), errors);
  }
  const Json& fields = ArrayAt(term, "matchFields");
  for (size_t i = 0; i < fields.size(); ++i) {
    ValidateFieldExpression(fields[i], Index(Child(path, "matchFields"), i), errors);
  }
}

void ValidateNodeAffinity(const Json& affinity, std::string_view path, FieldErrors& errors) {
  if (const Json* required = Find(affinity, kRequired)) {
    ValidateNodeSelector(*required, LabelValues::kChecked, Child(path, kRequired), errors);
  }
  const Json& preferred = ArrayAt(affinity, kPreferred);
  for (size_t i = 0; i < preferred.size(); ++i) {
    const std::string at = Index(Child(path, kPreferred), i);
    ValidateWeight(preferred[i], at, errors);
    ValidateNodeTerm(MapAt(preferred[i], "preference"), LabelValues::kAny, Child(at, "preference"),
                     errors);
  }
}

std::set<std::string> TextsOf(const Json& list) {
  std::set<std::string> texts;
  for (const Json& text : list) texts.insert(TextAt(text, ""));
  return texts;
}

std::set<std::string> SelectedKeys(const Json& selector) {
  std::set<std::string> keys;
  for (const auto& [key, value] : MapAt(selector, "matchLabels").items()) keys.insert(key);
  for (const Json& expression : ArrayAt(selector, "matchExpressions")) {
    keys.insert(TextAt(expression, "key"));
  }
  return keys;
}

// matchLabelKeys and mismatchLabelKeys of a term. The first are added to its selector when the pod
// is created, so that what the selector has of them twice was written twice.
void ValidateLabelKeys(const Json& term, std::string_view path, FieldErrors& errors) {
  const Json* selector = Find(term, "labelSelector");
  for (std::string_view field : {"matchLabelKeys", "mismatchLabelKeys"}) {
    const Json& keys = ArrayAt(term, field);
    if (keys.empty()) continue;
    if (selector == nullptr) {
      errors.Forbidden(Child(path, field), "must not be specified when labelSelector is not set");
      continue;
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      CheckName(TextAt(keys[i], ""), IsQualifiedName, Index(Child(path, field), i), errors);
    }
  }
  const Json& keys = ArrayAt(term, "matchLabelKeys");
  const std::set<std::string> mismatched = TextsOf(ArrayAt(term, "mismatchLabelKeys"));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string& key = TextAt(keys[i], "");
    int written = Member(MapAt(term, "labelSelector.matchLabels"), key) != nullptr ? 1 : 0;
    for (const Json& expression : ArrayAt(term, "labelSelector.matchExpressions")) {
      if (TextAt(expression, "key") == key && ++written > 1) {
        errors.Invalid(Index(path, i), key, "exists in both matchLabelKeys and labelSelector");
      }
    }
    if (mismatched.contains(key)) {
      errors.Invalid(Index(Child(path, "matchLabelKeys"), i), key,
                     "exists in both matchLabelKeys and mismatchLabelKeys");
    }
  }
}

void ValidatePodTerm(const Json& term, std::string_view path, FieldErrors& errors) {
  for (std::string_view field : {"labelSelector", "namespaceSelector"}) {
    if (const Json* selector = Find(term, field)) {
      ValidateLabelSelector(*selector, Child(path, field), errors);
    }
  }
  for (const Json& space : ArrayAt(term, "namespaces")) {
    CheckName(TextAt(space, ""), IsLabel, Child(path, "namespace"), errors);
  }
  ValidateLabelKeys(term, path, errors);
  const std::string& key = TextAt(term, "topologyKey");
  if (key.empty()) errors.Required(Child(path, "topologyKey"), "can not be empty");
  CheckName(key, IsQualifiedName, Child(path, "topologyKey"), errors);
}

void ValidatePodAffinity(const Json& affinity, std::string_view path, FieldErrors& errors) {
  const Json& required = ArrayAt(affinity, kRequired);
  for (size_t i = 0; i < required.size(); ++i) {
    ValidatePodTerm(required[i], Index(Child(path, kRequired), i), errors);
  }
  const Json& preferred = ArrayAt(affinity, kPreferred);
  for (size_t i = 0; i < preferred.size(); ++i) {
    const std::string at = Index(Child(path, kPreferred), i);
    ValidateWeight(preferred[i], at, errors);
    ValidatePodTerm(MapAt(preferred[i], "podAffinityTerm"), Child(at, "podAffinityTerm"), errors);
  }
}

void ValidateSpreadKeys(const Json& constraint, std::string_view path, FieldErrors& errors) {
  const Json& keys = ArrayAt(constraint, "matchLabelKeys");
  if (keys.empty()) return;
  const Json* selector = Find(constraint, "labelSelector");
  if (selector == nullptr) {
    errors.Forbidden(path, "must not be specified when labelSelector is not set");
  }
  const std::set<std::string> selected = SelectedKeys(MapAt(constraint, "labelSelector"));
  for (size_t i = 0; i < keys.size(); ++i) {
    const std::string& key = TextAt(keys[i], "");
    CheckName(key, IsQualifiedName, Index(path, i), errors);
    if (selected.contains(key)) {
      errors.Invalid(Index(path, i), key, "exists in both matchLabelKeys and labelSelector");
    }
  }
}

void ValidateSpread(const Json& constraint, std::string_view path, FieldErrors& errors) {
  CheckPositive(NumberAt(constraint, "maxSkew"), Child(path, "maxSkew"), errors);
  if (TextAt(constraint, "topologyKey").empty()) {
    errors.Required(Child(path, "topologyKey"), "can not be empty");
  }
  const std::string& action = TextAt(constraint, "whenUnsatisfiable");
  const Json written = action;
  CheckOptionalOneOf(&written, {"DoNotSchedule", "ScheduleAnyway"},
                     Child(path, "whenUnsatisfiable"), errors);
  if (Find(constraint, "minDomains") != nullptr) {
    const int64_t domains = NumberAt(constraint, "minDomains");
    CheckPositive(domains, Child(path, "minDomains"), errors);
    if (action != "DoNotSchedule") {
      errors.Invalid(
          Child(path, "minDomains"), domains,
          Concat("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ", action));
    }
  }
  for (std::string_view policy : {"nodeAffinityPolicy", "nodeTaintsPolicy"}) {
    CheckOptionalOneOf(Find(constraint, policy), {"Honor", "Ignore"}, Child(path, policy), errors);
  }
  ValidateSpreadKeys(constraint, Child(path, "matchLabelKeys"), errors);
  if (const Json* selector = Find(constraint, "labelSelector")) {
    ValidateLabelSelector(*selector, Child(path, "labelSelector"), errors);
  }
}

}  // namespace

void ValidateTaintEffect(std::string_view effect, std::string_view path, FieldErrors& errors) {
  CheckOneOf(effect, {"NoSchedule", "PreferNoSchedule", "NoExecute"}, path, errors);
}

void ValidateNodeSelector(const Json& selector, LabelValues values, std::string_view path,
                          FieldErrors& errors) {
  const std::string at = Child(path, "nodeSelectorTerms");
  const Json& terms = ArrayAt(selector, "nodeSelectorTerms");
  if (terms.empty()) return errors.Required(at, "must have at least one node selector term");
  for (size_t i = 0; i < terms.size(); ++i) {
    ValidateNodeTerm(terms[i], values, Index(at, i), errors);
  }
}

void ValidateTolerations(const Json& tolerations, std::string_view path, FieldErrors& errors) {
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const Json& toleration = tolerations[i];
    const std::string at = Index(path, i);
    const std::string& key = TextAt(toleration, "key");
    const std::string& op = TextAt(toleration, "operator");
    const std::string& value = TextAt(toleration, "value");
    const std::string& effect = TextAt(toleration, "effect");
    if (!key.empty()) CheckName(key, IsQualifiedName, Child(at, "key"), errors);
    if (key.empty() && op != "Exists") {
      errors.Invalid(Child(at, "operator"), op,
                     "operator must be Exists when `key` is empty, which means \"match all values "
                     "and all keys\"");
    }
    if (Find(toleration, "tolerationSeconds") != nullptr && effect != "NoExecute") {
      errors.Invalid(Child(at, "effect"), effect,
                     "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op.empty() || op == "Equal") {
      CheckName(value, IsLabelValue, Child(at, "operator"), errors);
    } else if (op != "Exists") {
      errors.NotSupported(Child(at, "operator"), op, {"Equal", "Exists"});
    } else if (!value.empty()) {
      errors.Invalid(Child(at, "operator"), value,
                     "value must be empty when `operator` is 'Exists'");
    }
    if (!effect.empty()) ValidateTaintEffect(effect, Child(at, "effect"), errors);
  }
}

void ValidateAffinity(const Json& affinity, std::string_view path, FieldErrors& errors) {
  ValidateNodeAffinity(MapAt(affinity, "nodeAffinity"), Child(path, "nodeAffinity"), errors);
  for (std::string_view field : {"podAffinity", "podAntiAffinity"}) {
    ValidatePodAffinity(MapAt(affinity, field), Child(path, field), errors);
  }
}

void ValidateTopologySpread(const Json& constraints, std::string_view path, FieldErrors& errors) {
  for (size_t i = 0; i < constraints.size(); ++i) {
    const std::string at = Index(path, i);
    ValidateSpread(constraints[i], at, errors);
    const std::string& key = TextAt(constraints[i], "topologyKey");
    const std::string& action = TextAt(constraints[i], "whenUnsatisfiable");
    for (size_t j = i + 1; j < constraints.size(); ++j) {
      if (TextAt(constraints[j], "topologyKey") != key ||
          TextAt(constraints[j], "whenUnsatisfiable") != action) {
        continue;
      }
      errors.Duplicate(Child(at, "{topologyKey, whenUnsatisfiable}"),
                       Concat("{", key, ", ", action, "}"));
      break;
    }
  }
}

}  // namespace keelson::api
