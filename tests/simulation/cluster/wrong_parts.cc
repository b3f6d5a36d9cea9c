#include "tests/simulation/cluster/wrong_parts.h"

#include <algorithm>
#include <utility>

#include "storage/replaceable_store.h"

namespace keelson::simulation {
namespace {

// Acknowledges what is not written yet.
class HastyLogWriter final : public server::LogWriter {
 public:
  HastyLogWriter(std::unique_ptr<server::LogWriter> writer, server::Executor* executor)
      : writer_(std::move(writer)), executor_(executor) {}
  void Write(storage::LogAppend append, server::Task done) override {
    writer_->Write(std::move(append), [] {});
    executor_->Post(std::move(done));
  }
  void TruncatePrefix(LogIndex first_kept) override { writer_->TruncatePrefix(first_kept); }

 private:
  const std::unique_ptr<server::LogWriter> writer_;
  server::Executor* const executor_;
};

// Writes, but asks for no sync: a crash forgets what was acknowledged.
class ForgetfulLogWriter final : public server::LogWriter {
 public:
  explicit ForgetfulLogWriter(std::unique_ptr<server::LogWriter> writer)
      : writer_(std::move(writer)) {}
  void Write(storage::LogAppend append, server::Task done) override {
    append.must_sync = append.reset.has_value();
    writer_->Write(std::move(append), std::move(done));
  }
  void TruncatePrefix(LogIndex first_kept) override { writer_->TruncatePrefix(first_kept); }

 private:
  const std::unique_ptr<server::LogWriter> writer_;
};

// Cuts the log behind what is applied, durable or not.
class EagerlyCutStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  LogIndex durable_applied() const override { return applied(); }
};

// Something that is this member's own gets into the state: how much it did since its start.
class RandomlyPuttingStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::StatusOr<std::optional<SharedBytes>> Put(std::string_view key, std::string_view value,
                                                 const storage::PutOptions& options,
                                                 bool want_previous) override {
    if (++puts_ % 50 != 0) return ReplaceableStore::Put(key, value, options, want_previous);
    return ReplaceableStore::Put(key, std::string(value) + "!", options, want_previous);
  }

 private:
  int puts_ = 0;
};

// A watcher that catches up misses the last revision of a piece.
class ForgetfulEventsStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::StatusOr<Revision> Events(
      Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
      absl::FunctionRef<void(storage::StoredEvent)> visit) const override {
    auto next = ReplaceableStore::Events(first, last, bytes_max, revisions_max, visit);
    if (next.ok() && *next <= last) return *next + 1;
    return next;
  }
};

// A watcher that catches up gets the first revision of a piece again.
class RepeatingEventsStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::StatusOr<Revision> Events(
      Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
      absl::FunctionRef<void(storage::StoredEvent)> visit) const override {
    const Revision from = std::max(std::max(compacted(), Revision(1)), first - 1);
    return ReplaceableStore::Events(std::min(from, first), last, bytes_max, revisions_max, visit);
  }
};

// A deletion at the compacted revision is gone for who watches from there (etcd issue 18089).
class DroppedDeletionStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::StatusOr<Revision> Events(
      Revision first, Revision last, uint64_t bytes_max, int64_t revisions_max,
      absl::FunctionRef<void(storage::StoredEvent)> visit) const override {
    return ReplaceableStore::Events(
        first, last, bytes_max, revisions_max, [&](storage::StoredEvent event) {
          const bool lost =
              event.kind == storage::EventKind::kDelete && event.revision == compacted();
          if (!lost) visit(std::move(event));
        });
  }
};

// Linearizable or not, a read of the newest revision is of the one before.
class StaleStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::StatusOr<storage::RangeSummary> Range(
      const storage::RangeQuery& query,
      absl::FunctionRef<void(std::string_view kv)> visit) const override {
    storage::RangeQuery stale = query;
    if (query.revision <= Revision() && revision() - 1 > compacted() && !EntryChanged()) {
      stale.revision = revision() - 1;
    }
    return ReplaceableStore::Range(stale, visit);
  }
};

// Revoking a lease forgets the last of its keys.
class LeakyLeaseStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::Status RevokeLease(LeaseId id) override {
    const auto keys = LeaseKeys(id);
    if (keys.size() < 2) return ReplaceableStore::RevokeLease(id);
    storage::PutOptions keep;
    keep.ignore_value = true;  // detaches it
    auto kept = ReplaceableStore::Put(keys.back(), "", keep, false);
    return kept.ok() ? ReplaceableStore::RevokeLease(id) : kept.status();
  }
};

// A flush that has not happened is said to have: after a crash entries are missing.
class LyingFlushStore final : public storage::ReplaceableStore {
 public:
  using ReplaceableStore::ReplaceableStore;
  absl::Status Flush() override {
    said_ = applied();
    return absl::OkStatus();
  }
  LogIndex durable_applied() const override {
    return std::max(said_, ReplaceableStore::durable_applied());
  }

 private:
  LogIndex said_;
};

template <typename StoreType>
std::shared_ptr<storage::Store> Make(std::shared_ptr<storage::Store> store) {
  return std::make_shared<StoreType>(std::move(store));
}

struct StoreBug {
  WrongPart part;
  std::shared_ptr<storage::Store> (*make)(std::shared_ptr<storage::Store>);
};
constexpr StoreBug kStoreBugs[] = {
    {{"log-cut-before-flush", "log", "the log is cut behind what is applied and not durable"},
     &Make<EagerlyCutStore>},
    {{"flush-pretended", "key space", "a flush is acknowledged that did not happen"},
     &Make<LyingFlushStore>},
    {{"state-of-its-own", "key space", "a member's own history gets into the replicated state"},
     &Make<RandomlyPuttingStore>},
    {{"watch-event-lost", "watches", "who catches up misses a revision at the end of a piece"},
     &Make<ForgetfulEventsStore>},
    {{"watch-event-twice", "watches", "who catches up gets a revision twice"},
     &Make<RepeatingEventsStore>},
    {{"deletion-lost-at-compaction", "watches",
      "a deletion at the compacted revision is not shown"},
     &Make<DroppedDeletionStore>},
    {{"stale-read", "requests", "a read sees the revision before the newest"}, &Make<StaleStore>},
    {{"lease-leaks-key", "leases", "a revoked lease leaves one of its keys"},
     &Make<LeakyLeaseStore>},
};
constexpr WrongPart kHasty = {"ack-before-write", "log",
                              "a write is acknowledged before it is written"};
constexpr WrongPart kForgetful = {"no-sync", "log", "a write is acknowledged that is not synced"};

}  // namespace

const std::vector<WrongPart>& WrongParts() {
  static const auto* const parts = [] {
    auto* const all = new std::vector<WrongPart>{kHasty, kForgetful};
    for (const StoreBug& bug : kStoreBugs) all->push_back(bug.part);
    return all;
  }();
  return *parts;
}

bool IsWrongPart(const std::string& name) {
  return std::any_of(WrongParts().begin(), WrongParts().end(),
                     [&name](const WrongPart& part) { return part.name == name; });
}

std::shared_ptr<storage::Store> WrongStore(const std::string& bug,
                                           std::shared_ptr<storage::Store> store) {
  for (const StoreBug& wrong : kStoreBugs) {
    if (bug == wrong.part.name) return wrong.make(std::move(store));
  }
  return store;
}

std::unique_ptr<server::LogWriter> WrongLogWriter(const std::string& bug,
                                                  std::unique_ptr<server::LogWriter> writer,
                                                  server::Executor* executor) {
  if (bug == kHasty.name) return std::make_unique<HastyLogWriter>(std::move(writer), executor);
  if (bug == kForgetful.name) return std::make_unique<ForgetfulLogWriter>(std::move(writer));
  return writer;
}

}  // namespace keelson::simulation
