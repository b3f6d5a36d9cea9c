#include "apiserver/runtime/leader_election.h"

#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/runtime/log.h"
#include "base/concat.h"
#include "base/random.h"
#include "base/status_macros.h"

namespace keelson::runtime {
namespace {

using api::Json;

const Resource kLeases{"coordination.k8s.io", "v1", "leases"};

std::string NewIdentity() {
  std::array<char, 256> host = {};
  gethostname(host.data(), host.size() - 1);
  return Concat(host.data(), "_", api::MakeUid());
}

LeaderElectionOptions Named(LeaderElectionOptions options) {
  if (options.identity.empty()) options.identity = NewIdentity();
  return options;
}

}  // namespace

class LeaderElection::Impl {
 public:
  Impl(ApiClient* client, const Clock* clock, LeaderElectionOptions options)
      : client_(client),
        clock_(clock),
        options_(Named(std::move(options))),
        chance_(SystemSeed()) {}
  ~Impl() { Stop(); }

  bool Acquire() {
    while (!stopping()) {
      const absl::Duration began = clock_->Now();
      const absl::Status status = TakeOrRenew();
      if (status.ok()) {
        if (Lead(began)) return true;
        break;
      }
      LogDebug(Concat("not the leader of ", options_.name, ": ", status.ToString()));
      // Up to 2.2 times as long, so that candidates do not come together again and again.
      Pause(options_.retry * (1 + 1.2 * static_cast<double>(chance_.Below(1000)) / 1000));
    }
    return false;
  }

  void OnLost(std::function<void()> on_lost) {
    absl::MutexLock lock(&mu_);
    on_lost_ = std::move(on_lost);
  }

  void Stop() {
    std::thread thread;
    {
      absl::MutexLock lock(&mu_);
      stopping_ = true;
      thread = std::move(thread_);
      wake_.SignalAll();
    }
    if (thread.joinable()) thread.join();
    if (!leading()) return;
    Release();
    absl::MutexLock lock(&mu_);
    leading_ = false;
  }

  bool leading() const {
    absl::MutexLock lock(&mu_);
    return leading_;
  }

 private:
  bool stopping() const {
    absl::MutexLock lock(&mu_);
    return stopping_;
  }

  void Pause(absl::Duration pause) {
    const absl::Duration until = clock_->Now() + pause;
    absl::MutexLock lock(&mu_);
    while (!stopping_ && clock_->Now() < until) {
      wake_.WaitWithTimeout(&mu_, until - clock_->Now());
    }
  }

  // False: it was stopped while it took the lease, which it has given back.
  bool Lead(absl::Duration since) {
    {
      absl::MutexLock lock(&mu_);
      if (!stopping_) {
        leading_ = true;
        thread_ = std::thread([this, since] { Renew(since); });
        return true;
      }
    }
    Release();
    return false;
  }

  // `renewed`: when the last call that succeeded began.
  void Renew(absl::Duration renewed) {
    while (true) {
      Pause(options_.retry);
      if (stopping()) return;
      const absl::Duration began = clock_->Now();
      const absl::Status status = TakeOrRenew();
      if (status.ok()) {
        renewed = began;
        continue;
      }
      LogWarning(Concat("cannot renew the lease ", options_.name, ": ", status.ToString()));
      if (clock_->Now() - renewed < options_.renew_deadline) continue;
      std::function<void()> on_lost;
      {
        absl::MutexLock lock(&mu_);
        leading_ = false;
        on_lost = on_lost_;
      }
      if (on_lost) on_lost();
      return;
    }
  }

  absl::Status TakeOrRenew() {
    const absl::StatusOr<Json> found = client_->Get(kLeases, options_.name_space, options_.name);
    const std::string now = api::FormatMicroTime(absl::Now());
    if (api::IsNotFound(found.status())) {
      return client_
          ->Create(kLeases, options_.name_space,
                   {{"apiVersion", "coordination.k8s.io/v1"},
                    {"kind", "Lease"},
                    {"metadata", {{"name", options_.name}, {"namespace", options_.name_space}}},
                    {"spec",
                     {{"holderIdentity", options_.identity},
                      {"leaseDurationSeconds", absl::ToInt64Seconds(options_.lease)},
                      {"acquireTime", now},
                      {"renewTime", now},
                      {"leaseTransitions", 0}}}})
          .status();
    }
    if (!found.ok()) return found.status();
    Json lease = *found;
    const std::string holder = api::TextAt(lease, "spec.holderIdentity");
    const bool ours = holder == options_.identity;
    if (!ours && !holder.empty() && !HasExpired(lease)) {
      return absl::FailedPreconditionError(Concat("held by ", holder));
    }
    Json& spec = api::Make(lease, "spec");
    if (!ours) {
      spec["acquireTime"] = now;
      spec["leaseTransitions"] = api::NumberAt(lease, "spec.leaseTransitions") + 1;
    }
    spec["holderIdentity"] = options_.identity;
    spec["leaseDurationSeconds"] = absl::ToInt64Seconds(options_.lease);
    spec["renewTime"] = now;
    return client_->Update(kLeases, lease).status();
  }

  // It was not renewed for its whole duration under our eyes: clocks of others do not count.
  bool HasExpired(const Json& lease) {
    const std::string& version = api::TextAt(lease, "metadata.resourceVersion");
    if (version != seen_version_) {
      seen_version_ = version;
      seen_at_ = clock_->Now();
    }
    return clock_->Now() - seen_at_ >=
           absl::Seconds(api::NumberAt(lease, "spec.leaseDurationSeconds"));
  }

  void Release() {
    absl::StatusOr<Json> lease = client_->Get(kLeases, options_.name_space, options_.name);
    if (!lease.ok() || api::TextAt(*lease, "spec.holderIdentity") != options_.identity) return;
    Json& spec = api::Make(*lease, "spec");
    spec["holderIdentity"] = "";
    spec["leaseDurationSeconds"] = 1;
    spec["renewTime"] = api::FormatMicroTime(absl::Now());
    const absl::Status status = client_->Update(kLeases, *lease).status();
    if (!status.ok()) LogWarning(Concat("cannot give up ", options_.name, ": ", status.ToString()));
  }

  ApiClient* const client_;
  const Clock* const clock_;
  const LeaderElectionOptions options_;

  // Of Acquire's thread, then of the one that renews.
  SeededRandom chance_;
  std::string seen_version_;
  absl::Duration seen_at_ = absl::ZeroDuration();

  mutable absl::Mutex mu_;
  absl::CondVar wake_;
  std::thread thread_ ABSL_GUARDED_BY(mu_);  // none is begun once stopping_
  std::function<void()> on_lost_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool leading_ ABSL_GUARDED_BY(mu_) = false;
};

LeaderElection::LeaderElection(ApiClient* client, const Clock* clock, LeaderElectionOptions options)
    : impl_(std::make_unique<Impl>(client, clock, std::move(options))) {}
absl::StatusOr<std::unique_ptr<LeaderElection>> LeaderElection::Open(
    ApiClientOptions api, const Clock* clock, LeaderElectionOptions options) {
  api.timeout = (options.lease - options.renew_deadline) / 2;
  KV_ASSIGN_OR_RETURN(std::unique_ptr<ApiClient> client, MakeApiClient(std::move(api)));
  auto election = std::make_unique<LeaderElection>(client.get(), clock, std::move(options));
  election->own_client_ = std::move(client);
  return election;
}
LeaderElection::~LeaderElection() = default;
bool LeaderElection::Acquire() { return impl_->Acquire(); }
void LeaderElection::OnLost(std::function<void()> on_lost) { impl_->OnLost(std::move(on_lost)); }
void LeaderElection::Stop() { impl_->Stop(); }
bool LeaderElection::leading() const { return impl_->leading(); }

}  // namespace keelson::runtime
