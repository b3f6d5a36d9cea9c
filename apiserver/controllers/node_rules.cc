#include "apiserver/controllers/node_rules.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "apiserver/api/object.h"

namespace keelson::controllers {

using api::Json;

bool Tolerates(const Json& tolerations, const Json& taint) {
  for (const Json& toleration : tolerations) {
    const std::string& effect = api::TextAt(toleration, "effect");
    if (!effect.empty() && effect != api::TextAt(taint, "effect")) continue;
    const std::string& key = api::TextAt(toleration, "key");
    if (!key.empty() && key != api::TextAt(taint, "key")) continue;
    if (api::TextAt(toleration, "operator") == "Exists") return true;
    if (!key.empty() && api::TextAt(toleration, "value") == api::TextAt(taint, "value")) {
      return true;
    }
  }
  return false;
}

const Json* UntoleratedTaint(const Json& tolerations, const Json& taints, std::string_view effect) {
  for (const Json& taint : taints) {
    if (api::TextAt(taint, "effect") == effect && !Tolerates(tolerations, taint)) return &taint;
  }
  return nullptr;
}

absl::Duration MayStay(const Json& tolerations, const Json& taints) {
  absl::Duration shortest = absl::InfiniteDuration();
  for (const Json& taint : taints) {
    if (api::TextAt(taint, "effect") != "NoExecute") continue;
    std::optional<absl::Duration> allowed;
    for (const Json& toleration : tolerations) {
      if (!Tolerates(Json::array({toleration}), taint)) continue;
      const Json* seconds = api::Find(toleration, "tolerationSeconds");
      const absl::Duration one = seconds != nullptr && seconds->is_number()
                                     ? absl::Seconds(std::max<int64_t>(0, seconds->get<int64_t>()))
                                     : absl::InfiniteDuration();
      allowed = std::min(allowed.value_or(absl::InfiniteDuration()), one);
    }
    shortest = std::min(shortest, allowed.value_or(absl::ZeroDuration()));
  }
  return shortest;
}

namespace {

bool MatchesRequirement(const Json& requirement, const std::string* value) {
  const std::string& op = api::TextAt(requirement, "operator");
  const Json& values = api::ArrayAt(requirement, "values");
  const auto listed = [&] {
    return std::any_of(values.begin(), values.end(),
                       [&](const Json& one) { return one.is_string() && one == *value; });
  };
  if (op == "In") return value != nullptr && listed();
  if (op == "NotIn") return value == nullptr || !listed();
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  int64_t have = 0;
  int64_t limit = 0;
  if (value == nullptr || values.empty() || !values[0].is_string() ||
      !absl::SimpleAtoi(*value, &have) ||
      !absl::SimpleAtoi(values[0].get_ref<const std::string&>(), &limit)) {
    return false;
  }
  return op == "Gt" ? have > limit : op == "Lt" && have < limit;
}

const std::string* TextIn(const Json& map, std::string_view name) {
  const Json* found = api::Member(map, name);
  return found != nullptr && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

bool MatchesTerm(const Json& term, const Json& node) {
  const Json& expressions = api::ArrayAt(term, "matchExpressions");
  const Json& fields = api::ArrayAt(term, "matchFields");
  // A term without conditions matches nothing.
  if (expressions.empty() && fields.empty()) return false;
  for (const Json& one : expressions) {
    if (!MatchesRequirement(one, TextIn(api::LabelsOf(node), api::TextAt(one, "key")))) {
      return false;
    }
  }
  return std::all_of(fields.begin(), fields.end(), [&](const Json& one) {
    return api::TextAt(one, "key") == "metadata.name" &&
           MatchesRequirement(one, &api::NameOf(node));
  });
}

}  // namespace

bool MatchesTerms(const Json& terms, const Json& node) {
  return std::any_of(terms.begin(), terms.end(),
                     [&](const Json& term) { return MatchesTerm(term, node); });
}

bool SelectsNode(const Json& pod_spec, const Json& node) {
  for (const auto& [label, value] : api::MapAt(pod_spec, "nodeSelector").items()) {
    const std::string* have = TextIn(api::LabelsOf(node), label);
    if (have == nullptr || value != *have) return false;
  }
  const Json* required =
      api::Find(pod_spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
  return required == nullptr || MatchesTerms(api::ArrayAt(*required, "nodeSelectorTerms"), node);
}

}  // namespace keelson::controllers
