#include "apiserver/scheduler/scheduler.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/runtime/informer.h"
#include "apiserver/runtime/log.h"
#include "apiserver/runtime/packed_object.h"
#include "apiserver/runtime/request_pool.h"
#include "apiserver/scheduler/cluster.h"
#include "apiserver/scheduler/cluster_feed.h"
#include "apiserver/scheduler/decider.h"
#include "apiserver/scheduler/queue.h"
#include "apiserver/scheduler/scheduler_metrics.h"
#include "apiserver/scheduler/writes.h"
#include "base/concat.h"
#include "base/random.h"

namespace keelson::scheduler {
namespace {

using api::Json;
using runtime::Object;
using Urgency = runtime::RequestPool::Urgency;
using PodPointer = std::shared_ptr<const Pod>;

// How long a pod's volumes may take to be bound.
constexpr absl::Duration kVolumesMax = absl::Minutes(10);
// An idle scheduler looks at the clock at least this often.
constexpr absl::Duration kNapMax = absl::Seconds(1);
constexpr size_t kEventTextMax = 1024;

// Leaves what the scheduler reads of an object of whatever kind it selects pods by.
void TrimSelecting(Json& object) {
  api::Erase(object, "metadata.managedFields");
  api::Erase(object, "metadata.annotations");
  api::Erase(object, "spec.template");
  api::Erase(object, "spec.volumeClaimTemplates");
}

void TrimManagedFields(Json& object) { api::Erase(object, "metadata.managedFields"); }

struct Watched {
  Source source;
  runtime::Resource resource;
  void (*trim)(Json& object);
  const char* field_selector = "";
  Json (*pack)(const Json& object) = nullptr;
};

const std::vector<Watched>& AllWatched() {
  static const std::vector<Watched> all = {
      {Source::kPods,
       {"", "v1", "pods"},
       &TrimPod,
       "status.phase!=Succeeded,status.phase!=Failed",
       // There are ten thousands, and nobody looks one up.
       &runtime::Pack},
      {Source::kNodes, {"", "v1", "nodes"}, &TrimNode},
      {Source::kNamespaces, {"", "v1", "namespaces"}, &TrimManagedFields},
      {Source::kServices, {"", "v1", "services"}, &TrimSelecting},
      {Source::kReplicationControllers, {"", "v1", "replicationcontrollers"}, &TrimSelecting},
      {Source::kReplicaSets, {"apps", "v1", "replicasets"}, &TrimSelecting},
      {Source::kStatefulSets, {"apps", "v1", "statefulsets"}, &TrimSelecting},
      {Source::kDisruptionBudgets, {"policy", "v1", "poddisruptionbudgets"}, &TrimSelecting},
      {Source::kClaims, {"", "v1", "persistentvolumeclaims"}, &TrimManagedFields},
      {Source::kVolumes, {"", "v1", "persistentvolumes"}, &TrimManagedFields},
      {Source::kStorageClasses, {"storage.k8s.io", "v1", "storageclasses"}, &TrimManagedFields},
      {Source::kCsiNodes, {"storage.k8s.io", "v1", "csinodes"}, &TrimManagedFields},
  };
  return all;
}

}  // namespace

class Scheduler::Impl {
 public:
  Impl(runtime::ApiClient* client, runtime::EventRecorder* events, const Clock* clock,
       SchedulerOptions options)
      : client_(client),
        events_(events),
        clock_(clock),
        options_(std::move(options)),
        metrics_(options_.name),
        random_(options_.seed),
        queue_(clock),
        decider_(&cluster_, &random_),
        feed_(&cluster_, &queue_, options_.name),
        pool_(options_.request_threads) {
    for (const Watched& watched : AllWatched()) Watch(watched);
  }
  ~Impl() { Stop(); }

  void Start() {
    for (const auto& informer : informers_) informer->Start();
    thread_ = std::thread([this] { Run(); });
  }

  void Stop() {
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) return;
      stopping_ = true;
      changed_.SignalAll();
    }
    for (const auto& informer : informers_) informer->Stop();
    if (thread_.joinable()) thread_.join();
    pool_.Stop();
  }

  bool ready() const { return ready_.load(); }
  std::string Metrics() const { return metrics_.Text(); }

 private:
  // What comes to the scheduler's thread: an object as it is now, or what is to be done there.
  struct Letter {
    Source source = Source::kPods;
    Object object = nullptr;
    Now now = Now::kThere;
    std::function<void()> act = nullptr;
  };
  // A pod that has a node and is not known to be bound.
  struct Flight {
    PodPointer pod;
    std::string node;
    VolumePlan plan;
    absl::Duration began;
    bool waits_for_volumes = false;
  };

  void Watch(const Watched& watched) {
    runtime::InformerOptions options{.resource = watched.resource};
    options.selectors.field_selector = watched.field_selector;
    options.trim = watched.trim;
    options.pack = watched.pack;
    informers_.push_back(std::make_unique<runtime::Informer>(client_, std::move(options)));
    const Source source = watched.source;
    informers_.back()->AddHandler({[this, source](const Object& object) {
                                     Post({source, object});
                                   },
                                   [this, source](const Object& before, const Object& now) {
                                     if (before != now) Post({source, now});
                                   },
                                   [this, source](const Object& last) {
                                     Post({source, last, Now::kGone});
                                   }});
  }

  void Post(Letter letter) {
    absl::MutexLock lock(&mu_);
    inbox_.push_back(std::move(letter));
    if (inbox_.size() == 1) changed_.Signal();
  }
  void PostAct(std::function<void()> act) { Post({Source::kPods, nullptr, Now::kThere, act}); }

  bool stopping() const {
    absl::MutexLock lock(&mu_);
    return stopping_;
  }

  void Run() {
    for (const auto& informer : informers_) {
      while (!informer->WaitSynced(kNapMax)) {
        if (stopping()) return;
      }
    }
    runtime::LogInfo("the cluster is known, scheduling begins");
    ready_ = true;
    while (!stopping()) {
      ReadInbox();
      queue_.Flush();
      Tick();
      PodPointer pod;
      if (pool_.waiting() < options_.bindings_waiting_max) pod = queue_.Pop();
      if (pod != nullptr) {
        Try(std::move(pod));
      } else {
        Nap();
      }
    }
  }

  void ReadInbox() {
    std::deque<Letter> letters;
    {
      absl::MutexLock lock(&mu_);
      letters.swap(inbox_);
    }
    bool claims_changed = false;
    for (const Letter& letter : letters) {
      if (letter.act) {
        letter.act();
      } else {
        feed_.Apply(letter.source, *runtime::Unpack(letter.object), letter.now);
        claims_changed |= letter.source == Source::kClaims;
      }
    }
    if (claims_changed) LookAtVolumes();
  }

  void Nap() {
    const absl::Duration until_flush = queue_.NextFlush() - clock_->Now();
    absl::MutexLock lock(&mu_);
    if (inbox_.empty() && !stopping_) {
      // A full pool of requests says nothing when it has room again; it has soon.
      const absl::Duration most = queue_.active() > 0 ? absl::Milliseconds(1) : kNapMax;
      changed_.WaitWithTimeout(&mu_, std::clamp(until_flush, absl::ZeroDuration(), most));
    }
  }

  void Tick() {
    const absl::Duration now = clock_->Now();
    if (now < next_tick_) return;
    next_tick_ = now + kNapMax;
    LookAtVolumes();
    metrics_.SetPending(queue_.active(), queue_.backing_off(), queue_.unschedulable(),
                        queue_.gated());
    metrics_.SetCluster(cluster_.node_count(), cluster_.pod_count());
  }

  void Try(PodPointer pod);
  void Refuse(const Pod& pod, Decision decision, absl::Duration began);
  void Preempt(const PodPointer& pod, Preemption preemption);
  void StartBinding(const std::string& uid);
  void OnBound(const std::string& uid, const absl::Status& status);
  void OnFailed(const std::string& uid, const std::string& why);
  void LookAtVolumes();
  // Says it on the pod and in an event, as far as that is news.
  void Tell(const Pod& pod, const char* reason, const std::string& message,
            std::optional<std::string> nominated);

  runtime::ApiClient* const client_;
  runtime::EventRecorder* const events_;
  const Clock* const clock_;
  const SchedulerOptions options_;
  SchedulerMetrics metrics_;
  std::atomic<bool> ready_ = false;  // a flag that is only read

  // The scheduler's thread.
  SeededRandom random_;
  Cluster cluster_;
  SchedulingQueue queue_;
  Decider decider_;
  ClusterFeed feed_;
  absl::flat_hash_map<std::string, Flight> flights_;  // by uid
  size_t flights_with_volumes_ = 0;
  absl::Duration next_tick_ = absl::ZeroDuration();

  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  std::deque<Letter> inbox_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  runtime::RequestPool pool_;
  std::vector<std::unique_ptr<runtime::Informer>> informers_;
  std::thread thread_;
};

void Scheduler::Impl::Try(PodPointer pod) {
  const absl::Duration began = clock_->Now();
  Decision decision = decider_.Decide(*pod);
  metrics_.OnDecision(clock_->Now() - began);
  if (decision.node.empty()) return Refuse(*pod, std::move(decision), began);

  cluster_.RemoveNomination(pod->uid);
  cluster_.Assume(pod, decision.node);
  cluster_.volumes().Assume(decision.volumes, decision.node);
  const std::string uid = pod->uid;
  Flight& flight = flights_[uid];
  flight = {std::move(pod), std::move(decision.node), std::move(decision.volumes), began};
  if (flight.plan.empty()) return StartBinding(uid);
  flight.waits_for_volumes = true;
  ++flights_with_volumes_;
  pool_.Run(Urgency::kUrgent, [this, uid, plan = flight.plan, node = flight.node] {
    const absl::Status status = WriteVolumes(client_, plan, node);
    if (status.ok()) return;
    PostAct([this, uid, status] {
      OnFailed(uid, Concat("binding volumes: ", std::string(status.message())));
    });
  });
}

void Scheduler::Impl::StartBinding(const std::string& uid) {
  const Flight& flight = flights_[uid];
  pool_.Run(Urgency::kUrgent, [this, pod = flight.pod, node = flight.node] {
    const absl::Status status = BindPod(client_, *pod, node);
    if (status.ok()) {
      events_->Normal(Reference(*pod), "Scheduled",
                      Concat("Successfully assigned ", pod->Key(), " to ", node));
    }
    PostAct([this, uid = pod->uid, status] { OnBound(uid, status); });
  });
}

void Scheduler::Impl::OnBound(const std::string& uid, const absl::Status& status) {
  const auto found = flights_.find(uid);
  if (found == flights_.end()) return;
  if (status.ok()) {
    metrics_.OnAttempt(SchedulerMetrics::Result::kScheduled, clock_->Now() - found->second.began);
    flights_.erase(found);
    return;
  }
  OnFailed(uid, Concat("running Bind plugin \"DefaultBinder\": ", std::string(status.message())));
}

void Scheduler::Impl::OnFailed(const std::string& uid, const std::string& why) {
  const auto found = flights_.find(uid);
  if (found == flights_.end()) return;
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  if (flight.waits_for_volumes) --flights_with_volumes_;
  metrics_.OnAttempt(SchedulerMetrics::Result::kError, clock_->Now() - flight.began);
  runtime::LogWarning(
      Concat("pod ", flight.pod->Key(), " could not be bound to node ", flight.node, ": ", why));
  cluster_.volumes().Forget(flight.plan);
  if (cluster_.IsAssumed(uid)) {
    cluster_.Forget(uid);
    queue_.OnEvent({ClusterEvent::Kind::kPodGone, nullptr, flight.pod.get()});
  }
  const PodPointer now = queue_.Find(uid);
  if (now == nullptr) return;  // deleted, or bound after all
  queue_.Failed(uid);
  Tell(*now, "SchedulerError", why, std::nullopt);
}

void Scheduler::Impl::LookAtVolumes() {
  if (flights_with_volumes_ == 0) return;
  std::vector<std::string> bound;
  std::vector<std::string> late;
  for (const auto& [uid, flight] : flights_) {
    if (!flight.waits_for_volumes) continue;
    const bool gone = !cluster_.IsAssumed(uid);
    if (!gone && cluster_.volumes().AllBound(*flight.pod)) {
      bound.push_back(uid);
    } else if (gone || flight.began + kVolumesMax < clock_->Now()) {
      late.push_back(uid);
    }
  }
  for (const std::string& uid : bound) {
    flights_[uid].waits_for_volumes = false;
    --flights_with_volumes_;
    StartBinding(uid);
  }
  for (const std::string& uid : late) {
    OnFailed(uid, "binding volumes: context deadline exceeded");
  }
}

void Scheduler::Impl::Tell(const Pod& pod, const char* reason, const std::string& message,
                           std::optional<std::string> nominated) {
  std::string text = message;
  if (text.size() > kEventTextMax) text = text.substr(0, kEventTextMax - 4) + " ...";
  events_->Warning(Reference(pod), "FailedScheduling", text);
  if (nominated && *nominated == pod.nominated) nominated.reset();
  if (!nominated && pod.refusal == Concat(reason, ": ", message)) return;
  pool_.Run(Urgency::kLater, [this, pod = queue_.Find(pod.uid),
                              note = RefusalNote{reason, message, std::move(nominated)}] {
    if (pod == nullptr) return;
    const absl::Status status = NoteRefusal(client_, *pod, note, absl::Now());
    if (status.ok() || api::IsNotFound(status)) return;
    runtime::LogWarning(Concat("cannot say on pod ", pod->Key(),
                               " that it was not scheduled: ", std::string(status.message())));
  });
}

void Scheduler::Impl::Refuse(const Pod& pod, Decision decision, absl::Duration began) {
  metrics_.OnAttempt(SchedulerMetrics::Result::kUnschedulable, clock_->Now() - began);
  const PodPointer known = queue_.Find(pod.uid);
  queue_.Refused(pod.uid, decision.refused_by);
  if (decision.preemption) {
    Tell(pod, "Unschedulable", decision.message, decision.preemption->node);
    Preempt(known, std::move(*decision.preemption));
    return;
  }
  if (!decision.keeps_nomination) {
    cluster_.RemoveNomination(pod.uid);
    Tell(pod, "Unschedulable", decision.message, "");
  } else {
    Tell(pod, "Unschedulable", decision.message, std::nullopt);
  }
}

void Scheduler::Impl::Preempt(const PodPointer& pod, Preemption preemption) {
  metrics_.OnPreemption(preemption.victims.size());
  // Lower ones that were promised the node find themselves another.
  const std::vector<PodPointer> promised = cluster_.NominatedOn(preemption.node);
  for (const PodPointer& other : promised) {
    if (other->priority >= pod->priority) continue;
    cluster_.RemoveNomination(other->uid);
    queue_.Wake(other->uid);
    pool_.Run(Urgency::kLater, [this, other] {
      ClearNomination(client_, *other).IgnoreError();  // it is only shown; the next refusal sets it
    });
  }
  cluster_.Nominate(pod, preemption.node);
  for (const PodPointer& victim : preemption.victims) {
    pool_.Run(Urgency::kUrgent, [this, victim, pod, node = preemption.node] {
      const absl::Status status = Evict(client_, *victim, options_.name, absl::Now());
      if (status.ok()) {
        events_->Normal(Reference(*victim), "Preempted",
                        Concat("Preempted by pod ", pod->uid, " on node ", node));
        return;
      }
      runtime::LogWarning(
          Concat("cannot preempt pod ", victim->Key(), ": ", std::string(status.message())));
      PostAct([this, uid = pod->uid] {
        cluster_.RemoveNomination(uid);
        queue_.Wake(uid);
      });
    });
  }
}

Scheduler::Scheduler(runtime::ApiClient* client, runtime::EventRecorder* events, const Clock* clock,
                     SchedulerOptions options)
    : impl_(std::make_unique<Impl>(client, events, clock, std::move(options))) {}
Scheduler::~Scheduler() = default;
void Scheduler::Start() { impl_->Start(); }
void Scheduler::Stop() { impl_->Stop(); }
bool Scheduler::ready() const { return impl_->ready(); }
std::string Scheduler::Metrics() const { return impl_->Metrics(); }

}  // namespace keelson::scheduler
