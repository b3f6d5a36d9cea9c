#include "apiserver/api/kinds/resources.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "apiserver/api/kinds/field_checks.h"
#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kHugePages = "hugepages-";
constexpr std::string_view kRequestsHugePages = "requests.hugepages-";

bool StartsWith(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool HasPrefix(std::string_view name) { return name.find('/') != std::string_view::npos; }

// Objects are counted, whatever they are.
bool IsCountOfObjects(std::string_view name) {
  return IsOneOf(name, {"pods", "resourcequotas", "services", "replicationcontrollers", "secrets",
                        "configmaps", "persistentvolumeclaims", "services.nodeports",
                        "services.loadbalancers"});
}

bool IsContainerResource(std::string_view name) {
  return IsOneOf(name, {"cpu", "memory", "ephemeral-storage"}) || IsHugePages(name);
}

bool IsWhole(const Quantity& amount) { return Quantity::FromValue(amount.Value()) == amount; }

// Whether it is a whole number of pages of the size in the name.
bool IsWholePages(std::string_view name, const Quantity& amount) {
  const std::optional<Quantity> page = Quantity::Parse(name.substr(kHugePages.size()));
  if (!page || page->IsZero() || page->IsNegative() || !IsWhole(*page)) return false;
  return amount.Value() % page->Value() == 0;
}

std::string TextOf(const Json& amount) { return Quantity::Of(amount).ToString(); }

void ValidateAmountOf(std::string_view name, const Json& amount, std::string_view path,
                      FieldErrors& errors) {
  ValidateContainerResourceName(name, path, errors);
  ValidateResourceAmount(name, amount, path, errors);
  if (IsHugePages(name) && !IsWholePages(name, Quantity::Of(amount))) {
    errors.Invalid(path, TextOf(amount),
                   Concat(TextOf(amount), " is not positive integer multiple of ", name));
  }
}

void ValidateRequest(std::string_view name, const Json& amount, const Json* limit,
                     std::string_view path, FieldErrors& errors) {
  ValidateAmountOf(name, amount, Key(Child(path, "requests"), name), errors);
  if (limit == nullptr) {
    if (!IsOvercommitAllowed(name)) {
      errors.Required(Child(path, "limits"), "Limit must be set for non overcommitable resources");
    }
    return;
  }
  const auto order = Quantity::Of(amount) <=> Quantity::Of(*limit);
  const std::string rest = Concat(name, " limit of ", TextOf(*limit));
  if (order != 0 && !IsOvercommitAllowed(name)) {
    errors.Invalid(Child(path, "requests"), TextOf(amount), Concat("must be equal to ", rest));
  } else if (order > 0) {
    errors.Invalid(Child(path, "requests"), TextOf(amount),
                   Concat("must be less than or equal to ", rest));
  }
}

void ValidateClaimNames(const Json& claims, const std::set<std::string>& known,
                        std::string_view path, FieldErrors& errors) {
  std::set<std::string> seen;
  for (size_t i = 0; i < claims.size(); ++i) {
    const std::string& name = TextAt(claims[i], "name");
    const std::string& request = TextAt(claims[i], "request");
    const std::string at = Index(path, i);
    if (name.empty()) {
      errors.Required(at);
      continue;
    }
    if (!request.empty()) CheckName(request, IsLabel, Child(at, "request"), errors);
    const std::string key = request.empty() ? name : Concat(name, "/", request);
    // All of a claim and a part of it overlap.
    const auto next = seen.lower_bound(Concat(name, "/"));
    const bool part_is_used = next != seen.end() && StartsWith(*next, Concat(name, "/"));
    if (seen.contains(name) || seen.contains(key) || (request.empty() && part_is_used)) {
      errors.Duplicate(at, key);
    }
    seen.insert(key);
    if (!known.contains(name)) errors.NotFound(at, name);
  }
}

bool NamesAny(const Json& amounts, bool (*rule)(std::string_view)) {
  for (const auto& [name, amount] : amounts.items()) {
    if (rule(name)) return true;
  }
  return false;
}

bool IsCpuOrMemory(std::string_view name) { return name == "cpu" || name == "memory"; }

ResourceAmounts ContainerAmounts(const Json& container, std::string_view field) {
  return AmountsOf(MapAt(MapAt(container, "resources"), field));
}

void RaiseTo(const ResourceAmounts& least, ResourceAmounts* amounts) {
  for (const auto& [name, amount] : least) {
    Quantity& so_far = (*amounts)[name];
    so_far = std::max(so_far, amount);
  }
}

}  // namespace

bool IsNativeResource(std::string_view name) {
  return !HasPrefix(name) || name.find("kubernetes.io/") != std::string_view::npos;
}

bool IsHugePages(std::string_view name) { return StartsWith(name, kHugePages); }

bool IsExtendedResource(std::string_view name) {
  std::string why;
  return !IsNativeResource(name) && !StartsWith(name, "requests.") &&
         IsQualifiedName(Concat("requests.", name), &why);
}

bool IsQuotaResource(std::string_view name) {
  return IsCountOfObjects(name) ||
         IsOneOf(name, {"cpu", "memory", "ephemeral-storage", "requests.cpu", "requests.memory",
                        "requests.storage", "requests.ephemeral-storage", "limits.cpu",
                        "limits.memory", "limits.ephemeral-storage"}) ||
         IsHugePages(name) || StartsWith(name, kRequestsHugePages);
}

bool IsOvercommitAllowed(std::string_view name) {
  return IsNativeResource(name) && !IsHugePages(name);
}

void ValidateResourceName(std::string_view name, std::string_view path, FieldErrors& errors) {
  std::string why;
  if (!IsQualifiedName(name, &why)) return errors.Invalid(path, name, why);
  if (!HasPrefix(name) && !IsQuotaResource(name) && name != "storage") {
    errors.Invalid(path, name, "must be a standard resource type or fully qualified");
  }
}

void ValidateContainerResourceName(std::string_view name, std::string_view path,
                                   FieldErrors& errors) {
  ValidateResourceName(name, path, errors);
  if (!HasPrefix(name)) {
    if (!IsContainerResource(name)) {
      errors.Invalid(path, name, "must be a standard resource for containers");
    }
  } else if (!IsNativeResource(name) && !IsExtendedResource(name)) {
    errors.Invalid(path, name, "doesn't follow extended resource name standard");
  }
}

void ValidateQuotaResourceName(std::string_view name, std::string_view path, FieldErrors& errors) {
  ValidateResourceName(name, path, errors);
  if (!HasPrefix(name) && !IsQuotaResource(name)) {
    errors.Invalid(path, name, "must be a standard resource for quota");
  }
}

void ValidateResourceAmount(std::string_view name, const Json& amount, std::string_view path,
                            FieldErrors& errors) {
  const Quantity quantity = Quantity::Of(amount);
  if (quantity.IsNegative()) {
    errors.Invalid(path, quantity.ToString(), "must be greater than or equal to 0");
  }
  if ((IsCountOfObjects(name) || IsExtendedResource(name)) && !IsWhole(quantity)) {
    errors.Invalid(path, quantity.ToString(), "must be an integer");
  }
}

void ValidateResourceRequirements(const Json& requirements, const std::set<std::string>& claims,
                                  std::string_view path, FieldErrors& errors) {
  const Json& limits = MapAt(requirements, "limits");
  const Json& requests = MapAt(requirements, "requests");
  for (const auto& [name, amount] : limits.items()) {
    ValidateAmountOf(name, amount, Key(Child(path, "limits"), name), errors);
  }
  for (const auto& [name, amount] : requests.items()) {
    ValidateRequest(name, amount, Member(limits, name), path, errors);
  }
  if ((NamesAny(limits, IsHugePages) || NamesAny(requests, IsHugePages)) &&
      !NamesAny(limits, IsCpuOrMemory) && !NamesAny(requests, IsCpuOrMemory)) {
    errors.Forbidden(path, "HugePages require cpu or memory");
  }
  ValidateClaimNames(ArrayAt(requirements, "claims"), claims, Child(path, "claims"), errors);
}

Quantity AmountAt(const Json& amounts, std::string_view name) {
  const Json* amount = Member(amounts, name);
  return amount != nullptr ? Quantity::Of(*amount) : Quantity();
}

ResourceAmounts AmountsOf(const Json& amounts) {
  ResourceAmounts result;
  if (!amounts.is_object()) return result;
  for (const auto& [name, amount] : amounts.items()) result[name] = Quantity::Of(amount);
  return result;
}

void AddAmounts(const ResourceAmounts& more, ResourceAmounts* sum) {
  for (const auto& [name, amount] : more) {
    const auto [place, added] = sum->emplace(name, amount);
    if (!added) place->second = place->second + amount;
  }
}

ResourceAmounts PodAmounts(const Json& pod_spec, std::string_view field) {
  ResourceAmounts running;
  for (const Json& container : ArrayAt(pod_spec, "containers")) {
    AddAmounts(ContainerAmounts(container, field), &running);
  }
  ResourceAmounts sidecars;
  ResourceAmounts starting;
  for (const Json& container : ArrayAt(pod_spec, "initContainers")) {
    ResourceAmounts at_once = ContainerAmounts(container, field);
    if (TextAt(container, "restartPolicy") == "Always") {
      AddAmounts(at_once, &sidecars);
      AddAmounts(at_once, &running);
      at_once = sidecars;
    } else {
      AddAmounts(sidecars, &at_once);
    }
    RaiseTo(at_once, &starting);
  }
  RaiseTo(starting, &running);
  for (const auto& [name, amount] : AmountsOf(MapAt(pod_spec, "overhead"))) {
    // Overhead adds to limits only where there is one.
    if (field == "limits" && !running.contains(name)) continue;
    AddAmounts({{name, amount}}, &running);
  }
  return running;
}

std::string_view QosClassOf(const Json& pod_spec) {
  ResourceAmounts requests;
  ResourceAmounts limits;
  bool all_limited = true;
  for (std::string_view list : {"containers", "initContainers"}) {
    for (const Json& container : ArrayAt(pod_spec, list)) {
      size_t limited = 0;
      for (std::string_view name : {"cpu", "memory"}) {
        const Quantity request = AmountAt(MapAt(container, "resources.requests"), name);
        const Quantity limit = AmountAt(MapAt(container, "resources.limits"), name);
        if (request > Quantity()) AddAmounts({{std::string(name), request}}, &requests);
        if (limit > Quantity()) AddAmounts({{std::string(name), limit}}, &limits);
        if (limit > Quantity()) ++limited;
      }
      all_limited = all_limited && limited == 2;
    }
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  return all_limited && requests == limits ? "Guaranteed" : "Burstable";
}

}  // namespace keelson::api
