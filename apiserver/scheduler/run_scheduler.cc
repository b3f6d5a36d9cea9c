#include "apiserver/scheduler/run_scheduler.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/leader_election.h"
#include "apiserver/runtime/log.h"
#include "apiserver/runtime/status_server.h"
#include "apiserver/runtime/stop_signals.h"
#include "apiserver/scheduler/scheduler.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/random.h"

namespace keelson::scheduler {
namespace {

int Fail(std::string_view what, const absl::Status& status) {
  const std::string text = Concat(what, std::string(status.message()));
  std::fprintf(stderr, "keelson scheduler: %s\n", text.c_str());
  return 1;
}

// Leads, if that is wanted, and schedules.
class Daemon {
 public:
  // No `election`: at once.
  Daemon(runtime::ApiClient* client, const Clock* clock,
         std::unique_ptr<runtime::LeaderElection> election)
      : events_(client, clock, "default-scheduler"),
        scheduler_(client, &events_, clock, {.seed = SystemSeed()}),
        election_(std::move(election)) {
    if (election_ == nullptr) return;
    election_->OnLost([this] {
      lost_ = true;
      runtime::StopSignals::Trigger();
    });
  }

  void Start() {
    if (election_ == nullptr) return scheduler_.Start();
    thread_ = std::thread([this] {
      if (!election_->Acquire()) return;
      runtime::LogInfo("this scheduler leads");
      scheduler_.Start();
    });
  }

  // The scheduler first: another may begin when the lease is given up.
  void Stop() {
    if (election_ != nullptr && !election_->leading()) election_->Stop();
    if (thread_.joinable()) thread_.join();
    scheduler_.Stop();
    if (election_ != nullptr) election_->Stop();
  }

  const Scheduler& scheduler() const { return scheduler_; }
  bool lost() const { return lost_; }

 private:
  runtime::EventRecorder events_;
  Scheduler scheduler_;
  const std::unique_ptr<runtime::LeaderElection> election_;
  std::atomic<bool> lost_ = false;  // written once, by the election's thread
  std::thread thread_;
};

}  // namespace

int RunScheduler(RunSchedulerOptions options) {
  if (const absl::Status status = runtime::StartLogging(options.log_level); !status.ok()) {
    return Fail("", status);
  }
  runtime::StopSignals signals;
  options.api.user_agent = "keelson-scheduler";
  auto client = runtime::MakeApiClient(options.api);
  if (!client.ok()) return Fail("", client.status());
  const RealClock clock;
  std::unique_ptr<runtime::LeaderElection> election;
  if (options.leader_elect) {
    auto opened = runtime::LeaderElection::Open(
        options.api, &clock, {.name = "kube-scheduler", .identity = options.identity});
    if (!opened.ok()) return Fail("", opened.status());
    election = *std::move(opened);
  }
  Daemon daemon(client->get(), &clock, std::move(election));
  runtime::StatusServer server;
  server.ServeStatus([&daemon] { return daemon.scheduler().ready(); },
                     [&daemon] { return daemon.scheduler().Metrics(); });
  if (!options.listen.empty()) {
    if (const absl::Status status = server.Listen(options.listen); !status.ok()) {
      return Fail("", status);
    }
    server.Run();
  }
  daemon.Start();
  signals.Wait();
  server.Stop();
  daemon.Stop();
  if (!daemon.lost()) return 0;
  return Fail("", absl::UnavailableError("leadership was lost"));
}

}  // namespace keelson::scheduler
