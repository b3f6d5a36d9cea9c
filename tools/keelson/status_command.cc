// keelson status and keelson logs: how a local cluster is, and what its parts said.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/concat.h"
#include "base/status_macros.h"
#include "tools/keelson/cluster_plan.h"
#include "tools/keelson/commands.h"
#include "tools/keelson/local_cluster.h"
#include "tools/keelson/probe.h"

namespace keelson::program {
namespace {

constexpr absl::Duration kProbeTimeout = absl::Seconds(1);

struct Row {
  std::string component = {};
  std::string pid = "-";
  std::string health = {};
  std::string restarts = "0";
  std::string address = "-";
  std::string version = "-";
  std::string role = "-";
};

std::string Address(int port) { return Concat(kHost, ":", port); }

// A number behind the last dash or letter of a component's name, from 0 on.
int IndexOf(const std::string& name) { return name.back() - '1'; }

class StatusTable {
 public:
  explicit StatusTable(const ClusterPlan& plan) : plan_(plan) {
    scheduler_ = LeaseHolder(plan, "kube-scheduler", kProbeTimeout);
    controllers_ = LeaseHolder(plan, "kube-controller-manager", kProbeTimeout);
  }

  bool healthy() const { return healthy_; }

  Row RowOf(const ComponentState& state) {
    Row row{.component = state.name, .restarts = Concat(state.restarts)};
    const bool runs = state.pid != 0;
    if (runs) row.pid = Concat(state.pid);
    bool well = runs;
    if (state.name.starts_with("apiserver-")) {
      const int i = IndexOf(state.name);
      const ApiServerAnswer server = AskApiServer(plan_, plan_.ServerUrl(i), kProbeTimeout);
      well = well && server.ready;
      row.version = server.version.empty() ? "-" : server.version;
      row.address = Address(plan_.server_ports[static_cast<size_t>(i)]);
    } else if (state.name == "front") {
      well = well && AskApiServer(plan_, plan_.Url(), kProbeTimeout).ready;
      row.address = Address(plan_.port);
    } else if (state.name.starts_with("scheduler-")) {
      well = AskDaemon(IndexOf(state.name), &row) && well;
      row.role = state.name == scheduler_ ? "active" : "standby";
    } else if (state.name.starts_with("controllers-")) {
      well = AskDaemon(plan_.members + IndexOf(state.name), &row) && well;
      row.role = state.name == controllers_ ? "active" : "standby";
    } else if (state.name == "nodes") {
      const NodeCount count = CountNodes(plan_, kProbeTimeout);
      well = AskDaemon(2 * plan_.members, &row) && well && count.ready >= plan_.nodes;
      row.role = Concat(count.ready, " of ", count.all, " ready");
    } else {
      const int i = IndexOf(state.name);
      const StoreMember member = AskStore(plan_, i, kProbeTimeout);
      well = well && member.healthy;
      row.version = member.version.empty() ? "-" : member.version;
      row.role = member.leads ? "leader" : "follower";
      row.address = Address(plan_.client_ports[static_cast<size_t>(i)]);
    }
    row.health = well                     ? "ok"
                 : runs                   ? "not ready"
                 : state.last_end.empty() ? "not started"
                                          : Concat("down: ", state.last_end);
    healthy_ = healthy_ && well;
    return row;
  }

 private:
  bool AskDaemon(int index, Row* row) {
    const int port = plan_.status_ports[static_cast<size_t>(index)];
    row->address = Address(port);
    row->version = KEELSON_VERSION;
    return IsAlive(port, kProbeTimeout);
  }

  const ClusterPlan& plan_;
  std::string scheduler_, controllers_;
  bool healthy_ = true;
};

void Print(const std::vector<Row>& rows) {
  size_t health = 6;
  for (const Row& row : rows) health = std::max(health, row.health.size());
  const std::string format = Concat("%-14s %-8s %-", health, "s %-8s %-16s %-16s %s\n");
  for (const Row& row : rows) {
    std::printf(format.c_str(), row.component.c_str(), row.pid.c_str(), row.health.c_str(),
                row.restarts.c_str(), row.address.c_str(), row.version.c_str(), row.role.c_str());
  }
}

absl::Status RunStatus(const std::string& directory, bool* healthy) {
  const auto plan = LoadPlan(directory);
  if (absl::IsNotFound(plan.status())) {
    return absl::NotFoundError(Concat("there is no cluster in ", directory));
  }
  if (!plan.ok()) return plan.status();
  const auto states = ReadSupervisorState(plan->File("state.json"));
  if (SupervisorOf(directory) == 0 || !states.ok()) {
    std::printf("The cluster in %s does not run.\n", directory.c_str());
    *healthy = false;
    return absl::OkStatus();
  }
  StatusTable table(*plan);
  std::vector<Row> rows = {{.component = "COMPONENT",
                            .pid = "PID",
                            .health = "HEALTH",
                            .restarts = "RESTARTS",
                            .address = "ADDRESS",
                            .version = "VERSION",
                            .role = "ROLE"}};
  for (const ComponentState& state : *states) rows.push_back(table.RowOf(state));
  Print(rows);
  *healthy = table.healthy();
  return absl::OkStatus();
}

struct LogFlags {
  std::string directory = ".keelson";
  std::string component;
  int lines = 20;
  bool follow = false;
};

// tail shows them: it knows how to follow a file.
absl::Status RunLogs(const LogFlags& flags) {
  const std::string directory =
      std::filesystem::absolute(flags.directory).lexically_normal().string();
  const auto plan = LoadPlan(directory);
  if (!plan.ok()) return absl::NotFoundError(Concat("there is no cluster in ", directory));
  std::vector<std::string> words = {"tail", Concat("--lines=", flags.lines)};
  if (flags.follow) words.push_back("--follow=name");
  std::vector<std::string> names;
  for (const ComponentSpec& component : ComponentsOf(*plan, {})) names.push_back(component.name);
  size_t files = 0;
  for (const std::string& name : names) {
    if (!flags.component.empty() && name != flags.component) continue;
    ++files;
    words.push_back(Concat(plan->File(name), "/log"));
  }
  if (flags.component == "supervisor") words.push_back(plan->File("supervisor.log"));
  if (files == 0 && flags.component != "supervisor") {
    std::string all;
    for (const std::string& name : names) Append(&all, name, ", ");
    return absl::NotFoundError(
        Concat("there is no component ", flags.component, "; there are ", all, "supervisor"));
  }
  std::vector<char*> command;
  for (std::string& word : words) command.push_back(word.data());
  command.push_back(nullptr);
  ::execvp(command[0], command.data());
  return absl::InternalError(Concat("tail cannot be executed: ", std::strerror(errno)));
}

}  // namespace

void AddStatusCommand(CLI::App& program, int* exit_status) {
  auto directory = std::make_shared<std::string>(".keelson");
  CLI::App& command = *program.add_subcommand(
      "status", "Shows the parts of a local cluster; fails unless all are well.");
  command.add_option("--dir", *directory, "The cluster's folder")->capture_default_str();
  command.callback([directory, exit_status] {
    bool healthy = false;
    const absl::Status status =
        RunStatus(std::filesystem::absolute(*directory).lexically_normal().string(), &healthy);
    if (!status.ok()) {
      std::fprintf(stderr, "keelson status: %s\n", std::string(status.message()).c_str());
    }
    *exit_status = healthy ? 0 : 1;
  });
}

void AddLogsCommand(CLI::App& program, int* exit_status) {
  auto flags = std::make_shared<LogFlags>();
  CLI::App& command =
      *program.add_subcommand("logs", "Shows the last lines of a component's log, or of all.");
  command.add_option("component", flags->component, "As `keelson status` names it");
  command.add_option("--dir", flags->directory, "The cluster's folder")->capture_default_str();
  command.add_option("-n,--lines", flags->lines, "How many lines")->capture_default_str();
  command.add_flag("-f,--follow", flags->follow, "Goes on as more is written");
  command.callback([flags, exit_status] {
    const absl::Status status = RunLogs(*flags);
    std::fprintf(stderr, "keelson logs: %s\n", std::string(status.message()).c_str());
    *exit_status = 1;
  });
}

}  // namespace keelson::program
