// Costs of the raft log and the Store on this machine's disk. TMPDIR chooses the disk.

#include <sys/resource.h>
#include <sys/time.h>

#include <algorithm>
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

std::string KeyOf(uint64_t i) {
  std::string key = "/registry/pods/default/pod-000000000000";
  for (size_t at = key.size(); i > 0; i /= 10) key[--at] = static_cast<char>('0' + i % 10);
  return key;
}

class LoadedStore {
 public:
  LoadedStore(uint64_t keys, bool shuffled) : keys_(keys) {
    options_.directory = directory_.File("state");
    Open();
    std::vector<uint64_t> order(keys);
    for (uint64_t i = 0; i < keys; ++i) order[i] = i;
    SeededRandom random(1);
    for (uint64_t i = keys; shuffled && i > 1; --i) std::swap(order[i - 1], order[random.Below(i)]);
    for (const uint64_t i : order) {
      Put(KeyOf(i));
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

 private:
  const TemporaryDirectory directory_;
  const std::string value_ = std::string(256, 'v');
  StoreOptions options_;
  const uint64_t keys_;
  std::unique_ptr<Store> store_;
};

// Batches of range(0) entries, one put of 256 bytes each, to existing keys; flush and compaction of
// files included.
void BM_Apply(benchmark::State& state) {
  LoadedStore store(100000, false);
  SeededRandom random(2);
  const double cpu = CpuSeconds();
  for (auto _ : state) {
    for (int64_t i = 0; i < state.range(0); ++i) store.Put(KeyOf(random.Below(store.keys())));
    store.Commit();
  }
  const auto items = static_cast<double>(state.iterations() * state.range(0));
  state.counters["cpu_us_per_entry"] = (CpuSeconds() - cpu) * 1e6 / items;
  state.SetItemsProcessed(static_cast<int64_t>(items));
}
BENCHMARK(BM_Apply)->Arg(1)->Arg(16)->Arg(128)->UseRealTime()->MinTime(2);

// Single keys out of a million; range(0): they were written last (held in memory) or not.
void BM_Get(benchmark::State& state) {
  static LoadedStore* const store = new LoadedStore(1000000, true);
  const uint64_t hot = 50000;
  if (state.range(0) == 1) {
    for (uint64_t i = 0; i < hot; ++i) store->Put(KeyOf(i));
    store->Commit();
  }
  SeededRandom random(3);
  uint64_t bytes = 0;
  for (auto _ : state) {
    const std::string key = KeyOf(random.Below(state.range(0) == 1 ? hot : store->keys()));
    RangeQuery query;
    query.range = {key, {}, false};
    benchmark::DoNotOptimize(
        (*store)->Range(query, [&bytes](std::string_view kv) { bytes += kv.size(); }).ok());
  }
}
BENCHMARK(BM_Get)->Arg(0)->Arg(1);

// range(0) keys in key order from a random place; range(1): they were written in key order or not.
void BM_Range(benchmark::State& state) {
  static LoadedStore* const ordered = new LoadedStore(1000000, false);
  static LoadedStore* const shuffled = new LoadedStore(1000000, true);
  LoadedStore& store = state.range(1) == 0 ? *ordered : *shuffled;
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

// The first 500 keys of a million, with the exact count of all.
void BM_RangeWithLimitAndCount(benchmark::State& state) {
  static LoadedStore* const store = new LoadedStore(1000000, false);
  const std::string begin = state.range(0) == 1 ? std::string(1, '\0') : "/registry/";
  RangeQuery query;
  query.range = {begin, state.range(0) == 1 ? "" : "/registry0", state.range(0) == 1};
  query.limit = 500;
  for (auto _ : state) {
    int64_t keys = 0;
    const auto summary = (*store)->Range(query, [&keys](std::string_view) { ++keys; });
    if (!summary.ok() || summary->count != 1000000) state.SkipWithError("wrong count");
  }
}
BENCHMARK(BM_RangeWithLimitAndCount)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

// Opening a store of a million keys of 256 bytes after an orderly end.
void BM_OpenStore(benchmark::State& state) {
  LoadedStore store(1000000, true);
  if (!store->Flush().ok()) state.SkipWithError("flush failed");
  for (auto _ : state) store.Open();
}
BENCHMARK(BM_OpenStore)->Unit(benchmark::kMillisecond)->Iterations(3);

// Compaction of a million superseded revisions of 100,000 keys, in steps of 1,000.
void BM_Compact(benchmark::State& state) {
  for (auto _ : state) {
    state.PauseTiming();
    LoadedStore store(100000, false);
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
