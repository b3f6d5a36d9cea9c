#include "apiserver/controllers/garbage_collector.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/discovery.h"
#include "apiserver/controllers/owner_graph.h"
#include "apiserver/runtime/log.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;
using runtime::Resource;

constexpr int kWorkers = 20;  // as many as upstream
constexpr absl::Duration kDiscoveryPause = absl::Seconds(30);
constexpr absl::Duration kDiscoveryRetry = absl::Seconds(1);
constexpr absl::Duration kOwnerPause = absl::Seconds(1);
constexpr absl::Duration kSyncPause = absl::Milliseconds(200);
constexpr size_t kAbsentMax = 500;
constexpr char kForeground[] = "foregroundDeletion";
constexpr char kOrphan[] = "orphan";

// What became of the owners that an object names.
struct Owners {
  std::vector<const OwnerReference*> solid;
  std::vector<const OwnerReference*> gone;
  std::vector<const OwnerReference*> waiting;  // for this object to go first
};

class GarbageCollector final : public runtime::QueueController {
 public:
  explicit GarbageCollector(const ControllerContext& context)
      : QueueController("garbage-collector", context.clock, kWorkers),
        context_(context),
        client_(context.client) {}
  ~GarbageCollector() override { EndDiscovery(); }

  void Start() override {
    QueueController::Start();
    discoverer_ = std::thread([this] { FollowDiscovery(); });
  }
  void Stop() override {
    EndDiscovery();
    QueueController::Stop();
    watched_.clear();
  }

 private:
  struct KindInfo {
    Resource resource;
    bool namespaced;
  };

  void FollowDiscovery();
  bool ApplyDiscovery(const Discovery& discovery);
  void WatchKind(const Resource& resource);
  bool InGraph(const Informer& copies) const;
  void EndDiscovery();
  std::optional<KindInfo> FindKind(const OwnerReference& owner) const;

  void OnObject(const std::shared_ptr<const Resource>& resource, const Json& object);
  void OnGone(const Json& object);
  void EnqueueDependents(const std::string& uid);
  void EnqueueUnblocked(const GraphObject& before, const GraphObject& now);

  absl::Status Reconcile(const std::string& uid) override;
  absl::Status CollectObject(const GraphObject& object);
  absl::Status FinishForeground(const GraphObject& object);
  absl::Status OrphanDependents(const GraphObject& object);
  absl::StatusOr<Owners> Classify(const GraphObject& object);
  absl::Status Judge(const GraphObject& object, const OwnerReference& owner, Owners* owners);
  bool AllOwnersStay(const GraphObject& object) const;
  absl::Status DropOwners(const GraphObject& object,
                          const std::vector<const OwnerReference*>& dropped);
  absl::Status Unblock(const GraphObject& object);
  absl::Status RemoveFinalizer(const GraphObject& object, const std::string& finalizer);
  absl::Status DeleteObject(const GraphObject& object, const char* propagation);
  absl::Status ChangeMetadata(const GraphObject& object,
                              const std::function<bool(Json& metadata)>& change);

  bool all_synced() const {
    absl::MutexLock lock(&mu_);
    return all_synced_;
  }
  bool KnownAbsent(const std::string& uid) {
    absl::MutexLock lock(&mu_);
    return absent_.contains(uid);
  }
  void RememberAbsent(const std::string& uid) {
    absl::MutexLock lock(&mu_);
    if (absent_.size() >= kAbsentMax) absent_.clear();
    absent_.insert(uid);
  }

  const ControllerContext context_;
  runtime::ApiClient* const client_;
  OwnerGraph graph_;

  // Of the thread that follows discovery; after it has ended, of Stop. Those that no other
  // controller keeps copies of.
  std::map<std::string, std::unique_ptr<Informer>> watched_;
  std::set<std::string> shared_;
  // Of those shared: the graph may lack some of their objects.
  std::vector<const Informer*> unseen_;
  std::thread discoverer_;

  mutable absl::Mutex mu_;
  absl::CondVar wake_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool all_synced_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::pair<std::string, std::string>, KindInfo> kinds_
      ABSL_GUARDED_BY(mu_);                                      // by apiVersion and kind
  std::unordered_set<std::string> absent_ ABSL_GUARDED_BY(mu_);  // uids that were asked for in vain
};

void GarbageCollector::EndDiscovery() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    wake_.SignalAll();
  }
  if (discoverer_.joinable()) discoverer_.join();
}

void GarbageCollector::FollowDiscovery() {
  const RealClock clock;
  while (true) {
    const absl::StatusOr<Discovery> discovery = Discover(client_);
    const bool complete = discovery.ok() && ApplyDiscovery(*discovery);
    if (!discovery.ok()) {
      runtime::LogWarning(
          Concat("garbage-collector: cannot ask for kinds: ", discovery.status().ToString()));
    }
    const absl::Duration until = clock.Now() + (complete ? kDiscoveryPause : kDiscoveryRetry);
    absl::MutexLock lock(&mu_);
    while (!stopping_ && clock.Now() < until) {
      wake_.WaitWithTimeout(&mu_, until - clock.Now());
    }
    if (stopping_) return;
  }
}

// True: everything there is has been seen.
bool GarbageCollector::ApplyDiscovery(const Discovery& discovery) {
  std::set<std::string> present;
  {
    absl::MutexLock lock(&mu_);
    kinds_.clear();
    for (const DiscoveredKind& kind : discovery.kinds) {
      if (kind.has_objects) {
        kinds_[{kind.ApiVersion(), kind.kind}] = {kind.resource, kind.namespaced};
      }
    }
  }
  for (const DiscoveredKind& kind : discovery.kinds) {
    // Events vanish by themselves and own nothing.
    if (!kind.has_objects || !kind.preferred || kind.kind == "Event") continue;
    present.insert(Concat(kind.resource.group, "/", kind.resource.plural));
    WatchKind(kind.resource);
  }
  // A kind that is gone took its objects with it; its group may only be unavailable.
  if (discovery.failures.empty()) {
    std::erase_if(watched_, [&](const auto& entry) { return !present.contains(entry.first); });
  }
  bool all = true;
  for (const auto& [name, informer] : watched_) all &= informer->WaitSynced(absl::Seconds(1));
  std::erase_if(unseen_, [this](const Informer* copies) { return InGraph(*copies); });
  all &= unseen_.empty();
  absl::MutexLock lock(&mu_);
  all_synced_ = all_synced_ || all;
  return all && discovery.failures.empty();
}

void GarbageCollector::WatchKind(const Resource& resource) {
  const std::string name = Concat(resource.group, "/", resource.plural);
  if (watched_.contains(name) || shared_.contains(name)) return;
  const auto where = std::make_shared<const Resource>(resource);
  runtime::InformerHandler handler{
      .on_add = [this, where](const Object& object) { OnObject(where, *object); },
      .on_update = [this, where](const Object&, const Object& now) { OnObject(where, *now); },
      .on_delete = [this](const Object& last) { OnGone(*last); },
  };
  if (Informer* informer = context_.informers->Find(resource)) {
    informer->AddHandler(std::move(handler));
    shared_.insert(name);
    unseen_.push_back(informer);
    return;
  }
  auto informer = std::make_unique<Informer>(
      client_, runtime::InformerOptions{.resource = resource, .trim = KeepOwnersOnly});
  informer->AddHandler(std::move(handler));
  informer->Start();
  watched_[name] = std::move(informer);
}

// Copies that were there before our handler are shown to it when their informer comes to that.
bool GarbageCollector::InGraph(const Informer& copies) const {
  const std::vector<Object> all = copies.List();
  return std::all_of(all.begin(), all.end(), [this](const Object& object) {
    return graph_.Find(api::UidOf(*object)).has_value();
  });
}

std::optional<GarbageCollector::KindInfo> GarbageCollector::FindKind(
    const OwnerReference& owner) const {
  absl::MutexLock lock(&mu_);
  const auto found = kinds_.find({owner.api_version, owner.kind});
  if (found == kinds_.end()) return std::nullopt;
  return found->second;
}

void GarbageCollector::OnObject(const std::shared_ptr<const Resource>& resource,
                                const Json& object) {
  GraphObject now = ToGraphObject(resource, object);
  const std::optional<GraphObject> before = graph_.Put(now);
  if (before && before->owners != now.owners) EnqueueUnblocked(*before, now);
  if (now.in_foreground() && !(before && before->in_foreground())) EnqueueDependents(now.uid);
  if (now.in_foreground() || now.orphans()) {
    queue().Add(now.uid);
    return;
  }
  if (before && before->owners == now.owners) return;
  if (now.owners.empty()) return;
  // An owner that is not there may show in a moment: its copies come from another watch.
  if (!AllOwnersStay(now)) queue().AddAfter(now.uid, kOwnerPause);
}

// Owners whose deletion does not wait for it any more.
void GarbageCollector::EnqueueUnblocked(const GraphObject& before, const GraphObject& now) {
  for (const OwnerReference& owner : before.owners) {
    const bool still =
        std::any_of(now.owners.begin(), now.owners.end(),
                    [&](const OwnerReference& one) { return one.uid == owner.uid && one.blocks; });
    if (owner.blocks && !still) queue().Add(owner.uid);
  }
}

// All owners are known and not about to go: nearly always so.
bool GarbageCollector::AllOwnersStay(const GraphObject& object) const {
  return std::all_of(object.owners.begin(), object.owners.end(), [&](const auto& owner) {
    const std::optional<GraphObject> known = graph_.Find(owner.uid);
    return known && !known->in_foreground() &&
           (known->name_space.empty() || known->name_space == object.name_space);
  });
}

void GarbageCollector::OnGone(const Json& object) {
  const std::string& uid = api::UidOf(object);
  const std::optional<GraphObject> known = graph_.Find(uid);
  graph_.Remove(uid);
  const std::vector<std::string> dependents = graph_.DependentUids(uid);
  if (!dependents.empty()) RememberAbsent(uid);
  for (const std::string& dependent : dependents) queue().Add(dependent);
  if (!known) return;
  // Whoever waits for this one may be next.
  for (const OwnerReference& owner : known->owners) {
    const std::optional<GraphObject> waiting = graph_.Find(owner.uid);
    if (waiting && waiting->in_foreground()) queue().Add(owner.uid);
  }
}

void GarbageCollector::EnqueueDependents(const std::string& uid) {
  for (std::string& dependent : graph_.DependentUids(uid)) queue().Add(std::move(dependent));
}

absl::Status GarbageCollector::Reconcile(const std::string& uid) {
  const std::optional<GraphObject> object = graph_.Find(uid);
  if (!object) return absl::OkStatus();
  if (!all_synced()) {
    // A dependent, or an owner, that has not been seen yet is not one that is not there.
    queue().AddAfter(uid, kSyncPause);
    return absl::OkStatus();
  }
  if (object->orphans()) return OrphanDependents(*object);
  if (object->in_foreground()) return FinishForeground(*object);
  if (object->being_deleted || object->owners.empty()) return absl::OkStatus();
  return CollectObject(*object);
}

absl::Status GarbageCollector::CollectObject(const GraphObject& object) {
  if (AllOwnersStay(object)) return absl::OkStatus();
  KV_ASSIGN_OR_RETURN(const Owners owners, Classify(object));
  if (!owners.solid.empty()) {
    std::vector<const OwnerReference*> dropped = owners.gone;
    dropped.insert(dropped.end(), owners.waiting.begin(), owners.waiting.end());
    return dropped.empty() ? absl::OkStatus() : DropOwners(object, dropped);
  }
  if (!owners.waiting.empty()) {
    const std::vector<GraphObject> dependents = graph_.Dependents(object.uid);
    if (!dependents.empty()) {
      // An owner that waits for us, and we for it: somebody must not.
      const bool cycle = std::any_of(dependents.begin(), dependents.end(),
                                     [](const GraphObject& one) { return one.in_foreground(); });
      if (cycle) KV_RETURN_IF_ERROR(Unblock(object));
      return DeleteObject(object, "Foreground");
    }
  }
  return DeleteObject(object, object.orphan_finalizer       ? "Orphan"
                              : object.foreground_finalizer ? "Foreground"
                                                            : "Background");
}

absl::StatusOr<Owners> GarbageCollector::Classify(const GraphObject& object) {
  Owners owners;
  for (const OwnerReference& owner : object.owners) {
    KV_RETURN_IF_ERROR(Judge(object, owner, &owners));
  }
  return owners;
}

absl::Status GarbageCollector::Judge(const GraphObject& object, const OwnerReference& owner,
                                     Owners* owners) {
  if (KnownAbsent(owner.uid)) {
    owners->gone.push_back(&owner);
    return absl::OkStatus();
  }
  const std::optional<KindInfo> kind = FindKind(owner);
  if (!kind) {
    return absl::UnavailableError(
        Concat("no kind ", owner.kind, " in ", owner.api_version, " is served"));
  }
  if (kind->namespaced && object.name_space.empty()) {
    // Not allowed; better to keep it than to be wrong.
    owners->solid.push_back(&owner);
    return absl::OkStatus();
  }
  const absl::StatusOr<Json> live =
      client_->Get(kind->resource, kind->namespaced ? object.name_space : "", owner.name);
  if (api::IsNotFound(live.status()) || (live.ok() && api::UidOf(*live) != owner.uid)) {
    RememberAbsent(owner.uid);
    owners->gone.push_back(&owner);
    return absl::OkStatus();
  }
  if (!live.ok()) return live.status();
  const bool waits = api::IsBeingDeleted(*live) && api::HasFinalizer(*live, kForeground);
  (waits ? owners->waiting : owners->solid).push_back(&owner);
  return absl::OkStatus();
}

absl::Status GarbageCollector::FinishForeground(const GraphObject& object) {
  bool blocked = false;
  for (const GraphObject& dependent : graph_.Dependents(object.uid)) {
    const auto reference =
        std::find_if(dependent.owners.begin(), dependent.owners.end(),
                     [&](const OwnerReference& owner) { return owner.uid == object.uid; });
    if (reference == dependent.owners.end() || !reference->blocks) continue;
    blocked = true;
    if (!dependent.in_foreground()) queue().Add(dependent.uid);
  }
  return blocked ? absl::OkStatus() : RemoveFinalizer(object, kForeground);
}

absl::Status GarbageCollector::OrphanDependents(const GraphObject& object) {
  for (const GraphObject& dependent : graph_.Dependents(object.uid)) {
    std::vector<const OwnerReference*> dropped;
    for (const OwnerReference& owner : dependent.owners) {
      if (owner.uid == object.uid) dropped.push_back(&owner);
    }
    KV_RETURN_IF_ERROR(DropOwners(dependent, dropped));
  }
  return RemoveFinalizer(object, kOrphan);
}

absl::Status GarbageCollector::ChangeMetadata(const GraphObject& object,
                                              const std::function<bool(Json& metadata)>& change) {
  absl::StatusOr<Json> live = client_->Get(*object.resource, object.name_space, object.name);
  if (api::IsNotFound(live.status())) return absl::OkStatus();
  if (!live.ok()) return live.status();
  if (api::UidOf(*live) != object.uid) return absl::OkStatus();
  Json changed = api::MapAt(*live, "metadata");
  if (!change(changed)) return absl::OkStatus();
  Json patch = {{"uid", object.uid},
                {"resourceVersion", api::TextAt(*live, "metadata.resourceVersion")}};
  for (const char* list : {"ownerReferences", "finalizers"}) {
    if (api::ArrayAt(changed, list) != api::ArrayAt(*live, Concat("metadata.", list))) {
      patch[list] = api::ArrayAt(changed, list);
    }
  }
  const absl::Status status =
      client_
          ->Patch(*object.resource, object.name_space, object.name, runtime::PatchType::kMerge,
                  {{"metadata", std::move(patch)}})
          .status();
  return api::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status GarbageCollector::DropOwners(const GraphObject& object,
                                          const std::vector<const OwnerReference*>& dropped) {
  return ChangeMetadata(object, [&](Json& metadata) {
    Json kept = Json::array();
    for (const Json& owner : api::ArrayAt(metadata, "ownerReferences")) {
      const bool drop = std::any_of(dropped.begin(), dropped.end(), [&](const auto* one) {
        return one->uid == api::TextAt(owner, "uid");
      });
      if (!drop) kept.push_back(owner);
    }
    metadata["ownerReferences"] = std::move(kept);
    return true;
  });
}

absl::Status GarbageCollector::Unblock(const GraphObject& object) {
  return ChangeMetadata(object, [](Json& metadata) {
    bool changed = false;
    for (Json& owner : metadata["ownerReferences"]) {
      changed |= api::FlagAt(owner, "blockOwnerDeletion");
      owner["blockOwnerDeletion"] = false;
    }
    return changed;
  });
}

absl::Status GarbageCollector::RemoveFinalizer(const GraphObject& object,
                                               const std::string& finalizer) {
  return ChangeMetadata(object, [&](Json& metadata) {
    Json kept = Json::array();
    for (const Json& one : api::ArrayAt(metadata, "finalizers")) {
      if (one != finalizer) kept.push_back(one);
    }
    const bool changed = kept.size() != api::ArrayAt(metadata, "finalizers").size();
    metadata["finalizers"] = std::move(kept);
    return changed;
  });
}

absl::Status GarbageCollector::DeleteObject(const GraphObject& object, const char* propagation) {
  // What was judged is this version; where it has changed it is judged again.
  const Json options = {
      {"preconditions", {{"uid", object.uid}, {"resourceVersion", object.version}}},
      {"propagationPolicy", propagation}};
  const absl::Status status =
      client_->Delete(*object.resource, object.name_space, object.name, options);
  if (!api::IsConflict(status)) return api::IsNotFound(status) ? absl::OkStatus() : status;
  // The copy is old, or another object has the name by now.
  const absl::StatusOr<Json> live = client_->Get(*object.resource, object.name_space, object.name);
  if (live.ok() && api::UidOf(*live) == object.uid) {
    OnObject(object.resource, *live);
    return status;
  }
  if (live.ok() || api::IsNotFound(live.status())) {
    graph_.Remove(object.uid);
    return absl::OkStatus();
  }
  return live.status();
}

}  // namespace

std::unique_ptr<runtime::Controller> MakeGarbageCollector(const ControllerContext& context) {
  return std::make_unique<GarbageCollector>(context);
}

}  // namespace keelson::controllers
