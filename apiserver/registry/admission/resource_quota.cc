// ResourceQuota.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/quota_usage.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/registry.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Quantity;
using api::ResourceAmounts;

// What a write adds to a quota.
struct Charge {
  std::string quota;
  ResourceAmounts amounts;
};

std::string TextOf(const ResourceAmounts& amounts) {
  std::string text;
  for (const auto& [name, amount] : amounts) {
    Append(&text, text.empty() ? "" : ",", name, "=", amount.ToString());
  }
  return text;
}

ResourceAmounts OnlyOf(const ResourceAmounts& amounts, const ResourceAmounts& names) {
  ResourceAmounts some;
  for (const auto& [name, amount] : amounts) {
    if (names.contains(name)) some[name] = amount;
  }
  return some;
}

bool Counts(const AdmissionRequest& request) {
  if (request.name_space.empty() || request.operation == Operation::kDelete) return false;
  const bool whole = request.subresource.empty();
  if (request.operation == Operation::kCreate) return whole;
  if (IsPod(request)) {
    return request.subresource == "resize" ||
           (whole && api::HasDeadline(*request.object) != api::HasDeadline(*request.old));
  }
  return whole &&
         (IsKind(request, "", "services") || IsKind(request, "", "persistentvolumeclaims"));
}

// What the object comes to beyond what it was; never less than nothing.
ResourceAmounts Added(const AdmissionRequest& request, const Json& quota) {
  const absl::Time now = absl::Now();
  ResourceAmounts added = api::QuotaUsageOf(*request.kind, *request.object, now);
  if (request.old != nullptr && api::IsInScopes(quota, *request.kind, *request.old)) {
    for (const auto& [name, amount] : api::QuotaUsageOf(*request.kind, *request.old, now)) {
      added[name] = added[name] - amount;
    }
  }
  std::erase_if(added, [](const auto& entry) { return entry.second <= Quantity(); });
  return OnlyOf(added, api::AmountsOf(api::MapAt(quota, "status.hard")));
}

std::string Exceeded(const Json& quota, const ResourceAmounts& added) {
  const ResourceAmounts hard = api::AmountsOf(api::MapAt(quota, "status.hard"));
  const ResourceAmounts used = api::AmountsOf(api::MapAt(quota, "status.used"));
  ResourceAmounts too_much;
  for (const auto& [name, amount] : added) {
    const auto limit = hard.find(name);
    const auto so_far = used.find(name);
    if (limit == hard.end()) continue;
    const Quantity sum = so_far == used.end() ? amount : so_far->second + amount;
    if (sum > limit->second) too_much[name] = amount;
  }
  if (too_much.empty()) return "";
  return Concat("exceeded quota: ", api::NameOf(quota), ", requested: ", TextOf(too_much),
                ", used: ", TextOf(OnlyOf(used, too_much)),
                ", limited: ", TextOf(OnlyOf(hard, too_much)));
}

// What of the quota's resources the object's kind counts for.
Json Covered(const Json& quota, const api::Kind& kind) {
  Json covered = Json::object();
  for (const auto& [name, amount] : api::MapAt(quota, "status.hard").items()) {
    if (api::CountsFor(kind, name)) covered[name] = amount;
  }
  return covered;
}

class ResourceQuota : public AdmissionPlugin {
 public:
  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    if (!Counts(request)) return absl::OkStatus();
    KV_ASSIGN_OR_RETURN(const std::vector<Charge> charges, ChargesOf(registry, request));
    if (request.dry_run) return absl::OkStatus();
    for (size_t i = 0; i < charges.size(); ++i) {
      const absl::Status status = Add(registry, request, charges[i]);
      if (status.ok()) continue;
      while (i > 0) Subtract(registry, request, charges[--i]);
      return status;
    }
    return absl::OkStatus();
  }

  void Undo(Registry& registry, const AdmissionRequest& request) override {
    if (!Counts(request) || request.dry_run) return;
    for (const auto& quota : registry.CachedList(api::ResourceQuotaKind(), request.name_space)) {
      if (!api::IsInScopes(*quota, *request.kind, *request.object)) continue;
      const Charge charge{api::NameOf(*quota), Added(request, *quota)};
      if (!charge.amounts.empty()) Subtract(registry, request, charge);
    }
  }

 private:
  // Refuses, from what is known here, what would be refused anyway.
  static absl::StatusOr<std::vector<Charge>> ChargesOf(Registry& registry,
                                                       const AdmissionRequest& request) {
    std::vector<Charge> charges;
    for (const auto& quota : registry.CachedList(api::ResourceQuotaKind(), request.name_space)) {
      const Json covered = Covered(*quota, *request.kind);
      if (covered.empty() || !api::IsInScopes(*quota, *request.kind, *request.object)) continue;
      const std::string missing =
          IsPod(request) ? api::MissingAmounts(covered, *request.object) : std::string();
      if (!missing.empty()) {
        return Refuse(request, Concat("failed quota: ", api::NameOf(*quota), ": ", missing));
      }
      std::string unknown;
      for (const auto& [name, amount] : covered.items()) {
        if (api::Member(api::MapAt(*quota, "status.used"), name) == nullptr) {
          unknown = Concat(unknown, unknown.empty() ? "" : ",", name);
        }
      }
      if (!unknown.empty()) {
        return Refuse(request, Concat("status unknown for quota: ", api::NameOf(*quota),
                                      ", resources: ", unknown));
      }
      Charge charge{api::NameOf(*quota), Added(request, *quota)};
      if (!charge.amounts.empty()) charges.push_back(std::move(charge));
    }
    return charges;
  }

  // The newest version decides: a change that another server was faster with is looked at again.
  static absl::Status Add(Registry& registry, const AdmissionRequest& request,
                          const Charge& charge) {
    const Change change = [&](const Json& newest) -> absl::StatusOr<Json> {
      const std::string exceeded = Exceeded(newest, charge.amounts);
      if (!exceeded.empty()) return Refuse(request, exceeded);
      Json changed = newest;
      Json& used = api::Make(changed, "status.used");
      for (const auto& [name, amount] : charge.amounts) {
        used[name] = (api::AmountAt(used, name) + amount).ToString();
      }
      return changed;
    };
    const auto updated = registry.Update(api::ResourceQuotaKind(), request.name_space, charge.quota,
                                         change, {.subresource = "status"});
    // A quota that is gone limits nothing.
    return updated.ok() || api::IsNotFound(updated.status()) ? absl::OkStatus() : updated.status();
  }

  static void Subtract(Registry& registry, const AdmissionRequest& request, const Charge& charge) {
    const Change change = [&](const Json& newest) -> absl::StatusOr<Json> {
      Json changed = newest;
      Json& used = api::Make(changed, "status.used");
      for (const auto& [name, amount] : charge.amounts) {
        used[name] = std::max(api::AmountAt(used, name) - amount, Quantity()).ToString();
      }
      return changed;
    };
    // Where this fails, too much is counted until the controller counts again.
    registry
        .Update(api::ResourceQuotaKind(), request.name_space, charge.quota, change,
                {.subresource = "status"})
        .IgnoreError();
  }
};

}  // namespace

PluginPtr MakeResourceQuota() { return std::make_unique<ResourceQuota>(); }

}  // namespace keelson::registry
