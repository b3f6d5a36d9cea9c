// Costs of the raft log and the Store on this machine's disk. TMPDIR chooses the disk.

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "benchmark/benchmark.h"
#include "storage/raft_log.h"
#include "storage/store.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

double CpuSeconds() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// ---------------------------------------------------------------------------------------- raft log

// One group of range(0) entries of 300 bytes, synced. Latencies are of the group.
void BM_AppendAndSync(benchmark::State& state) {
  const TemporaryDirectory directory;
  RaftLogOptions options;
  options.directory = directory.File("raft");
  auto log = *RaftLog::Create(options, {1, NodeId(1)});
  const SharedBytes data(std::string(300, 'x'));
  const auto count = static_cast<uint64_t>(state.range(0));
  uint64_t next = 1;
  std::vector<double> micros;
  const RealClock clock;
  const double cpu = CpuSeconds();
  for (auto _ : state) {
    LogAppend append{.state = std::nullopt, .records = {}, .must_sync = true};
    append.records.reserve(count);
    for (uint64_t i = 0; i < count; ++i) {
      append.records.push_back({Term(1), LogIndex(next++), 0, data});
    }
    const absl::Duration begin = clock.Now();
    if (!log->Append({append}).ok()) state.SkipWithError("append failed");
    micros.push_back(absl::ToDoubleMicroseconds(clock.Now() - begin));
    if (next % 65536 < count) (void)log->TruncatePrefix(LogIndex(next - 1));
  }
  std::sort(micros.begin(), micros.end());
  state.counters["p50_us"] = micros[micros.size() / 2];
  state.counters["p99_us"] = micros[micros.size() * 99 / 100];
  state.counters["p999_us"] = micros[micros.size() * 999 / 1000];
  state.counters["cpu_us"] = (CpuSeconds() - cpu) * 1e6 / static_cast<double>(micros.size());
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_AppendAndSync)->Arg(1)->Arg(16)->Arg(128)->UseRealTime()->MinTime(3);

// Opening a log of range(0) MiB of 300-byte entries.
void BM_OpenLog(benchmark::State& state) {
  const TemporaryDirectory directory;
  RaftLogOptions options;
  options.directory = directory.File("raft");
  options.unsafe_no_sync = true;
  auto log = *RaftLog::Create(options, {1, NodeId(1)});
  const SharedBytes data(std::string(300, 'x'));
  for (uint64_t next = 1; log->SizeOnDisk() < (static_cast<uint64_t>(state.range(0)) << 20);) {
    LogAppend append{.state = std::nullopt, .records = {}, .must_sync = true};
    for (int i = 0; i < 1000; ++i) append.records.push_back({Term(1), LogIndex(next++), 0, data});
    if (!log->Append({append}).ok()) state.SkipWithError("append failed");
  }
  for (auto _ : state) {
    log.reset();
    log = *RaftLog::Open(options);
  }
  state.counters["entries"] = static_cast<double>(log->LastIndex().value());
}
BENCHMARK(BM_OpenLog)->Arg(2048)->Unit(benchmark::kMillisecond)->Iterations(3);

// ------------------------------------------------------------------------------------------- store

// KEELSON_BENCHMARK_KEYS: how many keys the stores hold, a million unless told otherwise.
uint64_t Keys() {
  const char* text = std::getenv("KEELSON_BENCHMARK_KEYS");
  return text == nullptr ? 1000000 : std::strtoull(text, nullptr, 10);
}

double ResidentMegabytes() {
  std::ifstream status("/proc/self/statm");
  double total = 0, resident = 0;
  status >> total >> resident;
  return resident * 4096 / 1e6;
}

std::string KeyOf(uint64_t i) {
  std::string key = "/registry/pods/default/pod-000000000000";
  for (size_t at = key.size(); i > 0; i /= 10) key[--at] = static_cast<char>('0' + i % 10);
  return key;
}

// The i-th of `count` numbers in an order that looks random; every number once.
class Shuffled {
 public:
  explicit Shuffled(uint64_t count) : count_(std::max<uint64_t>(count, 1)) {
    while (std::gcd(step_, count_) != 1) ++step_;
  }
  uint64_t At(uint64_t i) const {  // REQUIRES: count below 2^30
    return i * step_ % count_;
  }

 private:
  const uint64_t count_;
  uint64_t step_ = 6180339887;
};

enum class Order { kAscending, kShuffled };

class LoadedStore {
 public:
  LoadedStore(uint64_t keys, Order order) : keys_(keys) {
    options_.directory = directory_.File("state");
    Open();
    const Shuffled shuffled(keys);
    for (uint64_t i = 0; i < keys; ++i) {
      Put(KeyOf(order == Order::kShuffled ? shuffled.At(i) : i));
      if (store_->applied().value() % 128 == 0) Commit();
    }
    Commit();
  }
  void Open() {
    store_.reset();
    store_ = *Store::Open(options_);
  }
  void Put(const std::string& key) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    benchmark::DoNotOptimize(store_->Put(key, value_, {}, false).ok());
    benchmark::DoNotOptimize(store_->EndEntry());
  }
  void Commit() {
    while (!store_->CommitBatch().ok()) {
    }
  }
  Store& operator*() { return *store_; }
  Store* operator->() { return store_.get(); }
  uint64_t keys() const { return keys_; }
  StoreOptions& options() { return options_; }

 private:
  const TemporaryDirectory directory_;
  const std::string value_ = std::string(256, 'v');
  StoreOptions options_;
  const uint64_t keys_;
  std::unique_ptr<Store> store_;
};

// The large store that most of the following share; keys written in a shuffled order.
LoadedStore& Large() {
  static LoadedStore store(Keys(), Order::kShuffled);
  return store;
}

// What a run has cost all threads, flushes and compactions of files included.
class Costs {
 public:
  explicit Costs(benchmark::State& state) : state_(state), cpu_(CpuSeconds()) {}
  void Report(double items) {
    state_.counters["cpu_us_per_entry"] = (CpuSeconds() - cpu_) * 1e6 / items;
    state_.counters["rss_mb"] = ResidentMegabytes();
    state_.SetItemsProcessed(static_cast<int64_t>(items));
  }

 private:
  benchmark::State& state_;
  const double cpu_;
};

// Batches of range(0) entries, one put of 256 bytes each, to 100,000 existing keys.
void BM_Apply(benchmark::State& state) {
  LoadedStore store(100000, Order::kAscending);
  SeededRandom random(2);
  Costs costs(state);
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) store.Put(KeyOf(random.Below(store.keys())));
    store.Commit();
  }
  costs.Report(static_cast<double>(state.iterations() * state.range(0)));
}
BENCHMARK(BM_Apply)->Arg(1)->Arg(16)->Arg(128)->UseRealTime()->MinTime(2);

// New keys until there are as many as asked for. An iteration is a million puts.
void BM_Load(benchmark::State& state) {
  const uint64_t keys = Keys();
  const Shuffled shuffled(keys);
  LoadedStore store(0, Order::kAscending);
  Costs costs(state);
  uint64_t i = 0;
  std::vector<double> commits;
  const RealClock clock;
  for (auto _ : state) {
    for (const uint64_t end = i + keys / 4; i < end; ++i) {
      store.Put(KeyOf(state.range(0) == 1 ? shuffled.At(i) : i));
      if (i % 128 != 0) continue;
      const absl::Duration begin = clock.Now();
      store.Commit();
      commits.push_back(absl::ToDoubleMilliseconds(clock.Now() - begin));
    }
  }
  std::sort(commits.begin(), commits.end());
  state.counters["commit_p99_ms"] = commits[commits.size() * 99 / 100];
  state.counters["commit_max_ms"] = commits.back();
  costs.Report(static_cast<double>(i));
}
BENCHMARK(BM_Load)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->Iterations(4);

// A quarter of a million puts to existing keys at random, in batches of 128.
void BM_Overwrite(benchmark::State& state) {
  LoadedStore& store = Large();
  SeededRandom random(2);
  Costs costs(state);
  constexpr int kPuts = 250000;
  for (auto _ : state) {
    for (int i = 0; i < kPuts; ++i) {
      store.Put(KeyOf(random.Below(store.keys())));
      if (i % 128 == 0) store.Commit();
    }
    store.Commit();
  }
  costs.Report(static_cast<double>(state.iterations() * kPuts));
}
BENCHMARK(BM_Overwrite)->Unit(benchmark::kMillisecond)->Iterations(4);

// Single keys; range(0): they were written last (held in memory) or not.
void BM_Get(benchmark::State& state) {
  LoadedStore& store = Large();
  const uint64_t hot = std::min<uint64_t>(50000, store.keys());
  if (state.range(0) == 1) {
    for (uint64_t i = 0; i < hot; ++i) store.Put(KeyOf(i));
    store.Commit();
  }
  SeededRandom random(3);
  uint64_t bytes = 0;
  for (auto _ : state) {
    const std::string key = KeyOf(random.Below(state.range(0) == 1 ? hot : store.keys()));
    RangeQuery query;
    query.range = {key, {}, false};
    benchmark::DoNotOptimize(
        store->Range(query, [&bytes](std::string_view kv) { bytes += kv.size(); }).ok());
  }
}
BENCHMARK(BM_Get)->Arg(0)->Arg(1);

// A key that does not exist.
void BM_GetAbsent(benchmark::State& state) {
  LoadedStore& store = Large();
  SeededRandom random(3);
  for (auto _ : state) {
    const std::string key = KeyOf(random.Below(store.keys())) + "x";
    benchmark::DoNotOptimize(store->Find(key, Revision()).ok());
  }
}
BENCHMARK(BM_GetAbsent);

// range(0) keys in key order from a random place; range(1): they were written in key order or not.
void BM_Range(benchmark::State& state) {
  static LoadedStore ordered(1000000, Order::kAscending);
  LoadedStore& store = state.range(1) == 0 ? ordered : Large();
  SeededRandom random(4);
  uint64_t bytes = 0;
  for (auto _ : state) {
    const uint64_t first = random.Below(store.keys() - static_cast<uint64_t>(state.range(0)));
    const std::string begin = KeyOf(first);
    const std::string end = KeyOf(first + static_cast<uint64_t>(state.range(0)));
    RangeQuery query;
    query.range = {begin, end, false};
    benchmark::DoNotOptimize(
        store->Range(query, [&bytes](std::string_view kv) { bytes += kv.size(); }).ok());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Range)->ArgsProduct({{500, 10000}, {0, 1}})->Unit(benchmark::kMicrosecond);

// 500 keys from a random place, with the exact count of all that follow; range(0): without values.
void BM_RangeWithLimitAndCount(benchmark::State& state) {
  LoadedStore& store = Large();
  SeededRandom random(4);
  RangeQuery query;
  query.limit = 500;
  query.keys_only = state.range(0) == 1;
  for (auto _ : state) {
    const uint64_t first = random.Below(store.keys());
    const std::string begin = KeyOf(first);
    query.range = {begin, "/registry0", false};
    const auto summary = store->Range(query, [](std::string_view) {});
    if (!summary.ok() || summary->count != static_cast<int64_t>(store.keys() - first)) {
      state.SkipWithError("wrong count");
    }
  }
  state.counters["rss_mb"] = ResidentMegabytes();
}
BENCHMARK(BM_RangeWithLimitAndCount)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

// Pages of 500 keys with the exact count of the rest, at a revision that range(0) changes have
// followed since, as a client reads a long list.
void BM_PageAtOldRevision(benchmark::State& state) {
  LoadedStore& store = Large();
  const Revision at = store->revision();
  const auto pin = store->PinRevision(at);
  SeededRandom random(4);
  for (int64_t i = 0; i < state.range(0); ++i) {
    store.Put("/registry/pods/default/new-" + std::to_string(random.Next()));
    if (i % 128 == 0) store.Commit();
  }
  store.Commit();
  uint64_t first = 0;
  for (auto _ : state) {
    RangeQuery query;
    const std::string begin = KeyOf(first);
    query.range = {begin, "/registry/pods/default/pod-a", false};
    query.limit = 500;
    query.revision = at;
    query.keys_only = true;
    const auto summary = store->Range(query, [](std::string_view) {});
    if (!summary.ok() || summary->count != static_cast<int64_t>(store.keys() - first)) {
      state.SkipWithError("wrong count");
    }
    first = first + 1000 < store.keys() ? first + 500 : 0;
  }
}
BENCHMARK(BM_PageAtOldRevision)->Arg(1000)->Arg(100000)->Unit(benchmark::kMicrosecond);

// Opening the store after an orderly end.
void BM_OpenStore(benchmark::State& state) {
  LoadedStore& store = Large();
  store.Open();
  for (auto _ : state) store.Open();
  state.counters["rss_mb"] = ResidentMegabytes();
  state.counters["index_kb"] = static_cast<double>(store->index_counters().bytes) / 1e3;
}
BENCHMARK(BM_OpenStore)->Unit(benchmark::kMillisecond)->Iterations(3);

// Opening it after a crash with as many changes to go through again as there can be: the next that
// had begun to be written back would have ended with the last change.
void BM_OpenStoreAfterCrash(benchmark::State& state) {
  LoadedStore& store = Large();
  store.options().flush_on_close = false;
  store.Open();
  SeededRandom random(5);
  const uint64_t rounds = store->index_counters().rounds;
  while (store->index_counters().rounds < rounds + 2) {
    for (int i = 0; i < 128; ++i) store.Put(KeyOf(random.Below(store.keys())));
    store.Commit();
  }
  if (!store->Flush().ok()) state.SkipWithError("flush failed");
  uint64_t replayed = 0;
  for (auto _ : state) {
    store.Open();
    replayed = store->index_counters().replayed;
  }
  store.options().flush_on_close = true;
  state.counters["replayed"] = static_cast<double>(replayed);
  state.counters["rss_mb"] = ResidentMegabytes();
}
BENCHMARK(BM_OpenStoreAfterCrash)->Unit(benchmark::kMillisecond)->Iterations(3);

// Compaction of a million superseded revisions of 100,000 keys, in steps of 1,000.
void BM_Compact(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    LoadedStore store(100000, Order::kAscending);
    SeededRandom random(5);
    for (int i = 0; i < 1000000; ++i) {
      store.Put(KeyOf(random.Below(store.keys())));
      if (i % 128 == 0) store.Commit();
    }
    store->BeginEntry(store->applied() + 1, Term(1));
    (void)store->Compact(store->revision());
    store->EndEntry();
    store.Commit();
    state.ResumeTiming();
    while (true) {
      const auto done = store->CompactStep(1000);
      if (done.ok() && *done) break;
    }
  }
}
BENCHMARK(BM_Compact)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace
}  // namespace keelson::storage
