// kvbench: runs what options.h describes and prints report.h. Exit status: 0 when every request
// succeeded, 1 when one did not or the run could not be made, 2 for bad flags.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "base/status_macros.h"
#include "tools/kvbench/link.h"
#include "tools/kvbench/load.h"
#include "tools/kvbench/options.h"
#include "tools/kvbench/process_meter.h"
#include "tools/kvbench/report.h"
#include "tools/kvbench/watch_load.h"

namespace keelson::kvbench {
namespace {

struct Run {
  asio::io_context loop{1};
  RealClock clock;
  TlsCredentials tls;
  std::vector<Endpoint> targets;
  Report report;
};

absl::Status RunLoad(Run* run, ProcessMeter* meter) {
  const Options& options = run->report.options;
  KV_ASSIGN_OR_RETURN(Links links, Connect(&run->loop, run->targets, options.connections,
                                           options.timeout, run->tls));
  Report& report = run->report;
  Load load(&run->loop, &run->clock, options, &links,
            {.measuring_begins = [&] { meter->Start(); },
             .measuring_ends = [&] { report.cost = meter->Stop(); }});
  LoadResult result = load.Run();
  links.clear();  // before the load, to which their streams report
  report.operations = result.latency.count();
  report.errors = result.failed;
  report.first_error = result.first_failure;
  report.not_found = result.not_found;
  report.elapsed = result.elapsed;
  report.latency = std::move(result.latency);
  return absl::OkStatus();
}

absl::Status RunWatch(Run* run, ProcessMeter* meter) {
  const Options& options = run->report.options;
  KV_ASSIGN_OR_RETURN(Links watch_links, Connect(&run->loop, run->targets, options.connections,
                                                 options.timeout, run->tls));
  KV_ASSIGN_OR_RETURN(Links put_links,
                      Connect(&run->loop, run->targets, 1, options.timeout, run->tls));
  WatchLoad load(&run->loop, &run->clock, options, &put_links, &watch_links, meter);
  WatchResult result = load.Run();
  watch_links.clear();
  put_links.clear();
  Report& report = run->report;
  report.operations = result.delay.count();
  report.puts = result.puts.latency.count();
  report.errors = result.puts.failed + result.missing + (result.failure.ok() ? 0 : 1);
  report.first_error = result.failure.ok() ? result.puts.first_failure : result.failure;
  if (report.first_error.ok() && result.missing > 0) {
    report.first_error = absl::DataLossError(std::to_string(result.missing) + " events missing");
  }
  report.elapsed = result.elapsed;
  report.latency = std::move(result.delay);
  report.cost = std::move(result.cost);
  return absl::OkStatus();
}

absl::Status RunAll(Run* run) {
  const Options& options = run->report.options;
  std::vector<int> pids = options.server_pids;
  if (pids.empty()) pids = FindServers(options.endpoints);
  KV_ASSIGN_OR_RETURN(ProcessMeter meter, ProcessMeter::Make(pids));

  KV_ASSIGN_OR_RETURN(run->tls, LoadTls(options.tls));
  run->targets = options.endpoints;
  if (options.target == Target::kLeader) {
    KV_ASSIGN_OR_RETURN(Endpoint leader,
                        FindLeader(&run->loop, options.endpoints, options.timeout, run->tls));
    run->targets = {std::move(leader)};
  }
  for (const Endpoint& target : run->targets) {
    if (!run->report.target.empty()) run->report.target += ",";
    run->report.target += target.text();
  }
  const bool watch = options.operation == Operation::kWatch;
  return watch ? RunWatch(run, &meter) : RunLoad(run, &meter);
}

int Complain(const std::string& what, int exit_status) {
  std::fprintf(stderr, "kvbench: %s\n", what.c_str());
  return exit_status;
}

int Main(int argc, char** argv) {
  absl::StatusOr<CommandLine> line =
      ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
  if (!line.ok()) return Complain(std::string(line.status().message()), 2);
  if (!line->help.empty()) {
    std::fputs(line->help.c_str(), stdout);
    return 0;
  }
  Run run;
  run.report.options = line->options;
  const absl::Status status = RunAll(&run);
  if (!status.ok()) return Complain(std::string(status.message()), 1);
  const Report& report = run.report;
  std::fputs((report.options.json ? FormatJson(report) : FormatTable(report)).c_str(), stdout);
  if (report.errors == 0) return 0;
  return Complain(std::to_string(report.errors) + " errors; the first: " +
                      report.first_error.ToString(absl::StatusToStringMode::kDefault),
                  1);
}

}  // namespace
}  // namespace keelson::kvbench

int main(int argc, char** argv) { return keelson::kvbench::Main(argc, argv); }
