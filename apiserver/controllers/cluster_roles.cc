#include "apiserver/controllers/cluster_roles.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Object;

class ClusterRoleAggregator final : public runtime::QueueController {
 public:
  explicit ClusterRoleAggregator(const ControllerContext& context)
      : QueueController("clusterrole-aggregation-controller", context.clock, 1),
        client_(context.client),
        roles_(Copies(context, kClusterRoles)) {
    // Any of them may be part of any other.
    const auto enqueue_all = [this](const Object&) {
      for (const Object& role : roles_.List()) {
        if (api::Find(*role, "aggregationRule") != nullptr) queue().Add(api::NameOf(*role));
      }
    };
    roles_.AddHandler(OnPresent(enqueue_all, enqueue_all));
  }

 private:
  absl::Status Reconcile(const std::string& name) override {
    const Object role = roles_.Get("", name);
    if (role == nullptr || api::Find(*role, "aggregationRule") == nullptr) return absl::OkStatus();
    Json rules = Json::array();
    for (const Json& one : api::ArrayAt(*role, "aggregationRule.clusterRoleSelectors")) {
      const LabelSelector selector = LabelSelector::FromObject(one);
      for (const Object& part : roles_.List()) {
        if (api::NameOf(*part) == name || !selector.Matches(api::LabelsOf(*part))) continue;
        for (const Json& rule : api::ArrayAt(*part, "rules")) {
          if (std::find(rules.begin(), rules.end(), rule) == rules.end()) rules.push_back(rule);
        }
      }
    }
    if (SameMeaning(rules, api::ArrayAt(*role, "rules"))) return absl::OkStatus();
    Json wanted = *role;
    wanted["rules"] = std::move(rules);
    return PatchObject(client_, kClusterRoles, *role, wanted, Condition::kSameVersion).status();
  }

  runtime::ApiClient* const client_;
  runtime::Informer& roles_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeClusterRoleAggregator(const ControllerContext& context) {
  return std::make_unique<ClusterRoleAggregator>(context);
}

}  // namespace keelson::controllers
