#include "apiserver/controllers/namespaces.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/discovery.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Object;

constexpr int kWorkers = 4;
constexpr int64_t kPage = 500;
constexpr char kFinalizer[] = "kubernetes";
constexpr absl::Duration kFirstPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(5);

// What one look at a namespace has found.
struct Remains {
  std::map<std::string, int64_t> objects;     // "pods." -> how many
  std::map<std::string, int64_t> finalizers;  // of those objects
  std::vector<std::string> failures;
};

class NamespaceController final : public runtime::QueueController {
 public:
  explicit NamespaceController(const ControllerContext& context)
      : QueueController("namespace-controller", context.clock, kWorkers),
        client_(context.client),
        namespaces_(Copies(context, kNamespaces)) {
    const auto enqueue = [this](const Object& space) {
      if (api::IsBeingDeleted(*space)) queue().Add(api::NameOf(*space));
    };
    namespaces_.AddHandler(OnPresent(enqueue, [this](const Object& last) {
      absl::MutexLock lock(&mu_);
      pauses_.erase(api::NameOf(*last));
    }));
  }

 private:
  absl::Status Reconcile(const std::string& name) override {
    const Object space = namespaces_.Get("", name);
    if (space == nullptr || !api::IsBeingDeleted(*space)) return absl::OkStatus();
    const Json& finalizers = api::ArrayAt(*space, "spec.finalizers");
    if (std::find(finalizers.begin(), finalizers.end(), kFinalizer) == finalizers.end()) {
      return absl::OkStatus();
    }
    KV_ASSIGN_OR_RETURN(const Discovery discovery, Discover(client_));
    Remains remains;
    // Pods first: what they use stays as long as they run.
    DeleteAll(name, {.resource = kPods, .kind = "Pod"}, &remains);
    if (remains.objects.empty() && remains.failures.empty()) {
      for (const DiscoveredKind& kind : discovery.kinds) {
        if (!kind.namespaced || !kind.has_objects || !kind.preferred || IsAnotherView(kind)) {
          continue;
        }
        DeleteAll(name, kind, &remains);
      }
    }
    Json status = api::MapAt(*space, "status");
    Report(discovery, remains, &status["conditions"]);
    const absl::Status reported = PatchStatus(client_, kNamespaces, *space, status);
    if (!reported.ok() && !api::IsNotFound(reported)) return reported;
    if (!remains.failures.empty()) return absl::UnavailableError(remains.failures.front());
    if (!discovery.failures.empty()) return absl::UnavailableError(discovery.failures.front());
    if (!remains.objects.empty()) {
      queue().AddAfter(name, NextPause(name));
      return absl::OkStatus();
    }
    return Finalize(name);
  }

  // Events are served in two groups; they are the same objects.
  static bool IsAnotherView(const DiscoveredKind& kind) {
    return kind.resource.group == "events.k8s.io";
  }

  void DeleteAll(const std::string& name, const DiscoveredKind& kind, Remains* remains) {
    const std::string label = Concat(kind.resource.plural, ".", kind.resource.group);
    const absl::StatusOr<int64_t> found = DeletePages(kind.resource, name);
    absl::Status left;
    if (!found.ok() || *found > 0) left = CountPages(kind.resource, name, label, remains);
    for (const absl::Status& status : {found.status(), left}) {
      if (status.ok() || api::IsNotFound(status)) continue;
      remains->failures.push_back(Concat(label, ": ", std::string(status.message())));
    }
  }

  // What is left, and what it waits for.
  absl::Status CountPages(const runtime::Resource& resource, const std::string& name,
                          const std::string& label, Remains* remains) {
    runtime::ListOptions page{.limit = kPage, .form = runtime::ListOptions::Form::kMetadata};
    do {
      KV_ASSIGN_OR_RETURN(const Json list, client_->List(resource, name, page));
      const Json& items = api::ArrayAt(list, "items");
      if (!items.empty()) remains->objects[label] += static_cast<int64_t>(items.size());
      for (const Json& item : items) {
        for (const Json& finalizer : api::ArrayAt(item, "metadata.finalizers")) {
          if (finalizer.is_string()) ++remains->finalizers[finalizer.get<std::string>()];
        }
      }
      page.continue_token = api::TextAt(list, "metadata.continue");
    } while (!page.continue_token.empty());
    return absl::OkStatus();
  }

  // Page by page, so that no request takes long. Gives how many there were, or at least one.
  absl::StatusOr<int64_t> DeletePages(const runtime::Resource& resource, const std::string& name) {
    const bool thorough = IsThorough(name);
    runtime::ListOptions page{.limit = kPage, .form = runtime::ListOptions::Form::kMetadata};
    int64_t found = 0;
    do {
      KV_ASSIGN_OR_RETURN(const Json list, client_->List(resource, name, page));
      const Json& items = api::ArrayAt(list, "items");
      found += static_cast<int64_t>(items.size());
      if (!std::all_of(items.begin(), items.end(), api::IsBeingDeleted)) {
        KV_ASSIGN_OR_RETURN(page.continue_token, client_->DeleteCollection(resource, name, page));
      } else if (thorough) {
        page.continue_token = api::TextAt(list, "metadata.continue");
      } else {
        break;  // all have been told, and these will be gone before long
      }
    } while (!page.continue_token.empty());
    return found;
  }

  static void Report(const Discovery& discovery, const Remains& remains, Json* conditions) {
    const absl::Time now = absl::Now();
    const auto say = [&](const char* type, bool bad, const char* bad_reason,
                         const std::string& bad_message, const char* good_reason,
                         const char* good_message) {
      SetCondition(conditions,
                   {type, bad ? "True" : "False", bad ? bad_reason : good_reason,
                    bad ? bad_message : good_message},
                   now);
    };
    say("NamespaceDeletionDiscoveryFailure", !discovery.failures.empty(), "DiscoveryFailed",
        Concat("Discovery failed for some groups, ", discovery.failures.size(),
               " failing: ", absl::StrJoin(discovery.failures, ", ")),
        "ResourcesDiscovered", "All resources successfully discovered");
    say("NamespaceDeletionGroupVersionParsingFailure", false, "", "", "ParsedGroupVersions",
        "All legacy kube types successfully parsed");
    say("NamespaceDeletionContentFailure", !remains.failures.empty(), "ContentDeletionFailed",
        Concat("Failed to delete all resource types, ", remains.failures.size(),
               " remaining: ", absl::StrJoin(remains.failures, ", ")),
        "ContentDeleted", "All content successfully deleted, may be waiting on finalization");
    std::vector<std::string> left;
    for (const auto& [label, count] : remains.objects) {
      left.push_back(Concat(label, " has ", count, " resource instances"));
    }
    say("NamespaceContentRemaining", !left.empty(), "SomeResourcesRemain",
        Concat("Some resources are remaining: ", absl::StrJoin(left, ", ")), "ContentRemoved",
        "All content successfully removed");
    std::vector<std::string> held;
    for (const auto& [finalizer, count] : remains.finalizers) {
      held.push_back(Concat(finalizer, " in ", count, " resource instances"));
    }
    say("NamespaceFinalizersRemaining", !held.empty(), "SomeFinalizersRemain",
        Concat("Some content in the namespace has finalizers remaining: ",
               absl::StrJoin(held, ", ")),
        "ContentHasNoFinalizers", "All content-preserving finalizers finished");
  }

  absl::Status Finalize(const std::string& name) {
    absl::StatusOr<Json> space = client_->Get(kNamespaces, "", name);
    if (api::IsNotFound(space.status())) return absl::OkStatus();
    if (!space.ok()) return space.status();
    if (!api::IsBeingDeleted(*space)) return absl::OkStatus();
    Json kept = Json::array();
    for (const Json& finalizer : api::ArrayAt(*space, "spec.finalizers")) {
      if (finalizer != kFinalizer) kept.push_back(finalizer);
    }
    api::Make(*space, "spec.finalizers") = std::move(kept);
    const absl::Status status = client_->Update(kNamespaces, *space, "finalize").status();
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  // At the first look, and once there is time for it.
  bool IsThorough(const std::string& name) {
    absl::MutexLock lock(&mu_);
    const auto pause = pauses_.find(name);
    return pause == pauses_.end() || pause->second >= kLongestPause;
  }

  // Pods have time to end, so the namespace is looked at less and less often.
  absl::Duration NextPause(const std::string& name) {
    absl::MutexLock lock(&mu_);
    absl::Duration& pause = pauses_[name];
    pause = std::clamp(pause * 2, kFirstPause, kLongestPause);
    return pause;
  }

  runtime::ApiClient* const client_;
  runtime::Informer& namespaces_;
  absl::Mutex mu_;
  std::map<std::string, absl::Duration> pauses_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeNamespaceController(const ControllerContext& context) {
  return std::make_unique<NamespaceController>(context);
}

}  // namespace keelson::controllers
