#include "apiserver/controllers/stateful_set.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/api/labels.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/ownership.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/stateful_set_sync.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::LabelSelector;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 5;

class StatefulSetController final : public runtime::QueueController {
 public:
  explicit StatefulSetController(const ControllerContext& context)
      : QueueController("statefulset-controller", context.clock, kWorkers),
        client_(context.client),
        events_(context.events->As("statefulset-controller")),
        sets_(Copies(context, kStatefulSets)),
        pods_(PodCopies(context)),
        claims_(Copies(context, kClaims)),
        revisions_(OwnedCopies(context, kControllerRevisions)) {
    const auto enqueue = [this](const Object& set) { queue().Add(api::KeyOf(*set)); };
    sets_.AddHandler(OnPresent(enqueue));
    pods_.AddHandler({
        .on_add = [this](const Object& pod) { OnPod(*pod); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (api::ControllerOf(*before) != nullptr && api::ControllerOf(*now) == nullptr) {
                OnPod(*before);
              }
              OnPod(*now);
            },
        .on_delete = [this](const Object& pod) { OnPod(*pod); },
    });
  }

 private:
  static LabelSelector SelectorOf(const Json& set) {
    return LabelSelector::FromObject(api::MapAt(set, "spec.selector"));
  }

  void OnPod(const Json& pod) {
    if (api::ControllerOf(pod) != nullptr) {
      const Object set = OwnerAmong(sets_, "StatefulSet", pod);
      if (set != nullptr) queue().Add(api::KeyOf(*set));
      return;
    }
    for (const Object& set : sets_.List(api::NamespaceOf(pod))) {
      if (OrdinalOf(api::NameOf(*set), api::NameOf(pod)) >= 0 &&
          SelectorOf(*set).Matches(api::LabelsOf(pod))) {
        queue().Add(api::KeyOf(*set));
      }
    }
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object set = AtKey(sets_, key);
    if (set == nullptr) return absl::OkStatus();
    const LabelSelector selector = SelectorOf(*set);
    if (selector.everything()) return absl::OkStatus();
    const std::string& name = api::NameOf(*set);
    KV_ASSIGN_OR_RETURN(const std::vector<Object> pods,
                        ClaimObjects({.client = client_,
                                      .owner_resource = kStatefulSets,
                                      .owner = *set,
                                      .selector = selector,
                                      .resource = kPods,
                                      .copies = pods_,
                                      .may_adopt = [&](const Json& pod) {
                                        return OrdinalOf(name, api::NameOf(pod)) >= 0;
                                      }}));
    KV_ASSIGN_OR_RETURN(const std::vector<Object> revisions,
                        ClaimObjects({.client = client_,
                                      .owner_resource = kStatefulSets,
                                      .owner = *set,
                                      .selector = selector,
                                      .resource = kControllerRevisions,
                                      .copies = revisions_}));
    StatefulSetSync sync({.client = client_, .events = events_.get(), .claims = &claims_}, *set,
                         pods, revisions);
    const absl::Status status = sync.Run();
    if (sync.look_again()) queue().AddAfter(key, *sync.look_again());
    return status;
  }

  runtime::ApiClient* const client_;
  const std::unique_ptr<runtime::EventRecorder> events_;
  Informer& sets_;
  Informer& pods_;
  Informer& claims_;
  Informer& revisions_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeStatefulSetController(const ControllerContext& context) {
  return std::make_unique<StatefulSetController>(context);
}

}  // namespace keelson::controllers
