// A member's storage killed with SIGKILL at random moments: while it appends, syncs, applies,
// flushes, compacts, truncates its log, installs a snapshot, or recovers from the previous kill.
// After each kill the log must hold every entry it acknowledged, and log and state together must
// give exactly the state that the entries describe.
//
// The killed process is this program with --write; it reports acknowledged entries through a pipe.
//
//   KEELSON_CRASHES=1000 KEELSON_SEED=7 storage_crash_test

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/checkpoint.h"
#include "storage/raft_log.h"
#include "storage/snapshot_stream.h"
#include "storage/store.h"
#include "storage/store_directory.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

constexpr LogIdentity kIdentity{1, NodeId(2)};
constexpr uint64_t kKeys = 40;
constexpr uint64_t kSmall = 64 << 10;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What entry `index` says follows from its index alone, so that any state can be checked.
struct Entry {
  explicit Entry(uint64_t index) : random(index) {
    kind = random.Below(20);
    key = "key-" + std::to_string(random.Below(kKeys));
    value = std::string(random.Below(10) == 0 ? random.Below(20000) : random.Below(200), 'v') +
            std::to_string(index);
  }
  bool deletes() const { return kind < 4; }
  bool compacts() const { return kind == 4; }
  SeededRandom random;
  uint64_t kind;
  std::string key, value;
};

absl::Status Apply(Store& store, const LogRecord& record) {
  const Entry entry(record.index.value());
  EXPECT_EQ(record.data.view(), entry.value);
  store.BeginEntry(record.index, record.term);
  absl::Status status;
  if (entry.deletes()) {
    status = store.DeleteRange({entry.key, {}, false}, false).status();
  } else if (entry.compacts()) {
    (void)store.Compact(Revision(store.revision().value() / 2));  // may be refused; same everywhere
  } else {
    status = store.Put(entry.key, entry.value, {}, false).status();
  }
  store.EndEntry();
  return status;
}

struct Member {
  absl::Status Open(const std::string& directory) {
    RaftLogOptions log_options;
    log_options.directory = directory + "/raft";
    log_options.segment_bytes = kSmall;
    log_options.cache_bytes_max = kSmall;
    auto opened_log = RaftLog::Exists(log_options.directory)
                          ? RaftLog::Open(log_options)
                          : RaftLog::Create(log_options, kIdentity);
    if (!opened_log.ok()) return opened_log.status();
    log = *std::move(opened_log);
    auto opened_states = StoreDirectory::Open(directory + "/states");
    if (!opened_states.ok()) return opened_states.status();
    states.emplace(*std::move(opened_states));
    if (absl::Status status = OpenStore(); !status.ok()) return status;
    if (absl::Status status = states->RemoveLeftovers(); !status.ok()) return status;
    return Replay();
  }
  absl::Status OpenStore() {
    StoreOptions store_options;
    store_options.directory = states->current();
    store_options.memory_budget_bytes = 6 * kSmall;
    store_options.flush_bytes = kSmall;
    store.reset();
    auto opened_store = Store::Open(store_options);
    if (opened_store.ok()) store = *std::move(opened_store);
    return opened_store.status();
  }
  // Puts a snapshot of the state in the place of it, as if it had come from a peer, and resets the
  // log behind it. Everything in the log is applied.
  absl::Status InstallSnapshot() {
    if (absl::Status status = Replay(); !status.ok()) return status;
    const auto checkpoint = Checkpoint::Make(*store, states->NewCheckpoint());
    if (!checkpoint.ok()) return checkpoint.status();
    const std::string former = states->current();
    const std::string incoming = states->NewIncoming();
    SnapshotReceiver receiver(incoming, &PosixFileSystem());
    const auto source = (*checkpoint)->NewSource();
    while (!receiver.complete()) {
      const auto piece = source->Read(receiver.offset(), kSmall);
      if (!piece.ok()) return piece.status();
      if (absl::Status status = receiver.Append(*piece); !status.ok()) return status;
    }
    if (absl::Status status = receiver.Finish(); !status.ok()) return status;
    const LogPosition position{store->applied_term(), store->applied()};
    if (absl::Status status = states->Install(incoming, position); !status.ok()) return status;
    if (absl::Status status = OpenStore(); !status.ok()) return status;
    if (absl::Status status = states->Remove(former); !status.ok()) return status;
    return log->Reset(position, {position.term, NodeId(2), position.index});
  }
  absl::Status Replay() {
    if (log->FirstIndex() > store->applied() + 1) return absl::DataLossError("hole behind the log");
    if (store->applied() > log->LastIndex()) return absl::DataLossError("applied past the log");
    while (store->applied() < log->LastIndex()) {
      auto records = log->Read(store->applied() + 1, log->LastIndex() + 1, kSmall);
      if (!records.ok()) return records.status();
      for (const LogRecord& record : *records) {
        if (absl::Status status = Apply(*store, record); !status.ok()) return status;
      }
      if (absl::Status status = Commit(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }
  absl::Status Commit() {
    while (true) {
      absl::Status status = store->CommitBatch();
      if (!absl::IsUnavailable(status)) return status;
    }
  }
  std::unique_ptr<RaftLog> log;
  std::optional<StoreDirectory> states;
  std::unique_ptr<Store> store;
};

// ------------------------------------------------------------------------------------- the killed

// Never returns.
void WriteUntilKilled(const std::string& directory, uint64_t seed, int acknowledge) {
  SeededRandom random(seed);
  Member member;
  if (const absl::Status status = member.Open(directory); !status.ok()) {
    std::fprintf(stderr, "%s\n", status.ToString().c_str());
    std::_Exit(1);
  }
  while (true) {
    LogAppend append{.state = std::nullopt, .records = {}, .must_sync = random.Below(4) != 0};
    const uint64_t first = member.log->LastIndex().value() + 1;
    const uint64_t count = 1 + random.Below(20);
    for (uint64_t i = first; i < first + count; ++i) {
      append.records.push_back({Term(1), LogIndex(i), 0, SharedBytes(Entry(i).value)});
    }
    append.state = LogState{Term(1), NodeId(2), LogIndex(first - 1)};
    absl::Status status = member.log->Append({append});
    const uint64_t last = first + count - 1;
    if (status.ok() && append.must_sync && ::write(acknowledge, &last, sizeof last) < 0) {
      std::_Exit(1);
    }
    if (status.ok() && random.Below(3) == 0) status = member.Replay();
    if (status.ok() && random.Below(30) == 0) status = member.store->Flush();
    if (status.ok() && random.Below(40) == 0) status = member.InstallSnapshot();
    if (status.ok() && random.Below(10) == 0) {
      status = member.store->CompactStep(20).status();
      if (absl::IsUnavailable(status)) status = absl::OkStatus();
    }
    if (status.ok() && random.Below(10) == 0) {
      status = member.log->TruncatePrefix(member.store->durable_applied() + 1);
    }
    if (!status.ok()) {
      std::fprintf(stderr, "%s\n", status.ToString().c_str());
      std::_Exit(1);
    }
  }
}

// ------------------------------------------------------------------------------------- the killer

class StorageCrashTest : public testing::Test {
 protected:
  // Lets a writer run for a random time and kills it; collects what it acknowledged.
  void RunAndKill(uint64_t seed) {
    int pipe[2];
    ASSERT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    const std::string fd = std::to_string(pipe[1]), text = std::to_string(seed);
    const pid_t child = ::fork();
    if (child == 0) {
      ::fcntl(pipe[1], F_SETFD, 0);
      ::execl("/proc/self/exe", "storage_crash_test", "--write", directory_.path().c_str(),
              text.c_str(), fd.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(pipe[1]);
    // Some are killed while they recover, most while they write.
    pollfd ready{pipe[0], POLLIN, 0};
    if (random_.Below(4) != 0) ::poll(&ready, 1, 10000);
    ::usleep(static_cast<useconds_t>(random_.Below(40000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself";
    uint64_t last;
    while (::read(pipe[0], &last, sizeof last) == sizeof last) acknowledged_ = last;
    ::close(pipe[0]);
  }

  void Verify() {
    Member member;
    const absl::Status status = member.Open(directory_.path());
    ASSERT_TRUE(status.ok()) << status;
    const uint64_t last = member.log->LastIndex().value();
    EXPECT_GE(last, acknowledged_);
    EXPECT_EQ(member.store->applied(), LogIndex(last));
    std::map<std::string, std::string> expected;
    int64_t revision = 1, compacted = 0;
    for (uint64_t i = 1; i <= last; ++i) {
      const Entry entry(i);
      if (entry.deletes()) {
        revision += static_cast<int64_t>(expected.erase(entry.key));
      } else if (entry.compacts()) {
        compacted = std::max(compacted, revision / 2);
      } else {
        expected[entry.key] = entry.value;
        ++revision;
      }
    }
    EXPECT_EQ(member.store->revision(), Revision(revision));
    EXPECT_EQ(member.store->compacted(), Revision(compacted));
    std::map<std::string, std::string> found;
    RangeQuery query;
    query.range = {{}, {}, true};
    const auto summary = member.store->Range(query, [&found](std::string_view bytes) {
      KeyValue kv;
      EXPECT_TRUE(ParseKeyValue(bytes, kv));
      found.emplace(kv.key, kv.value);
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(found, expected);
    entries_ = last;
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  SeededRandom random_{seed_};
  const TemporaryDirectory directory_;
  uint64_t acknowledged_ = 0;
  uint64_t entries_ = 0;
};

TEST_F(StorageCrashTest, NothingAcknowledgedIsLostAndStateAgreesWithTheLog) {
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
  const uint64_t crashes = FromEnvironment("KEELSON_CRASHES", 60);
  for (uint64_t i = 0; i < crashes && !HasFailure(); ++i) {
    RunAndKill(random_.Next());
    if (random_.Below(3) != 0) Verify();
  }
  Verify();
  std::printf("%" PRIu64 " entries, %" PRIu64 " kills\n", entries_, crashes);
}

}  // namespace
}  // namespace keelson::storage

int main(int argc, char** argv) {
  if (argc == 5 && std::string(argv[1]) == "--write") {
    keelson::storage::WriteUntilKilled(argv[2], std::strtoull(argv[3], nullptr, 10),
                                       std::atoi(argv[4]));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
