#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "client/errors.h"
#include "tools/kvctl/command.h"
#include "tools/kvctl/go_text.h"

namespace keelson::kvctl {
namespace {

// The endpoints a command is about: those given, or with --cluster those that the members
// advertise.
Exit ListEndpoints(Session& session, bool cluster, std::vector<std::string>* endpoints) {
  *endpoints = session.globals().endpoints;
  if (!cluster) return Ok();
  etcdserverpb::MemberListRequest request;
  request.set_linearizable(true);
  const auto response = session.client().cluster().MemberList(request, session.call_options());
  if (!response.ok()) {
    return session.CallFailed(response.status(),
                              "failed to fetch endpoints from etcd cluster member list: ");
  }
  endpoints->clear();
  for (const etcdserverpb::Member& member : response->members()) {
    endpoints->insert(endpoints->end(), member.clienturls().begin(), member.clienturls().end());
  }
  return Ok();
}

class EndpointCommand : public Command {
 public:
  void AddFlags(Flags& flags) override {
    flags.Bool("cluster", 0, &cluster_, "use all endpoints from the cluster member list");
  }

  Exit Run(Session& session, Flags& flags, const Arguments&) override {
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    std::vector<std::string> endpoints;
    KVCTL_RETURN_IF_FAILED(ListEndpoints(session, cluster_, &endpoints));
    return RunOn(session, endpoints);
  }

 private:
  virtual Exit RunOn(Session& session, const std::vector<std::string>& endpoints) = 0;

  bool cluster_ = false;
};

EndpointHealth CheckHealth(Session& session, const std::string& endpoint) {
  client::Maintenance& maintenance = session.client().maintenance();
  const RealClock clock;
  const absl::Duration start = clock.Now();
  EndpointHealth health = {.endpoint = endpoint, .took = {}, .error = ""};
  const absl::Status status = maintenance.CheckHealth(endpoint, session.call_options());
  health.took = clock.Now() - start;
  if (!status.ok()) {
    health.error = std::string(status.message());
    const std::string why = client::LastFailure(status);
    if (!why.empty()) absl::StrAppend(&health.error, " (", why, ")");
    return health;
  }
  const auto alarms = maintenance.AlarmList(endpoint, session.call_options());
  if (!alarms.ok()) {
    if (!client::IsNotPermitted(alarms.status())) health.error = "Unable to fetch the alarm list";
  } else if (alarms->alarms_size() > 0) {
    health.error = "Active Alarm(s): ";
    for (const etcdserverpb::AlarmMember& alarm : alarms->alarms()) {
      absl::StrAppend(&health.error, etcdserverpb::AlarmType_Name(alarm.alarm()), " ");
    }
  }
  return health;
}

class HealthCommand final : public EndpointCommand {
 public:
  CommandHelp help() const override {
    return {.name = "endpoint health",
            .summary = "Checks the healthiness of endpoints specified in `--endpoints` flag",
            .usage = "[options]",
            .description =
                "Healthy is who answers a read that a quorum agreed to, and has no alarm. Exits\n"
                "with 1 when somebody is not.",
            .examples = "kvctl endpoint health --cluster -w table"};
  }

 private:
  Exit RunOn(Session& session, const std::vector<std::string>& endpoints) override {
    std::vector<EndpointHealth> healths(endpoints.size());
    std::vector<std::thread> checks;
    for (size_t i = 0; i < endpoints.size(); ++i) {
      checks.emplace_back([&, i] { healths[i] = CheckHealth(session, endpoints[i]); });
    }
    for (std::thread& check : checks) check.join();
    KVCTL_RETURN_IF_FAILED(session.printer().Health(healths));
    session.out().flush();
    for (const EndpointHealth& health : healths) {
      if (!health.error.empty()) return Failed("unhealthy cluster");
    }
    return Ok();
  }
};

class StatusCommand final : public EndpointCommand {
 public:
  CommandHelp help() const override {
    return {.name = "endpoint status",
            .summary = "Prints out the status of endpoints specified in `--endpoints` flag",
            .usage = "[options]",
            .description =
                "The simple format is a line per endpoint: endpoint, ID, version, storage version, "
                "db size,\n"
                "in use, percentage not in use, quota, is leader, is learner, raft term, raft "
                "index, raft\n"
                "applied index, errors, downgrade target version, downgrade enabled.",
            .examples = "kvctl endpoint status --cluster -w table"};
  }

 private:
  Exit RunOn(Session& session, const std::vector<std::string>& endpoints) override {
    std::vector<EndpointStatus> statuses;
    for (const std::string& endpoint : endpoints) {
      auto response = session.client().maintenance().Status(endpoint, session.call_options());
      if (response.ok()) {
        statuses.push_back({endpoint, *std::move(response)});
        continue;
      }
      session.ExplainTimeout(response.status());
      session.err() << "Failed to get the status of endpoint " << endpoint << " ("
                    << response.status().message() << ")\n";
    }
    KVCTL_RETURN_IF_FAILED(session.printer().Status(statuses));
    if (statuses.size() < endpoints.size()) return {ExitCode::kError, ""};
    return Ok();
  }
};

class HashKvCommand final : public EndpointCommand {
 public:
  CommandHelp help() const override {
    return {.name = "endpoint hashkv",
            .summary = "Prints the KV history hash for each endpoint in --endpoints",
            .usage = "[options]",
            .description = "Members with the same data have the same hash at the same revision.",
            .examples = "kvctl endpoint hashkv --cluster --rev 1000"};
  }

  void AddFlags(Flags& flags) override {
    EndpointCommand::AddFlags(flags);
    flags.Int("rev", &rev_, "maximum revision to hash (default: all revisions)");
  }

 private:
  Exit RunOn(Session& session, const std::vector<std::string>& endpoints) override {
    std::vector<EndpointHash> hashes;
    absl::Status failure;
    for (const std::string& endpoint : endpoints) {
      auto response = session.client().maintenance().HashKv(endpoint, rev_, session.call_options());
      if (response.ok()) {
        hashes.push_back({endpoint, *std::move(response)});
        continue;
      }
      failure = response.status();
      session.ExplainTimeout(failure);
      session.err() << "Failed to get the hash of endpoint " << endpoint << " ("
                    << failure.message() << ")\n";
    }
    KVCTL_RETURN_IF_FAILED(session.printer().HashKv(hashes));
    return failure.ok() ? Ok() : Failed(failure);
  }

  int64_t rev_ = 0;
};

class DefragCommand final : public EndpointCommand {
 public:
  CommandHelp help() const override {
    return {
        .name = "defrag",
        .summary = "Gives back the storage of what was compacted, on the members in --endpoints",
        .usage = "[options]",
        .description =
            "With Keelson it happens by itself, and nobody waits while it does; this makes it\n"
            "happen now. etcd answers nothing else meanwhile. With --data-dir: of a member that\n"
            "does not run.",
        .examples =
            "kvctl defrag --cluster --command-timeout=1m\n"
            "kvctl defrag --data-dir m1.etcd"};
  }

  void AddFlags(Flags& flags) override {
    EndpointCommand::AddFlags(flags);
    flags.String("data-dir", 0, &data_dir_, "defragment this directory, which no member uses");
    flags.Duration("timeout", &timeout_,
                   "with --data-dir: how long to wait for a process that has the directory");
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (data_dir_.empty()) return EndpointCommand::Run(session, flags, arguments);
    KVCTL_RETURN_IF_FAILED(session.OpenPrinter(flags));
    return DefragmentOffline(session, data_dir_, timeout_);
  }

 private:
  Exit RunOn(Session& session, const std::vector<std::string>& endpoints) override {
    bool all_done = true;
    for (const std::string& endpoint : endpoints) {
      const RealClock clock;
      const absl::Duration start = clock.Now();
      const absl::Status status =
          session.client().maintenance().Defragment(endpoint, session.call_options());
      const std::string took = FormatGoDuration(clock.Now() - start);
      if (status.ok()) {
        session.out() << "Finished defragmenting etcd member[" << endpoint << "]. took " << took
                      << "\n";
        continue;
      }
      all_done = false;
      session.ExplainTimeout(status);
      session.err() << "Failed to defragment etcd member[" << endpoint << "]. took " << took
                    << ". (" << status.message() << ")\n";
    }
    if (!all_done) return {ExitCode::kError, ""};
    return Ok();
  }

  std::string data_dir_;
  absl::Duration timeout_ = absl::Seconds(10);
};

}  // namespace

void AddEndpointCommands(Commands& commands) {
  commands.push_back(std::make_unique<DefragCommand>());
  commands.push_back(std::make_unique<HashKvCommand>());
  commands.push_back(std::make_unique<HealthCommand>());
  commands.push_back(std::make_unique<StatusCommand>());
}

}  // namespace keelson::kvctl
