// differential_test: the same random operations on kvd and on etcd, all answers compared.
// docs/testing.md.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/random.h"
#include "tests/differential/comparison.h"
#include "tests/differential/generator.h"
#include "tests/differential/shrink.h"
#include "tests/differential/version_differences.h"

namespace keelson::differential {
namespace {

constexpr uint64_t kEpisodeOperations = 1000;
// In a run of that many operations every known difference is met, or one of both is wrong.
constexpr uint64_t kOperationsForAllDifferences = 100'000;
constexpr int kSkipped = 77;  // ctest's

struct Options {
  std::string kvd;
  std::string etcd = "/usr/bin/etcd";
  uint64_t operations = kOperationsForAllDifferences;
  uint64_t seed = 0;
  uint64_t episode = 0;
  double seconds = 0;
  double shrink_seconds = 60;
};

std::vector<Operation> OperationsOf(uint64_t seed, uint64_t episode) {
  SeededRandom dice(seed + episode);
  const Focus focus = static_cast<Focus>(episode % kFocuses);
  Generator generator(dice.Next(), focus);
  std::vector<Operation> operations;
  const uint64_t count = focus == Focus::kLargeValues ? kEpisodeOperations / 4 : kEpisodeOperations;
  while (operations.size() < count) operations.push_back(generator.Next());
  // To wait for a lease takes seconds, so it is done seldom.
  if (focus == Focus::kLeases && episode / kFocuses % 3 == 0) {
    operations.insert(operations.begin() + static_cast<int64_t>(dice.Below(count)),
                      generator.Expiry());
  }
  return operations;
}

void ShowShrunk(const Options& options, std::vector<Operation> operations) {
  VersionDifferences versions;
  std::optional<Comparison> servers;
  std::optional<Difference> last;
  // On new servers after each difference, for it may last: with it all the rest could be left out.
  const auto shows = [&](const std::vector<Operation>& rest) {
    if (!servers) servers.emplace(options.kvd, options.etcd, &versions, absl::Seconds(1));
    auto difference = servers->Run(rest);
    if (!difference.has_value()) return false;
    last = std::move(difference);
    servers.reset();
    return true;
  };
  if (!shows(operations)) {
    std::printf("not there on fresh servers: it needs what happened in the episodes before\n");
    return;
  }
  operations = Shrink(std::move(operations), shows, absl::Seconds(options.shrink_seconds));
  std::printf("the same by %zu operations:\n", operations.size());
  for (const Operation& operation : operations) std::printf("  %s\n", ToString(operation).c_str());
  std::printf("%s\n", last->text.c_str());
}

void Report(const Options& options, uint64_t episode, std::vector<Operation> operations,
            const Difference& difference) {
  std::printf("DIFFERENCE in episode %llu, operation %zu of it:\n  %s%s\n",
              static_cast<unsigned long long>(episode), difference.operation,
              difference.operation < operations.size()
                  ? ToString(operations[difference.operation]).c_str()
                  : "(the state at the end)",
              difference.text.c_str());
  std::printf("again: differential_test --kvd %s --seed %llu --episode %llu\n", options.kvd.c_str(),
              static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(episode));
  std::fflush(stdout);
  operations.resize(std::min(operations.size(), difference.operation + 1));
  ShowShrunk(options, std::move(operations));
}

bool Finish(const Statistics& statistics, const VersionDifferences& versions, bool full) {
  std::printf(
      "%llu operations, %llu of them refused in %zu ways, %llu watchers, %llu events, %llu "
      "fragments\n",
      static_cast<unsigned long long>(statistics.operations),
      static_cast<unsigned long long>(statistics.refused), statistics.errors.size(),
      static_cast<unsigned long long>(statistics.watchers),
      static_cast<unsigned long long>(statistics.events),
      static_cast<unsigned long long>(statistics.fragments));
  for (const auto& [error, count] : statistics.errors) {
    std::printf("  %6llu %s\n", static_cast<unsigned long long>(count), error.c_str());
  }
  std::printf("differences between etcd 3.4 and 3.7, and how often they were met:\n%s",
              versions.ToString().c_str());
  if (!full) return true;
  for (const std::string& name : versions.Unmet()) std::printf("never met: %s\n", name.c_str());
  return versions.Unmet().empty();
}

int Main(int argc, char** argv) {
  CLI::App app("The same random operations on kvd and on etcd, all answers compared.");
  Options options;
  options.seed = SystemSeed() >> 32;
  app.add_option("--kvd", options.kvd, "The program under test.")->required();
  app.add_option("--etcd", options.etcd, "The oracle.");
  app.add_option("--operations", options.operations, "How many, at least.");
  app.add_option("--seed", options.seed, "Repeats a run.");
  auto* const only = app.add_option("--episode", options.episode, "Only this one of the seed.");
  app.add_option("--seconds", options.seconds,
                 "Goes on for that long, however many operations that makes.");
  app.add_option("--shrink-seconds", options.shrink_seconds,
                 "How long a difference is made smaller.");
  CLI11_PARSE(app, argc, argv);
  if (access(options.etcd.c_str(), X_OK) != 0) {
    std::printf("skipped: there is no %s\n", options.etcd.c_str());
    return kSkipped;
  }
  std::printf("seed %llu (repeat with --seed %llu)\n",
              static_cast<unsigned long long>(options.seed),
              static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  VersionDifferences versions;
  Comparison comparison(options.kvd, options.etcd, &versions, absl::Seconds(15));
  const absl::Time deadline = absl::Now() + absl::Seconds(options.seconds);
  for (uint64_t episode = options.episode;; ++episode) {
    std::vector<Operation> operations = OperationsOf(options.seed, episode);
    const auto difference = comparison.Run(operations);
    if (difference.has_value()) {
      Report(options, episode, std::move(operations), *difference);
      return 1;
    }
    const bool enough = options.seconds > 0
                            ? absl::Now() >= deadline
                            : comparison.statistics().operations >= options.operations;
    if (enough || only->count() > 0) break;
  }
  const bool full = comparison.statistics().operations >= kOperationsForAllDifferences;
  return Finish(comparison.statistics(), versions, full) ? 0 : 1;
}

}  // namespace
}  // namespace keelson::differential

int main(int argc, char** argv) { return keelson::differential::Main(argc, argv); }
