// LimitRanger.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/resources.h"
#include "apiserver/api/object.h"
#include "apiserver/registry/admission/plugins.h"
#include "apiserver/registry/registry.h"
#include "base/concat.h"

namespace keelson::registry {
namespace {

using api::Json;
using api::Quantity;
using api::ResourceAmounts;

constexpr std::string_view kAnnotation = "kubernetes.io/limit-ranger";

// What one thing asks for and may use, under one limit.
class Checked {
 public:
  Checked(const Json& limit, ResourceAmounts requests, ResourceAmounts limits)
      : limit_(limit), requests_(std::move(requests)), limits_(std::move(limits)) {}

  void Check(std::vector<std::string>* refusals) const {
    const bool claim = Type() == "PersistentVolumeClaim";
    for (const auto& [name, least] : api::AmountsOf(api::MapAt(limit_, "min"))) {
      CheckLeast(name, least, refusals);
    }
    for (const auto& [name, most] : api::AmountsOf(api::MapAt(limit_, "max"))) {
      CheckMost(name, most, /*by_request=*/claim, refusals);
    }
    if (claim) return;
    for (const auto& [name, ratio] : api::AmountsOf(api::MapAt(limit_, "maxLimitRequestRatio"))) {
      CheckRatio(name, ratio, refusals);
    }
  }

 private:
  const std::string& Type() const { return api::TextAt(limit_, "type"); }
  static const Quantity* Find(const ResourceAmounts& amounts, const std::string& name) {
    const auto found = amounts.find(name);
    return found == amounts.end() ? nullptr : &found->second;
  }
  std::string Rule(std::string_view bound, const std::string& name, const Quantity& amount) const {
    return Concat(bound, " ", name, " usage per ", Type(), " is ", amount.ToString());
  }

  void CheckLeast(const std::string& name, const Quantity& least,
                  std::vector<std::string>* refusals) const {
    const std::string rule = Rule("minimum", name, least);
    const Quantity* request = Find(requests_, name);
    const Quantity* limit = Find(limits_, name);
    if (request == nullptr) {
      refusals->push_back(Concat(rule, ".  No request is specified"));
    } else if (*request < least) {
      refusals->push_back(Concat(rule, ", but request is ", request->ToString()));
    } else if (limit != nullptr && *limit < least) {
      refusals->push_back(Concat(rule, ", but limit is ", limit->ToString()));
    }
  }

  void CheckMost(const std::string& name, const Quantity& most, bool by_request,
                 std::vector<std::string>* refusals) const {
    const std::string rule = Rule("maximum", name, most);
    const Quantity* request = Find(requests_, name);
    const Quantity* limit = by_request ? request : Find(limits_, name);
    const std::string_view what = by_request ? "request" : "limit";
    if (limit == nullptr) {
      refusals->push_back(Concat(rule, ".  No ", what, " is specified"));
    } else if (*limit > most) {
      refusals->push_back(Concat(rule, ", but ", what, " is ", limit->ToString()));
    } else if (request != nullptr && *request > most) {
      refusals->push_back(Concat(rule, ", but request is ", request->ToString()));
    }
  }

  void CheckRatio(const std::string& name, const Quantity& ratio,
                  std::vector<std::string>* refusals) const {
    const std::string rule = Concat(name, " max limit to request ratio per ", Type(), " is ",
                                    ratio.ToString(), ", but ");
    const Quantity* request = Find(requests_, name);
    const Quantity* limit = Find(limits_, name);
    if (request == nullptr || request->IsZero()) {
      refusals->push_back(Concat(rule, "no request is specified or request is 0"));
    } else if (limit == nullptr || limit->IsZero()) {
      refusals->push_back(Concat(rule, "no limit is specified or limit is 0"));
    } else {
      const double actual =
          static_cast<double>(limit->Milli()) / static_cast<double>(request->Milli());
      if (actual > static_cast<double>(ratio.Milli()) / 1000) {
        refusals->push_back(Concat(rule, absl::StrFormat("provided ratio is %f", actual)));
      }
    }
  }

  const Json& limit_;
  const ResourceAmounts requests_;
  const ResourceAmounts limits_;
};

ResourceAmounts AmountsIn(const Json& container, std::string_view field) {
  return api::AmountsOf(api::MapAt(api::MapAt(container, "resources"), field));
}

void CheckPod(const Json& limit, const Json& pod, std::vector<std::string>* refusals) {
  const std::string& type = api::TextAt(limit, "type");
  if (type == "Container") {
    for (std::string_view list : {"spec.containers", "spec.initContainers"}) {
      for (const Json& container : api::ArrayAt(pod, list)) {
        Checked(limit, AmountsIn(container, "requests"), AmountsIn(container, "limits"))
            .Check(refusals);
      }
    }
  } else if (type == "Pod") {
    Json spec = api::MapAt(pod, "spec");
    api::Erase(spec, "overhead");
    Checked(limit, api::PodAmounts(spec, "requests"), api::PodAmounts(spec, "limits"))
        .Check(refusals);
  }
}

void CheckClaim(const Json& limit, const Json& claim, std::vector<std::string>* refusals) {
  if (api::TextAt(limit, "type") != "PersistentVolumeClaim") return;
  Checked(limit, api::AmountsOf(api::MapAt(claim, "spec.resources.requests")), {}).Check(refusals);
}

// Fills in one kind of amounts; what was filled in, as the annotation tells it.
void FillIn(Json& container, std::string_view field, const ResourceAmounts& defaults,
            std::string_view container_noun, std::string_view amount_noun, std::string* told) {
  std::string names;
  for (const auto& [name, amount] : defaults) {
    if (api::Member(api::MapAt(api::MapAt(container, "resources"), field), name) != nullptr) {
      continue;
    }
    api::Make(api::Make(container, "resources"), field)[name] = amount.ToString();
    Append(&names, names.empty() ? "" : ", ", name);
  }
  if (names.empty()) return;
  Append(told, told->empty() ? "" : "; ", names, " ", amount_noun, " for ", container_noun, " ",
         api::TextAt(container, "name"));
}

void FillInPod(const Json& range, Json& pod) {
  ResourceAmounts requests;
  ResourceAmounts limits;
  for (const Json& limit : api::ArrayAt(range, "spec.limits")) {
    if (api::TextAt(limit, "type") != "Container") continue;
    for (const auto& [name, amount] : api::AmountsOf(api::MapAt(limit, "defaultRequest"))) {
      requests[name] = amount;
    }
    for (const auto& [name, amount] : api::AmountsOf(api::MapAt(limit, "default"))) {
      limits[name] = amount;
    }
  }
  std::string told;
  for (const auto& [list, noun] : {std::pair("spec.containers", "container"),
                                   std::pair("spec.initContainers", "init container")}) {
    Json* containers = api::Find(pod, list);
    if (containers == nullptr || !containers->is_array()) continue;
    for (Json& container : *containers) {
      FillIn(container, "requests", requests, noun, "request", &told);
      FillIn(container, "limits", limits, noun, "limit", &told);
    }
  }
  if (told.empty()) return;
  api::Make(pod, "metadata.annotations")[std::string(kAnnotation)] =
      Concat("LimitRanger plugin set: ", told);
}

class LimitRanger : public AdmissionPlugin {
 public:
  absl::Status Mutate(Registry& registry, AdmissionRequest& request) override {
    if (!IsPod(request) || !IsNew(request)) return absl::OkStatus();
    for (const auto& range : registry.CachedList(api::LimitRangeKind(), request.name_space)) {
      FillInPod(*range, *request.object);
    }
    return absl::OkStatus();
  }

  absl::Status Validate(Registry& registry, const AdmissionRequest& request) override {
    if (request.operation == Operation::kDelete) return absl::OkStatus();
    const bool pod = IsPod(request) && (IsNew(request) || request.subresource == "resize");
    const bool claim = IsKind(request, "", "persistentvolumeclaims") && request.subresource.empty();
    if (!pod && !claim) return absl::OkStatus();
    if (request.old != nullptr && api::IsBeingDeleted(*request.old)) return absl::OkStatus();
    for (const auto& range : registry.CachedList(api::LimitRangeKind(), request.name_space)) {
      std::vector<std::string> refusals;
      for (const Json& limit : api::ArrayAt(*range, "spec.limits")) {
        pod ? CheckPod(limit, *request.object, &refusals)
            : CheckClaim(limit, *request.object, &refusals);
      }
      if (!refusals.empty()) return Refuse(request, Together(refusals));
    }
    return absl::OkStatus();
  }

 private:
  // Said once each, in brackets where there are several.
  static std::string Together(std::vector<std::string>& refusals) {
    std::vector<std::string> once;
    for (std::string& refusal : refusals) {
      if (std::find(once.begin(), once.end(), refusal) == once.end()) {
        once.push_back(std::move(refusal));
      }
    }
    if (once.size() == 1) return once[0];
    std::string text = "[";
    for (const std::string& refusal : once) Append(&text, text.size() > 1 ? ", " : "", refusal);
    return text + "]";
  }
};

}  // namespace

PluginPtr MakeLimitRanger() { return std::make_unique<LimitRanger>(); }

}  // namespace keelson::registry
