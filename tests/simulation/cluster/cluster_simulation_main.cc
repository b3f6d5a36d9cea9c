// cluster_simulation: whole members in virtual time, from seeds. docs/simulation.md.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/cluster/simulation.h"
#include "tests/simulation/cluster/wrong_parts.h"
#include "tests/simulation/planted_bugs.h"

namespace keelson::simulation {
namespace {

// Of so many seeds two are run twice: one on RocksDB, and the next one, which is not.
constexpr uint64_t kTwiceOneIn = 50;
static_assert(kTwiceOneIn % kRealStoresOneIn == 0);
// In a run of that many seeds every rare situation is reached, or the simulator has a hole.
constexpr uint64_t kSeedsForCounters = 250;

char under_way[512];  // of the seed that runs, for who is stopped by a failed check

void OnAbort(int) {
  (void)!::write(STDERR_FILENO, under_way, std::strlen(under_way));
  ::signal(SIGABRT, SIG_DFL);
  ::raise(SIGABRT);
}

struct Arguments {
  uint64_t seed = 0;
  uint64_t first = 1;
  bool real_stores = false;  // those seeds alone
  uint64_t seeds = 100;
  double duration = 60;
  double seconds = 0;  // of the real clock; 0: no limit
  bool trace = false;
  bool shrink = false;
  bool keep_going = false;
  std::set<Feature> without;
  std::string bug;
};

Options OptionsOf(const Arguments& arguments, uint64_t seed) {
  Options options =
      DrawOptions(seed, static_cast<Time>(arguments.duration * static_cast<double>(kSecond)),
                  arguments.without);
  options.bug = arguments.bug;
  return options;
}

std::string CommandOf(const Arguments& arguments, uint64_t seed) {
  std::string command = "cluster_simulation --seed " + std::to_string(seed);
  if (arguments.duration != 60) {
    char text[32];
    std::snprintf(text, sizeof(text), " --duration %g", arguments.duration);
    command += text;
  }
  for (const Feature feature : arguments.without) {
    command += std::string(" --without ") + NameOf(feature);
  }
  if (!arguments.bug.empty()) command += " --bug " + arguments.bug;
  return command;
}

RunResult Run(const Arguments& arguments, uint64_t seed) {
  std::snprintf(under_way, sizeof(under_way), "\nrepeat: %s\n", CommandOf(arguments, seed).c_str());
  return RunSimulation(OptionsOf(arguments, seed), arguments.trace ? Trace::kOn : Trace::kOff);
}

void PrintFailure(const Arguments& arguments, uint64_t seed, const RunResult& result) {
  std::printf("%s\n%s\nBROKEN: %s\nrepeat: %s\n", Describe(OptionsOf(arguments, seed)).c_str(),
              result.stories.c_str(), result.broken.c_str(), CommandOf(arguments, seed).c_str());
}

// Leaves out one part after the other, and time, as long as the same thing breaks.
void Shrink(Arguments arguments, uint64_t seed, std::string broken) {
  const auto kind = [](const std::string& text) { return text.substr(0, text.find(':')); };
  arguments.trace = false;
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (const Feature feature : OptionsOf(arguments, seed).features) {
      Arguments fewer = arguments;
      fewer.without.insert(feature);
      if (kind(Run(fewer, seed).broken) != kind(broken)) continue;
      arguments = std::move(fewer);
      smaller = true;
    }
    Arguments shorter = arguments;
    shorter.duration = arguments.duration * 2 / 3;
    if (shorter.duration < 30 || kind(Run(shorter, seed).broken) != kind(broken)) continue;
    arguments = std::move(shorter);
    smaller = true;
  }
  std::printf("smallest: %s\n", CommandOf(arguments, seed).c_str());
}

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

int RunOne(const Arguments& arguments) {
  std::printf("%s\n", Describe(OptionsOf(arguments, arguments.seed)).c_str());
  const double began = Now();
  const RunResult result = Run(arguments, arguments.seed);
  if (!result.broken.empty()) {
    PrintFailure(arguments, arguments.seed, result);
    if (arguments.shrink) Shrink(arguments, arguments.seed, result.broken);
    return 1;
  }
  std::printf("holds: %llu events, %llu entries, hash %016llx, %.1f s\n",
              static_cast<unsigned long long>(result.events),
              static_cast<unsigned long long>(result.entries),
              static_cast<unsigned long long>(result.hash), Now() - began);
  return 0;
}

// What a run over many seeds has come to.
struct Tally {
  Counters counters;
  double simulated = 0;  // seconds
  uint64_t seeds = 0;
  uint64_t twice = 0;
  uint64_t events = 0;
  uint64_t entries = 0;
  std::vector<uint64_t> broken;  // seeds
};

// RocksDB that is told to go on while its disk is still full tries to flush once or twice, as its
// thread or its caller is faster.
bool IsTheSameEachTime(const Options& options) {
  return !options.real_stores || !options.has(Feature::k_full_disks);
}

// False: it breaks.
bool RunSeed(const Arguments& arguments, uint64_t seed, Tally& tally) {
  const RunResult result = Run(arguments, seed);
  ++tally.seeds;
  tally.counters.Add(result.counters);
  tally.simulated += static_cast<double>(result.simulated) / static_cast<double>(kSecond);
  tally.events += result.events;
  tally.entries += result.entries;
  if (!result.broken.empty()) {
    PrintFailure(arguments, seed, result);
    if (arguments.shrink) Shrink(arguments, seed, result.broken);
    return false;
  }
  if (seed % kTwiceOneIn > 1 || !IsTheSameEachTime(OptionsOf(arguments, seed))) return true;
  ++tally.twice;
  if (Run(arguments, seed).hash == result.hash) return true;
  std::printf("BROKEN: the same seed is the same run, to the last event\nrepeat: %s\n",
              CommandOf(arguments, seed).c_str());
  return false;
}

// False: something was never reached.
bool Print(const Tally& tally, double took) {
  bool complete = true;
  for (size_t i = 0; i < Counters::kCount; ++i) {
    std::printf("  %-30s %llu\n", Counters::NameOf(i),
                static_cast<unsigned long long>(tally.counters.count(i)));
    complete = complete && tally.counters.count(i) > 0;
  }
  std::printf(
      "%llu seeds (%llu of them twice), %llu events, %llu entries, %.0f virtual seconds in %.1f s: "
      "%.0f virtual seconds a second\n",
      static_cast<unsigned long long>(tally.seeds), static_cast<unsigned long long>(tally.twice),
      static_cast<unsigned long long>(tally.events), static_cast<unsigned long long>(tally.entries),
      tally.simulated, took, tally.simulated / took);
  for (const uint64_t seed : tally.broken) {
    std::printf("broken: seed %llu\n", static_cast<unsigned long long>(seed));
  }
  return complete;
}

int RunSeeds(const Arguments& arguments) {
  std::printf("seeds from %llu on\n", static_cast<unsigned long long>(arguments.first));
  const double began = Now();
  Tally tally;
  for (uint64_t n = arguments.first; n - arguments.first < arguments.seeds; ++n) {
    if (arguments.seconds > 0 && Now() - began > arguments.seconds) break;
    const uint64_t seed = arguments.real_stores ? n * kRealStoresOneIn : n;
    if (RunSeed(arguments, seed, tally)) continue;
    std::printf("after %llu seeds and %.1f s\n", static_cast<unsigned long long>(tally.seeds),
                Now() - began);
    std::fflush(stdout);
    if (!arguments.keep_going) return 1;
    tally.broken.push_back(seed);
  }
  const bool complete = Print(tally, Now() - began);
  if (!tally.broken.empty()) return 1;
  if (complete || tally.seeds < kSeedsForCounters || !arguments.without.empty() ||
      arguments.real_stores) {
    return 0;
  }
  std::printf("a situation was never reached\n");
  return 1;
}

// Name, room, what is to find it, and what is wrong.
void ListBugs() {
  for (const PlantedBugEntry& bug : kPlantedBugs) {
    std::printf("%s\t%s\t%s\t%s\n", bug.name, bug.room, NameOf(bug.hunter), bug.what);
  }
  for (const WrongPart& part : WrongParts()) {
    std::printf("%s\t%s\t%s\t%s\n", part.name, part.room, NameOf(Hunter::kCluster), part.what);
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Whole members in virtual time, each seed a run of its own.");
  Arguments arguments;
  std::vector<std::string> without;
  bool list_bugs = false;
  CLI::Option* const one = app.add_option("--seed", arguments.seed, "run this seed only");
  app.add_option("--seeds", arguments.seeds, "how many seeds");
  app.add_option("--first", arguments.first, "the first of them");
  app.add_flag("--real-stores", arguments.real_stores,
               "take only seeds on RocksDB, counted by themselves");
  app.add_option("--duration", arguments.duration, "virtual seconds of a run");
  app.add_option("--seconds", arguments.seconds, "begin no more seeds after so many real seconds");
  app.add_flag("--trace", arguments.trace, "tell the story of --seed");
  app.add_flag("--shrink", arguments.shrink, "of a failure, find out what it needs");
  app.add_flag("--keep-going", arguments.keep_going, "go on with the next seed after a failure");
  app.add_option("--without", without, "a kind of fault or client that there is not to be");
  app.add_option("--bug", arguments.bug, "what is wrong on purpose");
  app.add_flag("--list-bugs", list_bugs, "those that there are");
  CLI11_PARSE(app, argc, argv);
  ::signal(SIGABRT, OnAbort);
  if (list_bugs) {
    ListBugs();
    return 0;
  }
  if (!arguments.bug.empty() && !IsWrongPart(arguments.bug)) {
    const std::string wrong = PlantBug(arguments.bug);
    if (!wrong.empty()) {
      std::fprintf(stderr, "cluster_simulation: %s\n", wrong.c_str());
      return 2;
    }
  }
  for (const std::string& name : without) {
    const Feature feature = FeatureNamed(name);
    if (feature == Feature::kCount) {
      std::fprintf(stderr, "cluster_simulation: there is nothing named %s\n", name.c_str());
      return 2;
    }
    arguments.without.insert(feature);
  }
  return one->count() > 0 ? RunOne(arguments) : RunSeeds(arguments);
}

}  // namespace
}  // namespace keelson::simulation

int main(int argc, char** argv) { return keelson::simulation::Main(argc, argv); }
