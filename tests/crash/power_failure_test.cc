// A member's storage, raft log and store together, on a disk that loses power: it appends, syncs,
// applies, flushes, compacts and drops the front of its log as a member does; at a random call of
// the file system the power fails, or a call fails and the process ends. Then both are opened again
// and compared with what they must hold:
//
//   1. The log holds every entry it acknowledged, and appends under way whole or not at all.
//   2. The store is the model's state at exactly its applied index, and that is not behind what it
//      said would survive.
//   3. The log goes on from there: nothing between the two is missing.
//   4. Replayed to the end of the log, the store is the model's newest state.
//
//   KEELSON_CRASHES=100000 KEELSON_SEED=7 power_failure_test

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/crashing_file_system.h"
#include "storage/crashing_rocks.h"
#include "storage/raft_log.h"
#include "storage/store.h"
#include "tests/crash/log_model.h"
#include "tests/crash/world.h"

namespace keelson::storage {
namespace {

constexpr LogIdentity kIdentity{1, NodeId(2)};
constexpr uint64_t kCrashesOfADisk = 20;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

struct Counts {
  uint64_t disks = 0, power_failures = 0, failed_calls = 0, ends = 0, entries = 0, replayed = 0;
  uint64_t tails_lost = 0, in_recovery = 0, poisoned = 0, calls = 0;
};

// One disk and what happens to it.
class Life {
 public:
  Life(uint64_t seed, Counts& counts)
      : random_(seed), counts_(counts), files_(random_.Next()), rocks_(files_) {
    log_options_.directory = "raft";
    log_options_.segment_bytes = 8 << 10;
    log_options_.cache_bytes_max = 4 << 10;
    log_options_.background_thread = false;
    log_options_.file_system = &files_;
    log_options_.random = &random_;
    store_options_.directory = "state";
    store_options_.memory_budget_bytes = 32 << 20;
    store_options_.environment = &rocks_;
    leaves_to_chance_ = OneIn(6);
    if (leaves_to_chance_) store_options_.flush_bytes = 64 << 10;
    store_options_.reclaim_by_itself = leaves_to_chance_;
  }
  ~Life() { Close(); }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // Until `crashes` have happened. Returns the next random number: the same for the same seed.
  uint64_t Run(uint64_t crashes) {
    for (uint64_t i = 0; i < crashes && !testing::Test::HasFailure(); ++i) {
      ArmFault();
      if (Open() && Replay()) Work();
      if (testing::Test::HasFailure()) break;
      End();
    }
    if (!testing::Test::HasFailure()) {
      files_.Restart(CrashingFileSystem::Survivors::kDrawn);
      EXPECT_TRUE(Open() && Replay());
    }
    counts_.calls += files_.changes();
    return random_.Next();
  }
  // Some things are not quite the same in every run: when a memtable counts as full, when RocksDB
  // tries again after space ran out, how far a compaction comes that a flush at the end begins.
  // They happen on some disks only.
  bool leaves_to_chance() const { return leaves_to_chance_; }

 private:
  bool OneIn(uint64_t n) { return random_.Below(n) == 0; }

  // ------------------------------------------------------------------------------------- faults

  void ArmFault() {
    // Opening takes some 30 calls; a quarter of the faults happens there or in the replay.
    const uint64_t calls = OneIn(4) ? random_.Below(40) : random_.Below(250);
    if (!OneIn(4)) return files_.HaltAfter(calls);
    CrashingFileSystem::Failure failure;
    failure.kind = OneIn(3) ? CrashingFileSystem::Failure::Kind::kNoSpace
                            : CrashingFileSystem::Failure::Kind::kInputOutput;
    failure.lasting = OneIn(3);
    if (!OneIn(3)) failure.under = OneIn(2) ? "raft" : "state";
    const bool no_space = failure.kind == CrashingFileSystem::Failure::Kind::kNoSpace;
    if (no_space && !leaves_to_chance_) failure.under = "raft";
    files_.FailAfter(calls, failure);
    if (OneIn(3)) files_.HaltAfter(calls + 1 + random_.Below(20));
  }

  // False, when a call failed because of a fault; a failure of the test, when it did so without.
  bool Went(const absl::Status& status, const char* what) {
    if (status.ok()) return true;
    EXPECT_TRUE(files_.halted() || files_.failures() > 0) << what << ": " << status;
    return false;
  }

  // The process ends, because of the fault or in the midst of its life, and perhaps the machine.
  void End() {
    const bool halted = files_.halted();
    if (halted) {
      ++counts_.power_failures;
    } else if (files_.failures() > 0) {
      ++counts_.failed_calls;
      if (log_ != nullptr && OneIn(2)) CheckPoisonLasts();
    } else {
      ++counts_.ends;
    }
    if (log_ == nullptr || store_ == nullptr) ++counts_.in_recovery;
    // An orderly end, too, may be cut short; a killed process writes nothing any more.
    if (!halted) {
      if (OneIn(2)) {
        files_.Halt();
      } else if (store_ != nullptr && OneIn(2)) {
        (void)FlushOnce();
      }
    }
    Close();
    if (halted || OneIn(2)) {
      files_.Restart(OneIn(6) ? CrashingFileSystem::Survivors::kNothing
                              : CrashingFileSystem::Survivors::kDrawn);
    } else {
      files_.Revive();
    }
  }

  // A log that failed once, but for want of room, must not acknowledge anything any more.
  void CheckPoisonLasts() {
    if (!log_failed_) return;
    ++counts_.poisoned;
    std::vector<LogAppend> group = {{.state = model_log_.newest().state, .must_sync = true}};
    model_log_.Begin(group);
    EXPECT_FALSE(log_->Append(group).ok()) << "appended after a failed write or sync";
    EXPECT_FALSE(log_->TruncatePrefix(log_->LastIndex() + 1).ok());
  }

  void Close() {
    // The order of a member: the store goes first.
    if (store_ != nullptr) {
      rocks_.Run();
      const CrashingRocks::Running running(rocks_, leaves_to_chance_
                                                       ? CrashingRocks::Work::kRetries
                                                       : CrashingRocks::Work::kFlushes);
      store_.reset();
    }
    log_.reset();
  }

  // ------------------------------------------------------------------------------------ opening

  bool Open() {
    log_failed_ = false;
    auto log = RaftLog::Exists(log_options_.directory, &files_)
                   ? RaftLog::Open(log_options_)
                   : RaftLog::Create(log_options_, kIdentity);
    if (!Went(log.status(), "cannot open the log")) return false;
    log_ = *std::move(log);
    if (files_.halted()) return false;  // in something that may fail
    const LogIndex newest = model_log_.newest().last();
    EXPECT_EQ(model_log_.Reopened(*log_), "");
    if (model_log_.durable().last() < newest) ++counts_.tails_lost;
    EXPECT_TRUE(log_->identity() == kIdentity);
    if (testing::Test::HasFailure()) return false;

    store_options_.flush_on_close = leaves_to_chance_ && OneIn(2);
    absl::StatusOr<std::unique_ptr<Store>> store;
    {
      const CrashingRocks::Running running(rocks_, CrashingRocks::Work::kFlushes);
      store = Store::Open(store_options_);
    }
    // Close() ends it, so that a flush at its end can run.
    if (store.ok()) store_ = *std::move(store);
    if (files_.halted()) return false;
    if (!Went(store.status(), "cannot open the store")) return false;
    rocks_.Run();
    CheckStoreAfterCrash();
    return !files_.halted() && !testing::Test::HasFailure();
  }

  void CheckStoreAfterCrash() {
    const LogIndex applied = store_->applied();
    ASSERT_GE(applied, durable_applied_) << "the store forgot what it said would survive";
    ASSERT_LE(applied, model_log_.durable().last()) << "the store is ahead of the log";
    ASSERT_LE(log_->FirstIndex(), applied + 1) << "entries between store and log are missing";
    // Back to the state known to be on disk, and forward from there.
    world_ = durable_world_;
    while (world_.applied < applied) {
      const LogModel::Entry& entry = model_log_.durable().At(world_.applied + 1);
      ASSERT_TRUE(ApplyEntry(entry.data, entry.term, world_, nullptr).ok());
    }
    durable_world_ = world_;
    durable_applied_ = applied;
    const Comparison comparison = Compare(*store_, world_, random_);
    EXPECT_EQ(comparison.wrong, "");
    (void)Went(comparison.refused, "cannot read the store");
  }

  bool Replay() {
    const LogIndex from = store_->applied();
    while (store_->applied() < log_->LastIndex()) {
      auto records = log_->Read(store_->applied() + 1, log_->LastIndex() + 1, 1 << 12);
      if (!Went(records.status(), "cannot read the log")) return false;
      for (const LogRecord& record : *records) {
        if (!ApplyOne(record)) return false;
      }
      if (!Commit()) return false;
    }
    counts_.replayed += store_->applied() - from;
    const Comparison comparison = Compare(*store_, world_, random_);
    EXPECT_EQ(comparison.wrong, "");
    return Went(comparison.refused, "cannot read the store");
  }

  // ------------------------------------------------------------------------------------ working

  void Work() {
    for (uint64_t i = 0; i < 120 && !files_.halted() && !testing::Test::HasFailure(); ++i) {
      if (!Step()) return;
    }
  }

  bool Step() {
    const uint64_t dice = random_.Below(100);
    if (dice < 50) return AppendGroup();
    if (dice < 75) return Apply();
    if (dice < 82) return Flush();
    if (dice < 88) return CompactStep();
    if (dice < 96) return Truncate();
    rocks_.Run();
    NoteDurable();
    return true;
  }

  bool AppendGroup() {
    std::vector<LogAppend> group;
    const LogModel::Image& newest = model_log_.newest();
    LogIndex last = newest.last();
    LogState state = newest.state;
    bool must_sync = false;
    for (uint64_t n = 1 + random_.Below(2); n > 0; --n) {
      LogAppend append;
      append.must_sync = !OneIn(4);
      // Entries that are not committed may be replaced by a later leader's.
      const LogIndex committed = std::max(state.commit, world_.applied);
      if (OneIn(15) && last > committed) {
        last = committed + random_.Below(last - committed);
        ++state.term;
        append.state = state;
      }
      for (uint64_t i = random_.Below(5); i > 0; --i) {
        append.records.push_back({state.term, ++last, static_cast<uint8_t>(random_.Below(2)),
                                  SharedBytes(DrawEntry(random_))});
      }
      // A cut comes with the entries that replace the tail.
      if (append.records.empty()) last = group.empty() ? newest.last() : LastOf(group, newest);
      if (OneIn(3)) {
        state.commit = std::max(state.commit, model_log_.durable_last());
        state.commit = std::min(state.commit, last);
        state.vote = NodeId(1 + random_.Below(3));
        append.state = state;
      }
      must_sync = must_sync || append.must_sync;
      group.push_back(std::move(append));
    }
    model_log_.Begin(group);
    absl::Status status = log_->Append(group);
    const bool full = absl::IsResourceExhausted(status);
    // What a full disk refused may be repeated.
    if (full && OneIn(2)) status = log_->Append(group);
    log_failed_ = !status.ok() && !absl::IsResourceExhausted(status);
    if (!Went(status, "cannot append")) return false;
    if (must_sync) model_log_.Synced();
    return !full;
  }

  static LogIndex LastOf(const std::vector<LogAppend>& group, const LogModel::Image& newest) {
    for (auto append = group.rbegin(); append != group.rend(); ++append) {
      if (!append->records.empty()) return append->records.back().index;
    }
    return newest.last();
  }

  // What is durable here is committed, as in a cluster of one.
  bool Apply() {
    const LogIndex last = model_log_.durable_last();
    if (world_.applied >= last) return true;
    const auto records = log_->Read(world_.applied + 1, last + 1, random_.Below(3000));
    if (!Went(records.status(), "cannot read the log")) return false;
    for (const LogRecord& record : *records) {
      if (!ApplyOne(record)) return false;
    }
    return Commit();
  }

  bool ApplyOne(const LogRecord& record) {
    EXPECT_EQ(record.index, world_.applied + 1);
    ++counts_.entries;
    return Went(ApplyEntry(record.data.view(), record.term, world_, store_.get()), "cannot apply");
  }

  bool Commit() {
    absl::Status status = store_->CommitBatch();
    while (absl::IsUnavailable(status) && !files_.halted() && files_.failures() == 0) {
      rocks_.Run();
      status = store_->CommitBatch();
    }
    if (!Went(status, "cannot commit")) return false;
    NoteDurable();
    return true;
  }

  bool Flush() {
    // Whoever asks again after a failure must not be told that all is well when it is not. (Whether
    // the first one hears of what fails in the compaction after it is chance.)
    const bool again = OneIn(2);
    absl::Status status = FlushOnce();
    if (again && files_.failures() > 0) status = FlushOnce();
    NoteDurable();
    return Went(status, "cannot flush") && files_.failures() == 0;
  }

  absl::Status FlushOnce() {
    const CrashingRocks::Running running(rocks_);
    const absl::Status status = store_->Flush();
    if (status.ok()) SetDurable(world_.applied);
    return status;
  }

  bool CompactStep() {
    const auto done = store_->CompactStep(static_cast<int64_t>(1 + random_.Below(60)));
    if (absl::IsUnavailable(done.status())) return true;
    return Went(done.status(), "cannot compact");
  }

  bool Truncate() {
    NoteDurable();
    const absl::Status status = log_->TruncatePrefix(durable_applied_ + 1);
    log_failed_ = !status.ok();
    // It may have synced, but need not have.
    return Went(status, "cannot truncate");
  }

  // The store says how much would survive a crash now.
  void NoteDurable() { SetDurable(store_->durable_applied()); }
  void SetDurable(LogIndex index) {
    EXPECT_LE(index, world_.applied);
    durable_applied_ = std::max(durable_applied_, index);
  }

  SeededRandom random_;
  Counts& counts_;
  CrashingFileSystem files_;
  CrashingRocks rocks_;
  RaftLogOptions log_options_;
  StoreOptions store_options_;
  bool leaves_to_chance_ = false;

  LogModel model_log_;
  World world_;               // as applied
  World durable_world_;       // at some index that is on disk
  LogIndex durable_applied_;  // promised by the store
  bool log_failed_ = false;
  std::unique_ptr<RaftLog> log_;
  std::unique_ptr<Store> store_;
};

TEST(PowerFailureTest, NothingAcknowledgedIsLostAndStoreAndLogAgree) {
  const uint64_t seed = FromEnvironment("KEELSON_SEED", SystemSeed());
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed);
  std::fflush(stdout);  // should the test not come to its end
  const uint64_t crashes = FromEnvironment("KEELSON_CRASHES", 10000);
  Counts counts;
  SeededRandom seeds(seed);
  for (uint64_t done = 0; done < crashes && !HasFailure(); done += kCrashesOfADisk) {
    // The first disk has the seed itself, so that the one that failed can be had alone.
    const uint64_t own = done == 0 ? seed : seeds.Next();
    SCOPED_TRACE("KEELSON_CRASHES=1 KEELSON_SEED=" + std::to_string(own));
    Life(own, counts).Run(kCrashesOfADisk);
    ++counts.disks;
  }
  std::printf(
      "%" PRIu64 " disks, %" PRIu64 " calls that change something, %" PRIu64
      " power failures, %" PRIu64 " failed calls, %" PRIu64 " orderly ends; %" PRIu64
      " of them while opening\n%" PRIu64 " entries applied, %" PRIu64
      " of them in replays; %" PRIu64 " unsynced tails lost; %" PRIu64 " failed logs asked again\n",
      counts.disks, counts.calls, counts.power_failures, counts.failed_calls, counts.ends,
      counts.in_recovery, counts.entries, counts.replayed, counts.tails_lost, counts.poisoned);
  if (crashes < 1000 || HasFailure()) return;
  // A test in which these do not happen proves nothing.
  EXPECT_GE(counts.power_failures, crashes / 2);
  EXPECT_GT(counts.in_recovery, crashes / 50);
  EXPECT_GT(counts.tails_lost, crashes / 50);
  EXPECT_GT(counts.replayed, crashes);
  EXPECT_GT(counts.poisoned, crashes / 200);
}

TEST(PowerFailureTest, TheSameSeedIsTheSameRun) {
  SeededRandom seeds(FromEnvironment("KEELSON_SEED", SystemSeed()));
  for (int compared = 0; compared < 5 && !HasFailure();) {
    const uint64_t seed = seeds.Next();
    Counts counts[2];
    uint64_t next[2];
    bool chance = false;
    for (int i = 0; i < 2; ++i) {
      Life life(seed, counts[i]);
      chance = life.leaves_to_chance();
      next[i] = life.Run(kCrashesOfADisk);
    }
    if (chance) continue;
    ++compared;
    EXPECT_EQ(next[0], next[1]) << "seed " << seed;
    EXPECT_EQ(counts[0].calls, counts[1].calls) << "seed " << seed;
  }
}

}  // namespace
}  // namespace keelson::storage
