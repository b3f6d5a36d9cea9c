// raft_simulation: random clusters of raft cores, checked after every event. docs/simulation.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>

#include "tests/simulation/planted_bugs.h"
#include "tests/simulation/raft/counters.h"
#include "tests/simulation/raft/runner.h"

namespace keelson::raft::simulation {
namespace {

// In a run of that many seeds every rare situation is reached, or the simulator has a hole.
constexpr uint64_t kSeedsForCounters = 2000;

double HoursOf(Time time) { return static_cast<double>(time) / 3.6e9; }

// "90s", "10m", "2h"; 0: none of that.
double SecondsIn(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  switch (*end) {
    case 'h':
      return number * 3600;
    case 'm':
      return number * 60;
    case 's':
    case '\0':
      return number;
    default:
      return 0;
  }
}

void Print(const RunnerResult& result) {
  for (size_t i = 0; i < Counters::kCount; ++i) {
    std::printf("  %-38s %llu\n", std::string(Counters::NameOf(i)).c_str(),
                static_cast<unsigned long long>(result.counters.count(i)));
  }
  std::printf(
      "%llu seeds (%llu of them twice), %llu steps, %.1f simulated hours, %.1f s: %.0f seeds/s, "
      "%.3f simulated hours/s\n",
      static_cast<unsigned long long>(result.seeds), static_cast<unsigned long long>(result.twice),
      static_cast<unsigned long long>(result.events), HoursOf(result.simulated), result.seconds,
      static_cast<double>(result.seeds) / result.seconds,
      HoursOf(result.simulated) / result.seconds);
}

void WriteJson(const std::string& path, const RunnerResult& result) {
  std::ofstream out(path);
  out << "{\"seeds\": " << result.seeds << ", \"steps\": " << result.events
      << ", \"simulated_hours\": " << HoursOf(result.simulated)
      << ", \"seconds\": " << result.seconds << ", \"failed_seed\": " << result.failed_seed
      << ", \"reached\": {";
  for (size_t i = 0; i < Counters::kCount; ++i) {
    out << (i == 0 ? "" : ", ") << '"' << Counters::NameOf(i) << "\": " << result.counters.count(i);
  }
  out << "}}\n";
}

bool AllReached(const RunnerResult& result) {
  bool all = true;
  for (size_t i = 0; i < Counters::kCount; ++i) {
    if (result.counters.count(i) > 0) continue;
    std::printf("never reached: %s\n", std::string(Counters::NameOf(i)).c_str());
    all = false;
  }
  return all;
}

int Main(int argc, char** argv) {
  CLI::App app("Random clusters of raft cores, every invariant checked after every event.");
  RunnerOptions options;
  options.jobs = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  uint64_t seed = 0;
  std::string duration;
  std::string json;
  bool trace = false;
  CLI::Option* one = app.add_option("--seed", seed, "run this seed only");
  CLI::Option* seeds = app.add_option("--seeds", options.seeds, "how many seeds");
  app.add_option("--first", options.first, "the first of them");
  app.add_option("--duration", duration, "as many seeds as fit: 90s, 10m, 2h");
  app.add_option("--jobs", options.jobs, "processes");
  app.add_flag("--trace", trace, "tell every event of --seed");
  app.add_option("--json", json, "write the result to this file, too");
  std::string bug;
  app.add_option("--bug", bug,
                 "the planted bug that the core has (cluster_simulation --list-bugs)");
  CLI11_PARSE(app, argc, argv);
  options.repeat = std::string(argv[0]);
  if (!bug.empty()) {
    const std::string wrong = keelson::simulation::PlantBug(bug);
    if (!wrong.empty()) {
      std::fprintf(stderr, "raft_simulation: %s\n", wrong.c_str());
      return 2;
    }
    options.repeat += " --bug " + bug;
  }
  options.repeat += " --seed";
  if (one->count() > 0) return RunOne(seed, trace) ? 0 : 1;
  if (!duration.empty()) {
    options.seconds_max = SecondsIn(duration);
    if (options.seconds_max <= 0) {
      std::fprintf(stderr, "raft_simulation: --duration %s: want 90s, 10m or 2h\n",
                   duration.c_str());
      return 2;
    }
    if (seeds->count() == 0) options.seeds = UINT64_MAX;
  }
  std::printf("seeds from %llu on\n", static_cast<unsigned long long>(options.first));
  const RunnerResult result = RunSeeds(options);
  Print(result);
  if (!json.empty()) WriteJson(json, result);
  const bool complete = result.failed || result.seeds < kSeedsForCounters || AllReached(result);
  return result.failed || !complete ? 1 : 0;
}

}  // namespace
}  // namespace keelson::raft::simulation

int main(int argc, char** argv) { return keelson::raft::simulation::Main(argc, argv); }
