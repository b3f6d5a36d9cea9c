#include "tests/simulation/raft/runner.h"

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "base/check.h"
#include "tests/simulation/raft/simulation.h"

namespace keelson::raft::simulation {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kWorkersMax = 256;
constexpr int kSeedSecondsMax =
    30;  // of processor time; a seed takes milliseconds: this ends a hang
constexpr uint64_t kTwiceEvery = 100;

struct Worker {
  uint64_t current = 0;  // seed
  uint64_t seeds = 0;
  uint64_t twice = 0;
  uint64_t events = 0;
  Time simulated = 0;
  Counters counters = {};
  bool failed = false;
  bool differs = false;  // run twice, it was not the same
};

// Lies in memory that the processes share.
struct Shared {
  std::atomic<uint64_t> next = 0;  // seed; lock-free, and the workers' only meeting place
  std::atomic<bool> stop = false;
  Worker workers[kWorkersMax] = {};  // each its own
};

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void LimitTime() {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = kSeedSecondsMax, .tv_usec = 0}};
  KV_CHECK_EQ(setitimer(ITIMER_VIRTUAL, &limit, nullptr), 0);
}

void Work(const RunnerOptions& options, Clock::time_point start, Shared& shared, Worker& worker) {
  while (!shared.stop) {
    if (options.seconds_max > 0 && SecondsSince(start) >= options.seconds_max) return;
    const uint64_t seed = shared.next++;
    if (seed - options.first >= options.seeds) return;
    worker.current = seed;
    LimitTime();
    Trace trace(TraceMode::kOff);
    const Result result = RunSeed(seed, trace);
    ++worker.seeds;
    worker.events += result.events;
    worker.simulated += result.simulated;
    worker.counters.Add(result.counters);
    worker.failed = result.verdict.failed();
    if (!worker.failed && seed % kTwiceEvery == 0) {
      ++worker.twice;
      const Result again = RunSeed(seed, trace);
      worker.differs = again.hash != result.hash || again.next != result.next;
      worker.failed = worker.differs;
    }
    if (worker.failed) return;
  }
}

// The story of the seed that is being told, for a check that aborts.
Trace* told_trace = nullptr;
uint64_t told_seed = 0;

void PrintFailure(uint64_t seed, int invariant, std::string_view sentence, std::string_view what) {
  std::printf("the newest events of each member:\n");
  told_trace->PrintNewest();
  std::printf("\nFAILED seed %llu\ninvariant %d: %.*s\n%.*s\n",
              static_cast<unsigned long long>(seed), invariant, static_cast<int>(sentence.size()),
              sentence.data(), static_cast<int>(what.size()), what.data());
  std::fflush(stdout);
}

void OnAbort(int signal) {
  const char* what = signal == SIGVTALRM ? "the run hangs" : "the process aborted; see above";
  PrintFailure(told_seed, 0, SentenceOf(Invariant::kOwnCheck), what);
  _exit(1);
}

// Runs a seed and tells its end. Never returns.
[[noreturn]] void Tell(uint64_t seed, TraceMode mode) {
  Trace trace(mode);
  told_trace = &trace;
  told_seed = seed;
  for (int signal : {SIGABRT, SIGVTALRM, SIGSEGV}) std::signal(signal, OnAbort);
  LimitTime();
  const Result result = RunSeed(seed, trace);
  if (result.verdict.failed()) {
    const Verdict& verdict = result.verdict;
    PrintFailure(seed, static_cast<int>(verdict.invariant()), SentenceOf(verdict.invariant()),
                 verdict.what());
  } else {
    std::printf("%llu events, %.1f simulated seconds, hash %016llx\n",
                static_cast<unsigned long long>(result.events),
                static_cast<double>(result.simulated) / 1e6,
                static_cast<unsigned long long>(result.hash));
  }
  std::printf("next %016llx\n", static_cast<unsigned long long>(result.next));
  std::fflush(stdout);
  _exit(result.verdict.failed() ? 1 : 0);
}

void TellFailure(const RunnerOptions& options, const Worker& worker) {
  std::printf("\nseed %llu: %s\n", static_cast<unsigned long long>(worker.current),
              DescribeOptions(worker.current).c_str());
  if (worker.differs) {
    std::printf("FAILED seed %llu\nrun twice, it was not the same run\n",
                static_cast<unsigned long long>(worker.current));
  } else {
    std::fflush(stdout);
    const pid_t teller = fork();
    KV_CHECK_GE(teller, 0);
    if (teller == 0) Tell(worker.current, TraceMode::kRemember);
    waitpid(teller, nullptr, 0);
  }
  std::printf("repeat with: %s %llu --trace\n", options.repeat.c_str(),
              static_cast<unsigned long long>(worker.current));
}

}  // namespace

RunnerResult RunSeeds(const RunnerOptions& options) {
  void* memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  KV_CHECK(memory != MAP_FAILED);
  Shared& shared = *new (memory) Shared;
  shared.next = options.first;
  const Clock::time_point start = Clock::now();
  const int jobs = std::clamp(options.jobs, 1, kWorkersMax);
  std::vector<pid_t> pids;
  std::fflush(stdout);
  for (int i = 0; i < jobs; ++i) {
    const pid_t pid = fork();
    KV_CHECK_GE(pid, 0);
    if (pid == 0) {
      Work(options, start, shared, shared.workers[i]);
      _exit(shared.workers[i].failed ? 1 : 0);
    }
    pids.push_back(pid);
  }
  for (int i = 0; i < jobs; ++i) {
    int status = 0;
    const pid_t ended = wait(&status);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    shared.stop = true;
    for (int j = 0; j < jobs; ++j) {
      if (pids[static_cast<size_t>(j)] == ended) shared.workers[j].failed = true;
    }
  }
  RunnerResult result;
  result.seconds = SecondsSince(start);
  const Worker* failed = nullptr;
  for (int i = 0; i < jobs; ++i) {
    const Worker& worker = shared.workers[i];
    result.seeds += worker.seeds;
    result.twice += worker.twice;
    result.events += worker.events;
    result.simulated += worker.simulated;
    result.counters.Add(worker.counters);
    if (!worker.failed) continue;
    if (failed == nullptr || worker.current < failed->current) failed = &worker;
  }
  if (failed != nullptr) {
    result.failed = true;
    result.failed_seed = failed->current;
    TellFailure(options, *failed);
  }
  munmap(memory, sizeof(Shared));
  return result;
}

bool RunOne(uint64_t seed, bool trace) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
              DescribeOptions(seed).c_str());
  std::fflush(stdout);
  const pid_t pid = fork();
  KV_CHECK_GE(pid, 0);
  if (pid == 0) Tell(seed, trace ? TraceMode::kPrint : TraceMode::kRemember);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace keelson::raft::simulation
