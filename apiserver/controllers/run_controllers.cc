#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "apiserver/controllers/controllers.h"
#include "apiserver/runtime/event_recorder.h"
#include "apiserver/runtime/informer.h"
#include "apiserver/runtime/leader_election.h"
#include "apiserver/runtime/log.h"
#include "apiserver/runtime/status_server.h"
#include "apiserver/runtime/stop_signals.h"
#include "base/clock.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

constexpr char kLease[] = "kube-controller-manager";

int Fail(const absl::Status& status) {
  const std::string text(status.message());
  std::fprintf(stderr, "keelson controllers: %s\n", text.c_str());
  return 1;
}

std::string ContentOf(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Leads, if that is wanted, and controls.
class Daemon {
 public:
  // No `election`: at once.
  Daemon(runtime::ApiClient* client, const Clock* clock,
         std::unique_ptr<runtime::LeaderElection> election, const ControllersOptions& options)
      : informers_(client),
        events_(client, clock, "controllers"),
        election_(std::move(election)),
        controllers_(MakeControllers({client, &informers_, &events_, clock}, options)) {
    if (election_ == nullptr) return;
    election_->OnLost([this] {
      lost_ = true;
      runtime::StopSignals::Trigger();
    });
  }

  void Start() {
    thread_ = std::thread([this] { Lead(); });
  }

  void Stop() {
    stopping_ = true;
    if (election_ != nullptr && !election_->leading()) election_->Stop();
    thread_.join();
    if (running_) {
      for (const auto& controller : controllers_) controller->Stop();
    }
    informers_.StopAll();
    // Last: another one may begin when the lease is given up.
    if (election_ != nullptr) election_->Stop();
  }

  bool running() const { return running_; }
  bool lost() const { return lost_; }

  std::string Metrics() const {
    std::string text =
        "# HELP leader_election_master_status Whether this process leads.\n"
        "# TYPE leader_election_master_status gauge\n";
    Append(&text, "leader_election_master_status{name=\"", kLease, "\"} ", running_ ? 1 : 0, "\n");
    const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                            auto value) {
      Append(&text, "# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n");
      for (const auto& controller : controllers_) {
        const runtime::Controller::Counts counts = controller->counts();
        Append(&text, name, "{name=\"", counts.name, "\"} ", value(counts), "\n");
      }
    };
    family("workqueue_depth", "gauge", "Keys that wait for a worker.",
           [](const auto& counts) { return counts.waiting; });
    family("workqueue_reconciled_total", "counter", "Looks at a key.",
           [](const auto& counts) { return counts.reconciled; });
    family("workqueue_failed_total", "counter", "Looks at a key that ended in an error.",
           [](const auto& counts) { return counts.failed; });
    return text;
  }

 private:
  void Lead() {
    if (election_ != nullptr) {
      if (!election_->Acquire()) return;
      runtime::LogInfo("these controllers lead");
    }
    informers_.StartAll();
    while (!stopping_ && !informers_.WaitSynced(absl::Milliseconds(200))) {
    }
    if (stopping_) return;
    for (const auto& controller : controllers_) controller->Start();
    running_ = true;
    runtime::LogInfo("the controllers are at work");
  }

  runtime::InformerFactory informers_;
  runtime::EventRecorder events_;
  const std::unique_ptr<runtime::LeaderElection> election_;
  const std::vector<std::unique_ptr<runtime::Controller>> controllers_;
  std::atomic<bool> stopping_ = false;  // written once, by Stop
  std::atomic<bool> running_ = false;   // written once, by the thread
  std::atomic<bool> lost_ = false;      // written once, by the election's thread
  std::thread thread_;
};

}  // namespace

int RunControllers(RunControllersOptions options) {
  if (const absl::Status status = runtime::StartLogging(options.log_level); !status.ok()) {
    return Fail(status);
  }
  runtime::StopSignals signals;
  options.api.user_agent = "keelson-controllers";
  auto client = runtime::MakeApiClient(options.api);
  if (!client.ok()) return Fail(client.status());
  const RealClock clock;
  std::unique_ptr<runtime::LeaderElection> election;
  if (options.leader_elect) {
    auto opened = runtime::LeaderElection::Open(options.api, &clock,
                                                {.name = kLease, .identity = options.identity});
    if (!opened.ok()) return Fail(opened.status());
    election = *std::move(opened);
  }
  Daemon daemon(client->get(), &clock, std::move(election),
                {.root_ca = ContentOf(options.api.ca_file)});
  runtime::StatusServer server;
  server.ServeStatus([&daemon] { return daemon.running(); },
                     [&daemon] { return daemon.Metrics(); });
  if (!options.listen.empty()) {
    if (const absl::Status status = server.Listen(options.listen); !status.ok()) {
      return Fail(status);
    }
    server.Run();
  }
  daemon.Start();
  signals.Wait();
  server.Stop();
  daemon.Stop();
  return daemon.lost() ? Fail(absl::UnavailableError("leadership was lost")) : 0;
}

}  // namespace keelson::controllers
