// Random operations on a Store and on a model of it; every answer must be the same. In between the
// store is compacted in steps, flushed, reopened, and crashed: then it is at an earlier applied
// index, and the entries after it are applied again, as a member does from its raft log.
//
//   KEELSON_MODEL_OPERATIONS=1000000 KEELSON_SEED=7 store_property_test

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>

#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/store.h"
#include "storage/store_model.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class StoreAgainstModel {
 public:
  StoreAgainstModel(uint64_t seed, StoreOptions options)
      : random_(seed), options_(std::move(options)) {
    options_.directory = directory_.File("state");
    options_.flush_on_close = false;
    Open();
  }

  // What the key indexes of all the openings have done.
  const IndexCounters& counters() const { return counters_; }

  void Run(uint64_t operations) {
    for (uint64_t i = 0; i < operations && !testing::Test::HasFailure(); ++i) {
      operation_ = i;
      Step();
    }
    Commit();
    CheckWhole();
    CollectCounters();
  }

 private:
  using Change = std::function<void(Store&)>;
  struct Entry {
    uint64_t index;
    std::vector<Change> changes;
    std::string events;
  };

  uint64_t Below(uint64_t n) { return random_.Below(n); }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  void Step() {
    SCOPED_TRACE("operation " + std::to_string(operation_));
    const uint64_t dice = Below(1000);
    if (dice < 3) {
      TurnTheTide();
    } else if (dice < 450) {
      WriteEntry();
    } else if (dice < 780) {
      CheckRange();
    } else if (dice < 785) {
      CheckPages();
    } else if (dice < 830) {
      CheckFind();
    } else if (dice < 880) {
      CheckEvents();
    } else if (dice < 900) {
      CompactEntry();
    } else if (dice < 940) {
      CompactPhysically();
    } else if (dice < 960) {
      Commit();
    } else if (dice < 972) {
      PinOrUnpin();
    } else if (dice < 980) {
      CheckHash();
    } else if (dice < 997 || OneIn(2)) {
      CheckPosition();
    } else {
      Disturb();
    }
    if (uncommitted_ > 0 && OneIn(3)) Commit();
  }

  // ------------------------------------------------------------------------------------- writing

  std::string Key() {
    static const std::string kOdd[] = {std::string(1, '\0'), std::string("\xff"),
                                       std::string("\xff\xff"), std::string("k\0x", 3),
                                       std::string(300, 'L')};
    if (OneIn(20)) return kOdd[Below(5)];
    std::string key(1, static_cast<char>('a' + Below(4)));
    const uint64_t length = Below(3);
    for (uint64_t i = 0; i < length; ++i) key += static_cast<char>('a' + Below(5));
    return key;
  }
  std::string Value() {
    if (OneIn(50)) return std::string(Below(5000), 'v');
    return std::to_string(Below(20));
  }
  int64_t Lease() {
    if (model_.leases.empty() || !OneIn(4)) return 0;
    auto it = model_.leases.begin();
    std::advance(it, Below(model_.leases.size()));
    return it->first;
  }
  // Kept alive for the replay.
  struct Bounds {
    std::string begin, end;
    KeyRange range() const { return KeyRange::FromWire(begin, end); }
  };
  Bounds RandomBounds() {
    const uint64_t dice = Below(10);
    if (dice < 4) return {Key(), ""};
    if (dice < 5) return {Key(), std::string(1, '\0')};
    if (dice < 6) return {std::string(1, '\0'), std::string(1, '\0')};
    return {Key(), Key()};
  }

  void WriteEntry() {
    Entry entry{model_applied_ + 1, {}, {}};
    model_.Begin();
    store_->BeginEntry(LogIndex(entry.index), Term(1));
    const uint64_t count = 1 + Below(4);
    for (uint64_t i = 0; i < count; ++i) {
      WriteOne(entry);
      if (OneIn(4)) CheckRange();
    }
    EXPECT_EQ(store_->EntryChanged(), model_.Changed());
    Finish(std::move(entry));
  }

  void Run(Entry& entry, Change change) {
    change(*store_);
    entry.changes.push_back(std::move(change));
  }

  void WriteOne(Entry& entry) {
    const uint64_t dice = Below(100);
    if (dice < 65) {
      PutOne(entry);
    } else if (dice < 85) {
      const Bounds bounds = OneIn(3) ? RandomBounds() : Bounds{Key(), ""};
      const auto gone = model_.Delete(bounds.range());
      Run(entry, [bounds, gone](Store& store) {
        const auto deleted = store.DeleteRange(bounds.range(), true);
        ASSERT_TRUE(deleted.ok()) << deleted.status();
        EXPECT_EQ(deleted->count, static_cast<int64_t>(gone.size()));
        ASSERT_EQ(deleted->previous.size(), gone.size());
        for (size_t i = 0; i < gone.size(); ++i) {
          EXPECT_EQ(deleted->previous[i].view(), StoreModel::Encode(gone[i]));
        }
      });
    } else if (dice < 90 && model_.leases.size() < 6) {
      const auto id = static_cast<int64_t>(Below(20)) - 5;
      if (id == 0 || model_.leases.contains(id)) return;
      model_.leases[id] = {60, 0};
      Run(entry, [id](Store& store) { store.GrantLease({LeaseId(id), 60, 0}); });
    } else if (dice < 93) {
      const int64_t id = Lease();
      if (id == 0) return;
      model_.Revoke(id);
      Run(entry, [id](Store& store) { EXPECT_TRUE(store.RevokeLease(LeaseId(id)).ok()); });
    } else if (dice < 96) {
      const int64_t id = Lease();
      const auto ttl = static_cast<int64_t>(Below(100));
      if (id == 0) return;
      model_.leases[id].second = ttl;
      Run(entry, [id, ttl](Store& store) { store.CheckpointLease(LeaseId(id), ttl); });
    } else {
      const std::string key = Key(), value = Value();
      const bool erase = OneIn(3);
      if (erase) {
        records_.erase(key);
      } else {
        records_[key] = value;
      }
      Run(entry, [key, value, erase](Store& store) {
        if (erase) return store.DeleteRecord(Table::kAuth, key);
        store.PutRecord(Table::kAuth, key, value);
      });
    }
  }

  void PutOne(Entry& entry) {
    const std::string key = Key();
    std::string value = Value();
    int64_t lease = Lease();
    PutOptions options{.lease = LeaseId(lease)};
    const auto old = model_.At(key, model_.revision);
    std::string given = value;
    if (old && OneIn(6)) {
      options.ignore_value = true;
      value = old->value;
      given.clear();
    }
    if (old && OneIn(6)) {
      options.ignore_lease = true;
      options.lease = LeaseId();
      lease = old->lease;
    }
    model_.Put(key, value, lease);
    Run(entry, [key, given, options, old](Store& store) {
      const auto previous = store.Put(key, given, options, true);
      ASSERT_TRUE(previous.ok()) << previous.status();
      ASSERT_EQ(previous->has_value(), old.has_value());
      if (old) {
        EXPECT_EQ((*previous)->view(), StoreModel::Encode(*old));
      }
    });
  }

  // Many keys come, or all but a few go, and with them their place in the counts.
  void TurnTheTide() {
    Entry entry{model_applied_ + 1, {}, {}};
    model_.Begin();
    store_->BeginEntry(LogIndex(entry.index), Term(1));
    high_tide_ = !high_tide_;
    if (!high_tide_) {
      const Bounds bounds{"c", std::string(1, '\0')};
      model_.Delete(bounds.range());
      Run(entry,
          [bounds](Store& store) { EXPECT_TRUE(store.DeleteRange(bounds.range(), false).ok()); });
    }
    for (uint64_t i = Below(200); high_tide_ && i > 0; --i) {
      const std::string key = "tide" + std::to_string(Below(1000));
      model_.Put(key, "", 0);
      Run(entry, [key](Store& store) { EXPECT_TRUE(store.Put(key, "", {}, false).ok()); });
    }
    Finish(std::move(entry));
    if (high_tide_ || OneIn(2)) return;
    CompactEntry(model_.revision);
    for (int steps = 0; steps < 1000 && !CompactPhysically(); ++steps) Commit();
  }

  void CompactEntry() {
    const int64_t span = model_.revision - model_.compacted;
    CompactEntry(model_.compacted + static_cast<int64_t>(Below(static_cast<uint64_t>(span) + 3)));
  }
  void CompactEntry(int64_t at) {
    Entry entry{model_applied_ + 1, {}, {}};
    model_.Begin();
    store_->BeginEntry(LogIndex(entry.index), Term(1));
    absl::StatusCode expected = absl::StatusCode::kOk;
    if (at > model_.revision || (at <= model_.compacted && at != 0)) {
      expected = absl::StatusCode::kOutOfRange;
    }
    if (expected == absl::StatusCode::kOk) model_.compacted = at;
    Run(entry,
        [at, expected](Store& store) { EXPECT_EQ(store.Compact(Revision(at)).code(), expected); });
    Finish(std::move(entry));
  }

  // The bytes of a KeyValue have line ends in them.
  static std::string OneLine(const std::string& bytes) {
    std::string line;
    for (const char c : bytes) line += c == '\n' ? std::string("\\n") : std::string(1, c);
    return line;
  }
  static std::string Describe(const std::vector<StoredEvent>& events) {
    std::string text;
    for (const StoredEvent& event : events) Describe(event, text);
    return text;
  }
  static void Describe(const StoredEvent& event, std::string& text) {
    text += std::to_string(static_cast<int>(event.kind)) + " " +
            std::to_string(event.revision.value()) + "." + std::to_string(event.sub) + " <" +
            std::to_string(event.previous.value()) + " " +
            OneLine(std::string(event.key) + " " + std::string(event.kv.view())) + "\n";
  }
  static std::string Describe(const std::vector<StoreModel::Version>& changes) {
    std::string text;
    for (const auto& v : changes) {
      text += std::to_string(v.deleted ? 1 : 0) + " " + std::to_string(v.main) + "." +
              std::to_string(v.sub) + " <" + std::to_string(v.previous) + " " +
              OneLine(v.key + " " + StoreModel::Encode(v)) + "\n";
    }
    return text;
  }

  void Finish(Entry entry) {
    entry.events = Describe(model_.EntryEvents());
    EXPECT_EQ(Describe(store_->EndEntry()), entry.events);
    ++model_applied_;
    ++uncommitted_;
    EXPECT_EQ(store_->applied(), LogIndex(model_applied_));
    EXPECT_EQ(store_->revision(), Revision(model_.revision));
    log_.push_back(std::move(entry));
  }

  void Commit() {
    // RocksDB may stall for as long as its flush takes; the test's time limit ends a hang.
    absl::Status status = store_->CommitBatch();
    while (absl::IsUnavailable(status)) {
      std::this_thread::yield();
      status = store_->CommitBatch();
    }
    ASSERT_TRUE(status.ok()) << status;
    uncommitted_ = 0;
    const LogIndex durable = store_->durable_applied();
    while (!log_.empty() && LogIndex(log_.front().index) <= durable) log_.pop_front();
  }

  // Counted by blocks and counted by walking must be the same everywhere.
  void CheckCounts(const std::string& when) {
    std::vector<std::string> keys;
    RangeQuery query;
    query.range = {{}, {}, true};
    query.keys_only = true;
    ASSERT_TRUE(store_
                    ->Range(query,
                            [&keys](std::string_view bytes) {
                              KeyValue kv;
                              ASSERT_TRUE(ParseKeyValue(bytes, kv));
                              keys.emplace_back(kv.key);
                            })
                    .ok());
    query.count_only = true;
    for (size_t i = Below(8); i < keys.size(); i += 8) {
      query.range.begin = keys[i];
      const auto summary = store_->Range(query, [](std::string_view) {});
      ASSERT_TRUE(summary.ok()) << summary.status();
      ASSERT_EQ(summary->count, static_cast<int64_t>(keys.size() - i))
          << when << " from " << keys[i];
    }
  }

  // True: nothing is left to do.
  bool CompactPhysically() {
    Commit();
    const auto done = store_->CompactStep(static_cast<int64_t>(1 + Below(50)));
    EXPECT_TRUE(done.ok() || absl::IsUnavailable(done.status())) << done.status();
    return done.ok() && *done;
  }

  void PinOrUnpin() {
    if (!pins_.empty() && OneIn(2)) {
      pins_.pop_front();
      return;
    }
    if (pins_.size() < 3) {
      const int64_t at = model_.compacted +
                         static_cast<int64_t>(
                             Below(static_cast<uint64_t>(model_.revision - model_.compacted) + 1));
      pins_.emplace_back(at, store_->PinRevision(Revision(at)));
    }
  }

  void Disturb() {
    Commit();
    pins_.clear();
    if (OneIn(4)) {
      // Nothing is left but what is live, and perhaps a deletion.
      CompactEntry(model_.revision);
      while (!CompactPhysically() && !testing::Test::HasFailure()) {
      }
    }
    if (OneIn(5)) return Restore();
    if (OneIn(2)) {
      ASSERT_TRUE(store_->Flush().ok());
      EXPECT_EQ(store_->durable_applied(), LogIndex(model_applied_));
      log_.clear();
    }
    const LogIndex durable = store_->durable_applied();
    CollectCounters();
    store_.reset();
    // Every third end is an orderly one.
    options_.flush_on_close = OneIn(3);
    Open();
    ASSERT_GE(store_->applied(), durable);
    CheckCounts("after opening");
    while (!log_.empty() && LogIndex(log_.front().index) <= store_->applied()) log_.pop_front();
    for (const Entry& entry : log_) {
      store_->BeginEntry(LogIndex(entry.index), Term(1));
      for (const Change& change : entry.changes) change(*store_);
      EXPECT_EQ(Describe(store_->EndEntry()), entry.events);
      if (OneIn(4)) Commit();
      if (OneIn(50)) CompactPhysically();
    }
    Commit();
    ASSERT_EQ(store_->applied(), LogIndex(model_applied_));
    CheckPosition();
  }

  // Becomes the first state of a new cluster, as a snapshot that is restored: no entry applied, and
  // perhaps far ahead with all before it compacted.
  void Restore() {
    const int64_t bump = OneIn(2) ? 0 : static_cast<int64_t>(Below(1000));
    store_->BeginOwn();
    store_->BeginAnew(Revision(model_.revision + bump));
    store_->EndEntry();
    Commit();
    ASSERT_TRUE(store_->Flush().ok());
    if (bump > 0) model_.revision = model_.compacted = model_.revision + bump;
    model_applied_ = 0;
    log_.clear();
    CollectCounters();
    store_.reset();
    Open();
    EXPECT_EQ(store_->applied(), LogIndex(0));
    CheckPosition();
    CheckCounts("after a restore");
  }

  void CollectCounters() {
    const IndexCounters now = store_->index_counters();
    for (const auto field :
         {&IndexCounters::rounds, &IndexCounters::pieces, &IndexCounters::records,
          &IndexCounters::chunks, &IndexCounters::replayed, &IndexCounters::loads,
          &IndexCounters::evictions, &IndexCounters::chunk_reads, &IndexCounters::block_splits,
          &IndexCounters::block_merges, &IndexCounters::leaf_splits, &IndexCounters::leaf_merges,
          &IndexCounters::counts_by_blocks, &IndexCounters::counts_by_changes,
          &IndexCounters::counts_by_walk, &IndexCounters::counts_from_memo}) {
      counters_.*field += now.*field;
    }
  }

  void Open() {
    auto store = Store::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  // ------------------------------------------------------------------------------------- reading

  int64_t RandomRevision() {
    if (OneIn(3)) return 0;
    if (OneIn(30)) return model_.revision + 1;
    if (OneIn(30)) return model_.compacted - 1;
    if (!pins_.empty() && OneIn(4)) return pins_[Below(pins_.size())].first;
    if (OneIn(4)) {
      return std::max(model_.compacted, model_.revision - static_cast<int64_t>(Below(20)));
    }
    return model_.compacted + static_cast<int64_t>(Below(
                                  static_cast<uint64_t>(model_.revision - model_.compacted) + 1));
  }
  bool Pinned(int64_t revision) const {
    for (const auto& pin : pins_) {
      if (pin.first == revision) return true;
    }
    return false;
  }
  // The error a read at `revision` must give, empty if none; `pinned`: by one who says that it
  // holds the revision.
  std::string Refusal(int64_t revision, bool pinned = false) const {
    if (revision > model_.revision) return kFutureRevisionMessage;
    if (revision <= 0 || revision >= model_.compacted) return "";
    return pinned && Pinned(revision) ? "" : kCompactedMessage;
  }

  void CheckRange() {
    const Bounds bounds = RandomBounds();
    RangeQuery query;
    query.range = bounds.range();
    query.revision = Revision(RandomRevision());
    if (OneIn(2)) query.limit = static_cast<int64_t>(Below(12));
    if (OneIn(3)) query.order = static_cast<SortOrder>(Below(3));
    if (OneIn(3)) query.target = static_cast<SortTarget>(Below(5));
    query.keys_only = OneIn(5);
    query.count_only = OneIn(8);
    query.pinned = OneIn(2);
    const auto some = [this] {
      return Revision(static_cast<int64_t>(Below(static_cast<uint64_t>(model_.revision)) + 1));
    };
    if (OneIn(12)) query.min_mod = some();
    if (OneIn(12)) query.max_mod = some();
    if (OneIn(12)) query.min_create = some();
    if (OneIn(12)) query.max_create = some();

    std::vector<std::string> kvs;
    const auto summary =
        store_->Range(query, [&kvs](std::string_view kv) { kvs.emplace_back(kv); });
    const std::string refusal = Refusal(query.revision.value(), query.pinned);
    if (!refusal.empty()) {
      EXPECT_EQ(summary.status().message(), refusal);
      return;
    }
    ASSERT_TRUE(summary.ok()) << summary.status();
    const int64_t at = query.revision > Revision() ? query.revision.value() : model_.revision;
    const StoreModel::Answer answer = model_.Range(query, at);
    EXPECT_EQ(summary->count, answer.count)
        << "[" << bounds.begin << ", " << bounds.end << ") at " << at << " of " << model_.revision
        << ", compacted " << model_.compacted << ", limit " << query.limit;
    EXPECT_EQ(summary->more, answer.more);
    EXPECT_EQ(summary->revision, Revision(model_.revision));
    EXPECT_EQ(kvs, answer.kvs);
  }

  // A list read page by page at one revision, as clients do, while changes go on.
  void CheckPages() {
    const int64_t at = OneIn(3) ? RandomRevision() : model_.revision;
    if (at <= 0 || !Refusal(at).empty()) return;
    const auto pin = store_->PinRevision(Revision(at));
    const auto limit = static_cast<int64_t>(1 + Below(40));
    std::string begin;
    for (bool more = true; more && !testing::Test::HasFailure();) {
      RangeQuery query;
      query.range = {begin, {}, true};
      query.revision = Revision(at);
      query.limit = limit;
      query.pinned = true;
      std::string last;
      const auto summary = store_->Range(query, [&last](std::string_view bytes) {
        KeyValue kv;
        ASSERT_TRUE(ParseKeyValue(bytes, kv));
        last = kv.key;
      });
      ASSERT_TRUE(summary.ok()) << summary.status();
      const StoreModel::Answer answer = model_.Range(query, at);
      ASSERT_EQ(summary->count, answer.count) << "from " << begin << " at " << at;
      more = summary->more;
      ASSERT_EQ(more, answer.more);
      begin = last + std::string(1, '\0');
      if (OneIn(3)) WriteEntry();
    }
  }

  void CheckFind() {
    const std::string key = Key();
    const int64_t revision = RandomRevision();
    const auto found = store_->Find(key, Revision(revision));
    const std::string refusal = Refusal(revision);
    if (!refusal.empty()) {
      EXPECT_EQ(found.status().message(), refusal);
    } else {
      ASSERT_TRUE(found.ok()) << found.status();
      const auto expected = model_.At(key, revision > 0 ? revision : model_.revision);
      ASSERT_EQ(found->has_value(), expected.has_value());
      if (expected) {
        EXPECT_EQ((*found)->create_revision, Revision(expected->create));
        EXPECT_EQ((*found)->mod_revision, Revision(expected->main));
        EXPECT_EQ((*found)->version, expected->version);
      }
    }
    const auto main = static_cast<int64_t>(Below(static_cast<uint64_t>(model_.revision) + 1));
    const auto live = model_.At(key, main);
    const int64_t exact = live && OneIn(2) ? live->main : main;
    const auto version = store_->Version(key, Revision(exact));
    const auto expected = model_.Exact(key, exact);
    ASSERT_EQ(version.ok(), expected.has_value()) << version.status() << " at " << exact;
    if (expected) {
      EXPECT_EQ(version->view(), StoreModel::Encode(*expected));
    } else {
      EXPECT_TRUE(absl::IsNotFound(version.status()));
    }
  }

  void CheckEvents() {
    const int64_t first =
        OneIn(20)   ? model_.compacted - 1
        : OneIn(10) ? model_.compacted
                    : model_.revision -
                          static_cast<int64_t>(Below(std::min<uint64_t>(
                              60, static_cast<uint64_t>(model_.revision - model_.compacted) + 1)));
    const int64_t last = OneIn(2) ? 1 << 30 : first + static_cast<int64_t>(Below(10));
    // Revisions without events do not count: there may be none left at the compacted one.
    const bool limited = first > std::max<int64_t>(model_.compacted, 1) && OneIn(2);
    const auto limit = static_cast<int64_t>(limited ? 1 + Below(8) : 1 << 30);
    std::string text;
    const auto next = store_->Events(Revision(first), Revision(last), uint64_t{1} << 40, limit,
                                     [&text](StoredEvent event) { Describe(event, text); });
    if (first < model_.compacted) {
      EXPECT_EQ(next.status().message(), kCompactedMessage);
      return;
    }
    ASSERT_TRUE(next.ok()) << next.status();
    const int64_t through = std::min({last, model_.revision, first + limit - 1});
    EXPECT_EQ(*next, Revision(std::max(first, through + 1)));
    // At the compacted revision itself only what is left of it is promised; nothing is superseded
    // within one revision here but by later changes of the same entry.
    EXPECT_EQ(WithoutCompacted(text), WithoutCompacted(Describe(model_.Changes(first, through))));
    if (first == model_.compacted && through >= first) CheckLeftOfCompacted(text);
  }
  // The last change of a key in the compacted revision stays, be it a deletion (etcd 18089).
  void CheckLeftOfCompacted(const std::string& text) {
    const auto changes = model_.Changes(model_.compacted, model_.compacted);
    for (size_t i = 0; i < changes.size(); ++i) {
      const auto again = [&](const StoreModel::Version& later) {
        return later.key == changes[i].key;
      };
      if (std::any_of(changes.begin() + static_cast<std::ptrdiff_t>(i) + 1, changes.end(), again)) {
        continue;
      }
      const std::string line = Describe(std::vector<StoreModel::Version>{changes[i]});
      EXPECT_NE(text.find(line), std::string::npos) << line;
    }
  }
  std::string WithoutCompacted(const std::string& text) const {
    std::string kept;
    const std::string prefix = " " + std::to_string(model_.compacted) + ".";
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find('\n', at);
      end = end == std::string::npos ? text.size() : end + 1;
      const std::string line = text.substr(at, end - at);
      if (line.compare(1, prefix.size(), prefix) != 0) kept += line;
      at = end;
    }
    return kept;
  }

  void CheckHash() {
    if (model_.revision > 6000 && !OneIn(10)) return;
    const int64_t at = RandomRevision();
    const auto hash = store_->HashKv(Revision(at));
    if (at > model_.revision || (at > 0 && at < model_.compacted)) {
      EXPECT_FALSE(hash.ok());
      return;
    }
    ASSERT_TRUE(hash.ok()) << hash.status();
    EXPECT_EQ(hash->compacted, Revision(model_.compacted));
    EXPECT_EQ(hash->hash, model_.Hash(at > 0 ? at : model_.revision));
  }

  void CheckPosition() {
    EXPECT_EQ(store_->revision(), Revision(model_.revision));
    EXPECT_EQ(store_->compacted(), Revision(model_.compacted));
    EXPECT_EQ(store_->KeyCount(), model_.LiveKeys());
    const auto leases = store_->Leases();
    ASSERT_EQ(leases.size(), model_.leases.size());
    auto expected = model_.leases.begin();
    for (const LeaseRecord& lease : leases) {
      EXPECT_EQ(lease.id, LeaseId(expected->first));
      EXPECT_EQ(lease.remaining_ttl, expected->second.second);
      std::vector<std::string> keys;
      for (const auto& [key, id] : model_.lease_of) {
        if (id == expected->first) keys.push_back(key);
      }
      EXPECT_EQ(store_->LeaseKeys(lease.id), keys);
      ++expected;
    }
    const std::string key = Key();
    const auto record = records_.find(key);
    EXPECT_EQ(store_->FindRecord(Table::kAuth, key),
              record == records_.end() ? std::nullopt : std::optional(record->second));
  }

  void CheckWhole() {
    pins_.clear();
    for (int i = 0; i < 20; ++i) CheckHash();
    for (int i = 0; i < 200; ++i) CheckRange();
    std::map<std::string, std::string> records;
    store_->ForEachRecord(Table::kAuth, [&records](std::string_view key, std::string_view value) {
      records.emplace(key, value);
    });
    EXPECT_EQ(records, records_);
  }

  SeededRandom random_;
  const TemporaryDirectory directory_;
  StoreOptions options_;
  std::unique_ptr<Store> store_;
  StoreModel model_;
  std::map<std::string, std::string> records_;
  std::deque<Entry> log_;  // entries after the durable applied index
  std::deque<std::pair<int64_t, std::unique_ptr<Store::Pin>>> pins_;
  uint64_t model_applied_ = 0;
  uint64_t uncommitted_ = 0;
  uint64_t operation_ = 0;
  bool high_tide_ = false;
  IndexCounters counters_;
};

// Calls `done` with the counters of each store that went through all its operations.
void RunSeeds(const StoreOptions& options, uint64_t operations,
              const std::function<void(const IndexCounters&)>& done) {
  const uint64_t seed = FromEnvironment("KEELSON_SEED", SystemSeed());
  // A new key space every so often: the model looks at everything, and everything grows.
  constexpr uint64_t kOperationsPerStore = 25000;
  for (uint64_t at = 0, round = 0; at < operations; at += kOperationsPerStore, ++round) {
    std::printf("KEELSON_SEED=%" PRIu64 "\n", seed + round);
    StoreAgainstModel store(seed + round, options);
    const uint64_t count = std::min(kOperationsPerStore, operations - at);
    store.Run(count);
    if (testing::Test::HasFailure()) {
      std::printf("repeat with KEELSON_SEED=%" PRIu64 "\n", seed + round);
      return;
    }
    if (count == kOperationsPerStore) done(store.counters());
  }
}

uint64_t Operations() { return FromEnvironment("KEELSON_MODEL_OPERATIONS", 200000); }

TEST(StorePropertyTest, AgreesWithTheModelWhileFlushingAllTheTime) {
  StoreOptions options;
  options.memory_budget_bytes = 64 << 10;
  options.flush_bytes = 64 << 10;
  RunSeeds(options, Operations() / 4, [](const IndexCounters&) {});
}

TEST(StorePropertyTest, AgreesWithTheModelInMemory) {
  RunSeeds(StoreOptions(), Operations() / 4, [](const IndexCounters&) {});
}

// Bounds so small that the key index goes through all it can do, again and again.
TEST(StorePropertyTest, AgreesWithTheModelWhereTheIndexHasLittleRoom) {
  StoreOptions options;
  options.memory_budget_bytes = 64 << 10;
  options.flush_bytes = 1 << 20;
  options.index_lag_max = 300;
  options.index_block_keys = 8;
  options.index_leaf_blocks = 8;
  options.index_inline_versions = 3;
  // Each is gone through hundreds of times; whether it is at all must not depend on the seed.
  const auto all_paths = [](const IndexCounters& counters) {
    EXPECT_GT(counters.rounds, 10u);
    EXPECT_GT(counters.pieces, counters.rounds);
    EXPECT_GT(counters.records, 10u);
    EXPECT_GT(counters.chunks, 10u);
    EXPECT_GT(counters.chunk_reads, 10u);
    EXPECT_GT(counters.replayed, 10u);
    EXPECT_GT(counters.loads, 10u);
    EXPECT_GT(counters.evictions, 10u);
    EXPECT_GT(counters.block_splits, 10u);
    EXPECT_GT(counters.block_merges, 10u);
    EXPECT_GT(counters.leaf_splits, 0u);
    EXPECT_GT(counters.leaf_merges, 0u);
    EXPECT_GT(counters.counts_by_blocks, 10u);
    EXPECT_GT(counters.counts_by_changes, 10u);
    EXPECT_GT(counters.counts_by_walk, 10u);
    EXPECT_GT(counters.counts_from_memo, 10u);
    std::printf("rounds %" PRIu64 ", pieces %" PRIu64 ", records %" PRIu64 ", chunks %" PRIu64
                " read %" PRIu64 ", replayed %" PRIu64 ", loads %" PRIu64 ", evictions %" PRIu64
                ", blocks split %" PRIu64 " merged %" PRIu64 ", leaves split %" PRIu64
                " merged %" PRIu64 ", counts by blocks %" PRIu64 " changes %" PRIu64
                " walk %" PRIu64 " memo %" PRIu64 "\n",
                counters.rounds, counters.pieces, counters.records, counters.chunks,
                counters.chunk_reads, counters.replayed, counters.loads, counters.evictions,
                counters.block_splits, counters.block_merges, counters.leaf_splits,
                counters.leaf_merges, counters.counts_by_blocks, counters.counts_by_changes,
                counters.counts_by_walk, counters.counts_from_memo);
  };
  RunSeeds(options, Operations() / 2, all_paths);
}

}  // namespace
}  // namespace keelson::storage
