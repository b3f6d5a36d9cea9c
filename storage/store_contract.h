// What every Store must do, whatever it lies on. A test program instantiates the suite with a
// harness:
//
//   INSTANTIATE_TEST_SUITE_P(Rocks, StoreContract, testing::Values(&MakeRocksHarness));
#ifndef KEELSON_STORAGE_STORE_CONTRACT_H_
#define KEELSON_STORAGE_STORE_CONTRACT_H_

#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "storage/errors.h"
#include "storage/store.h"

namespace keelson::storage {

// The place where a store lies. At most one store of it is open at a time.
class StoreHarness {
 public:
  virtual ~StoreHarness() = default;
  // Makes it when there is none.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open() = 0;
  // Ends `store` as a crash would: what was not flushed is gone.
  virtual void Crash(std::unique_ptr<Store> store) = 0;
};

class StoreContract
    : public testing::TestWithParam<std::function<std::unique_ptr<StoreHarness>()>> {
 protected:
  StoreContract() : harness_(GetParam()()) { Open(); }

  void Open() {
    auto store = harness_->Open();
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  void FlushAndReopen() {
    ASSERT_TRUE(store_->Flush().ok());
    store_.reset();
    Open();
  }
  void CrashAndReopen() {
    harness_->Crash(std::move(store_));
    Open();
  }

  // Runs `changes` as one entry, commits it, and returns its events as text.
  std::string Entry(const std::function<void(Store&)>& changes) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    changes(*store_);
    std::string text;
    for (const StoredEvent& event : store_->EndEntry()) text += Describe(event) + " ";
    EXPECT_TRUE(store_->CommitBatch().ok());
    if (!text.empty()) text.pop_back();
    return text;
  }
  std::string Put(const std::string& key, const std::string& value, int64_t lease = 0) {
    return Entry([&](Store& store) { EXPECT_TRUE(PutIn(store, key, value, lease)); });
  }
  static bool PutIn(Store& store, const std::string& key, const std::string& value,
                    int64_t lease = 0) {
    return store.Put(key, value, {.lease = LeaseId(lease)}, false).ok();
  }
  std::string Delete(const std::string& key, const std::string& end = "") {
    return Entry([&](Store& store) { DeleteIn(store, key, end); });
  }
  static int64_t DeleteIn(Store& store, const std::string& key, const std::string& end = "") {
    auto deleted = store.DeleteRange(KeyRange::FromWire(key, end), false);
    EXPECT_TRUE(deleted.ok());
    return deleted.ok() ? deleted->count : -1;
  }
  absl::Status Compact(int64_t revision) {
    absl::Status status;
    Entry([&](Store& store) { status = store.Compact(Revision(revision)); });
    return status;
  }
  // `entries`, applied again after a crash, end with the same hash.
  void ExpectSameHashAfterReplay(const std::function<void()>& entries) {
    const LogIndex from = store_->applied();
    ASSERT_TRUE(store_->Flush().ok());
    entries();
    const uint64_t hash = store_->state_hash();
    CrashAndReopen();
    ASSERT_EQ(store_->applied(), from);
    entries();
    EXPECT_EQ(store_->state_hash(), hash);
    EXPECT_NE(hash, 0u);
  }
  void CompactPhysically(int64_t keys_max = 1000) {
    for (int i = 0; i < 10000; ++i) {
      const auto done = store_->CompactStep(keys_max);
      ASSERT_TRUE(done.ok()) << done.status();
      if (*done) return;
    }
    FAIL() << "compaction does not end";
  }

  // "key=value create/mod/version[ lease]".
  static std::string Describe(std::string_view bytes) {
    KeyValue kv;
    if (!ParseKeyValue(bytes, kv)) return "malformed";
    std::string text = std::string(kv.key) + "=" + std::string(kv.value) + " " +
                       std::to_string(kv.create_revision.value()) + "/" +
                       std::to_string(kv.mod_revision.value()) + "/" + std::to_string(kv.version);
    if (kv.lease) text += " L" + std::to_string(kv.lease.value());
    return text;
  }
  // "put 5.0 key=value …" or "del 5.0 key", with "<4" when it replaced revision 4.
  static std::string Describe(const StoredEvent& event) {
    KeyValue kv;
    EXPECT_TRUE(ParseKeyValue(event.kv.view(), kv));
    EXPECT_EQ(kv.key, event.key);
    EXPECT_EQ(kv.mod_revision, event.revision);
    const std::string at =
        std::to_string(event.revision.value()) + "." + std::to_string(event.sub) + " ";
    std::string text = event.kind == EventKind::kPut ? "put " + at + Describe(event.kv.view())
                                                     : "del " + at + std::string(kv.key);
    if (event.previous) text += "<" + std::to_string(event.previous.value());
    return text + ";";
  }
  static RangeQuery Query(const std::string& key, const std::string& end = "") {
    RangeQuery query;
    query.range = KeyRange::FromWire(Keep(key), Keep(end));
    return query;
  }
  // "k1=v1 … ; k2=… ; count=2 more rev=7", or the error.
  std::string Range(const RangeQuery& query) const {
    std::string text;
    const auto summary =
        store_->Range(query, [&text](std::string_view kv) { text += Describe(kv) + "; "; });
    if (!summary.ok()) return std::string(summary.status().message());
    return text + "count=" + std::to_string(summary->count) + (summary->more ? " more" : "") +
           " rev=" + std::to_string(summary->revision.value());
  }
  std::string Keys(const RangeQuery& query) const {
    std::string text;
    const auto summary = store_->Range(query, [&text](std::string_view bytes) {
      KeyValue kv;
      EXPECT_TRUE(ParseKeyValue(bytes, kv));
      text += std::string(kv.key) + " ";
    });
    if (!summary.ok()) return std::string(summary.status().message());
    return text + std::to_string(summary->count) + (summary->more ? "+" : "");
  }
  std::string Get(const std::string& key, int64_t revision = 0, bool pinned = false) const {
    RangeQuery query = Query(key);
    query.revision = Revision(revision);
    query.pinned = pinned;
    std::string text;
    const auto summary =
        store_->Range(query, [&text](std::string_view kv) { text += Describe(kv); });
    return summary.ok() ? text : std::string(summary.status().message());
  }
  std::string Events(int64_t first, int64_t last = 1 << 30, uint64_t bytes = 1 << 30,
                     int64_t revisions = 1 << 30) const {
    std::string text;
    const auto next = store_->Events(Revision(first), Revision(last), bytes, revisions,
                                     [&text](StoredEvent event) { text += Describe(event) + " "; });
    if (!next.ok()) return std::string(next.status().message());
    return text + "next " + std::to_string(next->value());
  }

  std::unique_ptr<StoreHarness> harness_;
  std::unique_ptr<Store> store_;

 private:
  // KeyRange holds views; tests pass temporaries.
  static std::string_view Keep(const std::string& text) {
    static std::vector<std::unique_ptr<std::string>>* const kept =
        new std::vector<std::unique_ptr<std::string>>;
    kept->push_back(std::make_unique<std::string>(text));
    return *kept->back();
  }
};

inline const std::string kZeroByte(1, '\0');

TEST_P(StoreContract, EmptyStoreIsAtRevisionOne) {
  EXPECT_EQ(store_->revision(), Revision(1));
  EXPECT_EQ(store_->compacted(), Revision(0));
  EXPECT_EQ(store_->applied(), LogIndex(0));
  EXPECT_EQ(store_->durable_applied(), LogIndex(0));
  EXPECT_EQ(Range(Query(kZeroByte, kZeroByte)), "count=0 rev=1");
  EXPECT_EQ(store_->KeyCount(), 0);
}

TEST_P(StoreContract, PutCountsVersionsAndKeepsTheCreateRevision) {
  EXPECT_EQ(Put("a", "1"), "put 2.0 a=1 2/2/1;");
  EXPECT_EQ(Put("b", "2"), "put 3.0 b=2 3/3/1;");
  EXPECT_EQ(Put("a", "1"), "put 4.0 a=1 2/4/2<2;");
  EXPECT_EQ(Get("a"), "a=1 2/4/2");
  EXPECT_EQ(Get("a", 3), "a=1 2/2/1");
  EXPECT_EQ(Get("a", 1), "");
  EXPECT_EQ(Get("b", 2), "");
}

TEST_P(StoreContract, DeleteStartsANewGeneration) {
  Put("a", "1");
  EXPECT_EQ(Delete("a"), "del 3.0 a<2;");
  EXPECT_EQ(Get("a"), "");
  EXPECT_EQ(Get("a", 2), "a=1 2/2/1");
  EXPECT_EQ(Put("a", "2"), "put 4.0 a=2 4/4/1;");
  EXPECT_EQ(Get("a", 3), "");
}

TEST_P(StoreContract, NothingChangedLeavesTheRevision) {
  EXPECT_EQ(Delete("absent"), "");
  EXPECT_EQ(store_->revision(), Revision(1));
  EXPECT_EQ(store_->applied(), LogIndex(1));
}

TEST_P(StoreContract, ChangesOfAnEntryShareTheMainRevisionAndSeeEachOther) {
  Put("b", "old");
  const std::string events = Entry([this](Store& store) {
    EXPECT_FALSE(store.EntryChanged());
    EXPECT_EQ(Keys(Query("a", "z")), "b 1");
    EXPECT_TRUE(PutIn(store, "a", "1"));
    EXPECT_TRUE(store.EntryChanged());
    EXPECT_EQ(Range(Query("a", "z")), "a=1 3/3/1; b=old 2/2/1; count=2 rev=3");
    EXPECT_EQ(DeleteIn(store, "b"), 1);
    EXPECT_EQ(DeleteIn(store, "b"), 0);
    EXPECT_EQ(Range(Query("a", "z")), "a=1 3/3/1; count=1 rev=3");
    EXPECT_EQ(Get("b", 2), "b=old 2/2/1");
    EXPECT_TRUE(PutIn(store, "c", "3"));
  });
  EXPECT_EQ(events, "put 3.0 a=1 3/3/1; del 3.1 b<2; put 3.2 c=3 3/3/1;");
  EXPECT_EQ(Events(3), events + " next 4");
}

TEST_P(StoreContract, ReadsSeeFinishedEntriesBeforeTheCommit) {
  for (uint64_t i = 1; i <= 3; ++i) {
    store_->BeginEntry(LogIndex(i), Term(1));
    ASSERT_TRUE(PutIn(*store_, "k", std::to_string(i)));
    store_->EndEntry();
  }
  EXPECT_EQ(store_->applied(), LogIndex(3));
  EXPECT_EQ(Get("k"), "k=3 2/4/3");
  EXPECT_EQ(Get("k", 2), "k=1 2/2/1");
  EXPECT_EQ(Events(3), "put 3.0 k=2 2/3/2<2; put 4.0 k=3 2/4/3<3; next 5");
  EXPECT_TRUE(store_->CommitBatch().ok());
  EXPECT_EQ(Get("k", 3), "k=2 2/3/2");
}

TEST_P(StoreContract, PreviousIsGivenWhenWanted) {
  Put("a", "1");
  Put("b", "2");
  Entry([](Store& store) {
    auto previous = store.Put("a", "3", {}, true);
    ASSERT_TRUE(previous.ok() && previous->has_value());
    EXPECT_EQ(Describe((*previous)->view()), "a=1 2/2/1");
    previous = store.Put("new", "", {}, true);
    ASSERT_TRUE(previous.ok());
    EXPECT_FALSE(previous->has_value());
    const auto deleted = store.DeleteRange(KeyRange::FromWire("a", "c"), true);
    ASSERT_TRUE(deleted.ok());
    ASSERT_EQ(deleted->previous.size(), 2u);
    EXPECT_EQ(Describe(deleted->previous[0].view()), "a=3 2/4/2");
    EXPECT_EQ(Describe(deleted->previous[1].view()), "b=2 3/3/1");
  });
}

TEST_P(StoreContract, IgnoreValueAndIgnoreLeaseKeepThem) {
  Entry([](Store& store) { store.GrantLease({LeaseId(7), 60, 0}); });
  Put("a", "value", 7);
  Entry([](Store& store) {
    EXPECT_TRUE(store.Put("a", "", {.lease = {}, .ignore_value = true}, false).ok());
  });
  EXPECT_EQ(Get("a"), "a=value 2/3/2");
  Put("a", "x", 7);
  Entry([](Store& store) {
    EXPECT_TRUE(
        store.Put("a", "y", {.lease = {}, .ignore_value = false, .ignore_lease = true}, false)
            .ok());
  });
  EXPECT_EQ(Get("a"), "a=y 2/5/4 L7");
  EXPECT_EQ(store_->LeaseOf("a"), LeaseId(7));
  Entry([](Store& store) {
    EXPECT_FALSE(store.Put("absent", "", {.lease = {}, .ignore_value = true}, false).ok());
    EXPECT_FALSE(store.Put("a", "", {.lease = LeaseId(99)}, false).ok());
  });
  EXPECT_EQ(store_->revision(), Revision(5));
}

TEST_P(StoreContract, RangeBoundsAreEtcds) {
  for (const std::string key : {"a", "aa", "b", "c"}) Put(key, "");
  EXPECT_EQ(Keys(Query("a")), "a 1");
  EXPECT_EQ(Keys(Query("x")), "0");
  EXPECT_EQ(Keys(Query("a", "b")), "a aa 2");
  EXPECT_EQ(Keys(Query("b", kZeroByte)), "b c 2");
  EXPECT_EQ(Keys(Query(kZeroByte, kZeroByte)), "a aa b c 4");
  EXPECT_EQ(Keys(Query("b", "a")), "0");
  EXPECT_EQ(Keys(Query("b", "b")), "0");
}

TEST_P(StoreContract, CountsAtAPastRevisionStayWhatTheyWere) {
  const auto key = [](int i) { return "k" + std::to_string(1000 + i); };
  Entry([&key](Store& store) {
    for (int i = 0; i < 900; ++i) PutIn(store, key(i), "");
  });
  const auto count = [this](const std::string& begin, const std::string& end, int64_t revision) {
    RangeQuery query = Query(begin, end);
    query.revision = Revision(revision);
    query.limit = 10;
    const auto summary = store_->Range(query, [](std::string_view) {});
    return summary.ok() ? summary->count : -1;
  };
  for (int i = 0; i < 5; ++i) Delete(key(i * 100), key(i * 100 + 7));
  Put("k2", "");
  EXPECT_EQ(count("k", "l", 0), 900 - 35 + 1);
  for (int page = 0; page < 90; ++page) {
    EXPECT_EQ(count(key(page * 10), "l", 2), 900 - page * 10);
    EXPECT_EQ(count(key(page * 10), kZeroByte, 2), 900 - page * 10);
  }
  EXPECT_EQ(count("m", "l", 2), 0);
  EXPECT_EQ(count("k", "l", 4), 900 - 14);
  EXPECT_EQ(count("k1002", "k1102", 4), 100 - 7);
}

TEST_P(StoreContract, LimitCutsAndCountDoesNot) {
  for (const std::string key : {"a", "b", "c", "d"}) Put(key, "");
  RangeQuery query = Query("a", "z");
  query.limit = 2;
  EXPECT_EQ(Keys(query), "a b 4+");
  query.limit = 4;
  EXPECT_EQ(Keys(query), "a b c d 4");
  query.limit = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(Keys(query), "a b c d 4");
  query.limit = 1;
  query.count_only = true;
  EXPECT_EQ(Keys(query), "4");
}

TEST_P(StoreContract, SortAndFiltersWorkOnTheWholeRange) {
  Put("a", "3");
  Put("b", "2");
  Put("c", "1");
  Put("a", "3");
  RangeQuery query = Query("a", "z");
  query.order = SortOrder::kDescend;
  query.limit = 2;
  EXPECT_EQ(Keys(query), "c b 3+");
  query.target = SortTarget::kMod;
  EXPECT_EQ(Keys(query), "a c 3+");
  query.order = SortOrder::kAscend;
  query.target = SortTarget::kValue;
  EXPECT_EQ(Keys(query), "c b 3+");
  query.target = SortTarget::kKey;
  query.min_mod = Revision(4);
  EXPECT_EQ(Keys(query), "a c 3");
  query.max_mod = Revision(4);
  EXPECT_EQ(Keys(query), "c 3");
  query = Query("a", "z");
  query.max_create = Revision(3);
  query.min_create = Revision(3);
  query.limit = 1;
  EXPECT_EQ(Keys(query), "b 3");
}

TEST_P(StoreContract, SortTargetWithoutOrderSortsTheKeysWithinTheLimitOnly) {
  Put("a", "4");
  Put("b", "3");
  Put("c", "2");
  Put("d", "1");
  RangeQuery query = Query("a", "z");
  query.target = SortTarget::kValue;
  EXPECT_EQ(Keys(query), "d c b a 4");
  query.limit = 2;
  EXPECT_EQ(Keys(query), "c b 4+");
}

TEST_P(StoreContract, KeysOnlyLeavesOutValueAndLease) {
  Entry([](Store& store) { store.GrantLease({LeaseId(7), 60, 0}); });
  Put("a", "2", 7);
  Put("b", "1");
  RangeQuery query = Query("a", "z");
  query.keys_only = true;
  EXPECT_EQ(Range(query), "a= 2/2/1; b= 3/3/1; count=2 rev=3");
  query.target = SortTarget::kValue;
  EXPECT_EQ(Range(query), "b= 3/3/1; a= 2/2/1 L7; count=2 rev=3");
}

TEST_P(StoreContract, FutureAndCompactedRevisionsAreRefused) {
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i));
  EXPECT_EQ(Get("a", 6), kFutureRevisionMessage);
  EXPECT_EQ(Compact(6).message(), kFutureRevisionMessage);
  EXPECT_TRUE(Compact(4).ok());
  EXPECT_EQ(store_->compacted(), Revision(4));
  EXPECT_EQ(Compact(4).message(), kCompactedMessage);
  EXPECT_EQ(Compact(-1).message(), kCompactedMessage);
  EXPECT_EQ(Get("a", 3), kCompactedMessage);
  EXPECT_EQ(Get("a", 4), "a=2 2/4/3");
  EXPECT_EQ(Events(3), kCompactedMessage);
  EXPECT_EQ(Events(4), "put 4.0 a=2 2/4/3<3; put 5.0 a=3 2/5/4<4; next 6");
  EXPECT_EQ(store_->HashKv(Revision(3)).status().message(), kCompactedMessage);
  EXPECT_EQ(store_->HashKv(Revision(6)).status().message(), kFutureRevisionMessage);
}

TEST_P(StoreContract, CompactionKeepsWhatIsLiveAtItsRevision) {
  Put("a", "1");  // 2
  Put("a", "2");  // 3
  Put("b", "1");  // 4
  Delete("b");    // 5
  Put("c", "1");  // 6
  Delete("c");    // 7
  Put("a", "3");  // 8
  ASSERT_TRUE(Compact(7).ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Get("a", 7), "a=2 2/3/2");
    EXPECT_EQ(Keys(Query("a", "z")), "a 1");
    EXPECT_EQ(Events(7), "del 7.0 c<6; put 8.0 a=3 2/8/3<3; next 9");
    EXPECT_FALSE(store_->Version("a", Revision(2)).ok());
    EXPECT_TRUE(store_->Version("a", Revision(3)).ok());
    EXPECT_FALSE(store_->Version("c", Revision(6)).ok());
    CompactPhysically(1 + i);
    if (i == 1) FlushAndReopen();
  }
  ASSERT_TRUE(Compact(8).ok());
  CompactPhysically();
  EXPECT_EQ(Events(8), "put 8.0 a=3 2/8/3<3; next 9");
  EXPECT_FALSE(store_->Version("a", Revision(3)).ok());
}

TEST_P(StoreContract, PinKeepsARevisionReadableForItsHolder) {
  Put("a", "1");
  Put("a", "2");
  Put("a", "3");
  auto pin = store_->PinRevision(Revision(3));
  ASSERT_TRUE(Compact(4).ok());
  CompactPhysically();
  EXPECT_EQ(Get("a", 3, true), "a=2 2/3/2");
  EXPECT_EQ(Get("a", 3), kCompactedMessage) << "nobody else's";
  EXPECT_EQ(store_->Find("a", Revision(3)).status().message(), kCompactedMessage);
  EXPECT_EQ(Get("a", 2, true), kCompactedMessage) << "another revision";
  Entry([this](Store&) { EXPECT_EQ(Get("a", 3), kCompactedMessage); });
  pin.reset();
  EXPECT_EQ(Get("a", 3, true), kCompactedMessage);
  CompactPhysically();
  EXPECT_EQ(Get("a", 4), "a=3 2/4/3");
}

TEST_P(StoreContract, EventsAreCutBetweenRevisions) {
  Entry([](Store& store) {
    PutIn(store, "a", "1");
    PutIn(store, "b", "1");
  });
  Put("a", "2");
  Put("a", "3");
  EXPECT_EQ(Events(2, 100, 1, 100), "put 2.0 a=1 2/2/1; put 2.1 b=1 2/2/1; next 3");
  EXPECT_EQ(Events(3, 100, 1000, 1), "put 3.0 a=2 2/3/2<2; next 4");
  EXPECT_EQ(Events(3, 3), "put 3.0 a=2 2/3/2<2; next 4");
  EXPECT_EQ(Events(4), "put 4.0 a=3 2/4/3<3; next 5");
  EXPECT_EQ(Events(5), "next 5");
}

TEST_P(StoreContract, FindKnowsTheLiveVersion) {
  Put("a", "1");
  Put("a", "2");
  Delete("a");
  const auto at = [this](int64_t revision) {
    const auto found = store_->Find("a", Revision(revision));
    if (!found.ok()) return std::string(found.status().message());
    if (!found->has_value()) return std::string("absent");
    return std::to_string((*found)->create_revision.value()) + "/" +
           std::to_string((*found)->mod_revision.value()) + "/" + std::to_string((*found)->version);
  };
  EXPECT_EQ(at(0), "absent");
  EXPECT_EQ(at(2), "2/2/1");
  EXPECT_EQ(at(3), "2/3/2");
  EXPECT_EQ(at(5), kFutureRevisionMessage);
}

TEST_P(StoreContract, RevokedLeaseTakesItsKeysInOneRevision) {
  Entry([](Store& store) {
    store.GrantLease({LeaseId(-7), 60, 0});
    store.GrantLease({LeaseId(8), 60, 0});
  });
  Put("b", "1", -7);
  Put("a", "1", -7);
  Put("c", "1", -7);
  Put("c", "2", 8);
  Put("d", "1", -7);
  Put("d", "2");
  EXPECT_EQ(store_->LeaseKeys(LeaseId(-7)), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(store_->LeaseKeys(LeaseId(8)), std::vector<std::string>{"c"});
  EXPECT_EQ(store_->LeaseOf("d"), LeaseId(0));
  FlushAndReopen();
  EXPECT_EQ(store_->Leases().size(), 2u);
  EXPECT_EQ(Entry([](Store& store) { EXPECT_TRUE(store.RevokeLease(LeaseId(-7)).ok()); }),
            "del 8.0 a<3; del 8.1 b<2;");
  EXPECT_FALSE(store_->FindLease(LeaseId(-7)).has_value());
  EXPECT_EQ(store_->LeaseOf("a"), LeaseId(0));
  Delete("c");
  EXPECT_TRUE(store_->LeaseKeys(LeaseId(8)).empty());
  EXPECT_EQ(Entry([](Store& store) { EXPECT_TRUE(store.RevokeLease(LeaseId(8)).ok()); }), "");
  Entry([](Store& store) { EXPECT_FALSE(store.RevokeLease(LeaseId(8)).ok()); });
  FlushAndReopen();
  EXPECT_TRUE(store_->Leases().empty());
}

TEST_P(StoreContract, LeaseCheckpointIsKept) {
  Entry([](Store& store) { store.GrantLease({LeaseId(1), 600, 0}); });
  Entry([](Store& store) {
    store.CheckpointLease(LeaseId(1), 300);
    store.CheckpointLease(LeaseId(2), 300);
  });
  FlushAndReopen();
  const auto lease = store_->FindLease(LeaseId(1));
  ASSERT_TRUE(lease.has_value());
  EXPECT_EQ(lease->granted_ttl, 600);
  EXPECT_EQ(lease->remaining_ttl, 300);
  EXPECT_FALSE(store_->FindLease(LeaseId(2)).has_value());
}

TEST_P(StoreContract, RecordsOfOtherLayersAreKept) {
  Entry([](Store& store) {
    store.PutRecord(Table::kMembers, "m1", "one");
    store.PutRecord(Table::kMembers, "m2", "two");
    store.PutRecord(Table::kAuth, "m1", "other");
    EXPECT_EQ(store.FindRecord(Table::kMembers, "m1"), "one");
  });
  Entry([](Store& store) { store.DeleteRecord(Table::kMembers, "m1"); });
  FlushAndReopen();
  EXPECT_EQ(store_->FindRecord(Table::kMembers, "m1"), std::nullopt);
  EXPECT_EQ(store_->FindRecord(Table::kAuth, "m1"), "other");
  std::string all;
  store_->ForEachRecord(Table::kMembers, [&all](std::string_view key, std::string_view value) {
    all += std::string(key) + "=" + std::string(value) + " ";
  });
  EXPECT_EQ(all, "m2=two ");
  EXPECT_EQ(store_->revision(), Revision(1));
}

TEST_P(StoreContract, CrashGoesBackToADurableAppliedIndex) {
  Put("a", "1");
  Put("a", "2");
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->durable_applied(), LogIndex(2));
  Put("a", "3");
  Entry([](Store& store) { store.GrantLease({LeaseId(1), 600, 0}); });
  const LogIndex durable = store_->durable_applied();
  CrashAndReopen();
  EXPECT_GE(store_->applied(), durable);
  EXPECT_LE(store_->applied(), LogIndex(4));
  EXPECT_EQ(store_->durable_applied(), store_->applied());
  if (store_->applied() == LogIndex(2)) {
    EXPECT_EQ(Get("a"), "a=2 2/3/2");
    EXPECT_TRUE(store_->Leases().empty());
    EXPECT_EQ(Put("a", "3"), "put 4.0 a=3 2/4/3<3;");
  }
}

TEST_P(StoreContract, HashKvTellsHistoriesApart) {
  Put("a", "1");
  Put("a", "2");
  Put("b", "1");
  const uint32_t at3 = store_->HashKv(Revision(3))->hash;
  const auto newest = *store_->HashKv(Revision());
  EXPECT_EQ(newest.revision, Revision(4));
  EXPECT_NE(newest.hash, at3);
  Put("b", "2");
  EXPECT_EQ(store_->HashKv(Revision(4))->hash, newest.hash);
  ASSERT_TRUE(Compact(3).ok());
  const uint32_t compacted = store_->HashKv(Revision(4))->hash;
  EXPECT_NE(compacted, newest.hash);
  CompactPhysically();
  EXPECT_EQ(store_->HashKv(Revision(4))->hash, compacted);
  FlushAndReopen();
  EXPECT_EQ(store_->HashKv(Revision(4))->hash, compacted);
}

TEST_P(StoreContract, EntryIndexMustFollow) {
  Put("a", "1");
  EXPECT_DEATH(store_->BeginEntry(LogIndex(5), Term(1)), "check failed");
}

// ------------------------------------------------------------------------------ the rolling hash

TEST_P(StoreContract, TheStateHashIsTheSameWhenEntriesAreAppliedAgain) {
  Put("a", "0");
  ExpectSameHashAfterReplay([this] {
    Put("a", "1");
    Entry([](Store& store) { store.GrantLease({LeaseId(7), 60, 0}); });
    Put("b", "2", 7);
    Delete("a");
    Entry([](Store& store) { store.PutRecord(Table::kAuth, "u", "v"); });
    EXPECT_TRUE(Compact(3).ok());
    Entry([](Store& store) { EXPECT_TRUE(store.RevokeLease(LeaseId(7)).ok()); });
    Entry([](Store& store) { store.DeleteRecord(Table::kAuth, "u"); });
    Entry([](Store&) {});
  });
}

TEST_P(StoreContract, TheStateHashOutlivesTheProcess) {
  Put("a", "1");
  const uint64_t hash = store_->state_hash();
  FlushAndReopen();
  EXPECT_EQ(store_->state_hash(), hash);
  CompactPhysically();
  EXPECT_EQ(store_->state_hash(), hash);
}

TEST_P(StoreContract, TheNewestStateHashesOutliveTheProcess) {
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 20; ++i) {
    Put("a", std::to_string(i));
    hashes.push_back(store_->state_hash());
  }
  const LogIndex first = store_->applied() + 1 - hashes.size();
  FlushAndReopen();
  for (size_t i = 0; i < hashes.size(); ++i) {
    EXPECT_EQ(store_->FindStateHash(first + i), hashes[i]) << i;
  }
  EXPECT_EQ(store_->FindStateHash(first + hashes.size()), std::nullopt);
}

// Each of these, in the place of another, makes another hash.
TEST_P(StoreContract, EveryEffectOfAnEntryIsInTheStateHash) {
  Put("a", "1");
  Entry([](Store& store) { store.GrantLease({LeaseId(7), 60, 0}); });
  ASSERT_TRUE(store_->Flush().ok());
  const std::vector<std::function<void(Store&)>> effects = {
      [](Store&) {},
      [](Store& store) { PutIn(store, "a", "1"); },
      [](Store& store) { PutIn(store, "a", "2"); },
      [](Store& store) { PutIn(store, "b", "1"); },
      [](Store& store) { PutIn(store, "b", "1", 7); },
      [](Store& store) { DeleteIn(store, "a"); },
      [](Store& store) { EXPECT_TRUE(store.Compact(Revision(1)).ok()); },
      [](Store& store) { EXPECT_TRUE(store.Compact(Revision(2)).ok()); },
      [](Store& store) {
        store.GrantLease({LeaseId(8), 60, 0});
      },
      [](Store& store) {
        store.GrantLease({LeaseId(8), 61, 0});
      },
      [](Store& store) { store.CheckpointLease(LeaseId(7), 5); },
      [](Store& store) { EXPECT_TRUE(store.RevokeLease(LeaseId(7)).ok()); },
      [](Store& store) { store.PutRecord(Table::kAuth, "u", "v"); },
      [](Store& store) { store.PutRecord(Table::kAlarms, "u", "v"); },
      [](Store& store) { store.PutRecord(Table::kAuth, "uv", ""); },
      [](Store& store) { store.DeleteRecord(Table::kAuth, "u"); },
  };
  std::set<uint64_t> hashes;
  for (const auto& effect : effects) {
    Entry(effect);
    hashes.insert(store_->state_hash());
    CrashAndReopen();
  }
  EXPECT_EQ(hashes.size(), effects.size());
}

TEST_P(StoreContract, WhatAMemberIsGivenBeforeTheFirstEntryIsNotInTheStateHash) {
  const uint64_t before = store_->state_hash();
  store_->BeginEntry(LogIndex(0), Term(0));
  store_->PutRecord(Table::kCluster, "name", "m1");
  store_->EndEntry();
  EXPECT_TRUE(store_->CommitBatch().ok());
  EXPECT_EQ(store_->state_hash(), before);
}

TEST_P(StoreContract, AMembersOwnRecordsAreNotInTheStateHash) {
  Put("a", "1");
  const uint64_t before = store_->state_hash();
  store_->BeginOwn();
  store_->PutRecord(Table::kCluster, "name", "m1");
  store_->DeleteRecord(Table::kCluster, "id");
  store_->EndEntry();
  EXPECT_TRUE(store_->CommitBatch().ok());
  EXPECT_EQ(store_->state_hash(), before);
  FlushAndReopen();
  EXPECT_EQ(store_->state_hash(), before);
}

TEST_P(StoreContract, AStateThatBeginsAnewGoesOnFromTheHashItHad) {
  std::set<uint64_t> hashes = {store_->state_hash()};
  for (const std::string value : {"1", "2"}) {
    Put("a", value);
    store_->BeginOwn();
    store_->BeginAnew(Revision(1000));
    store_->EndEntry();
    EXPECT_TRUE(store_->CommitBatch().ok());
    hashes.insert(store_->state_hash());
    const uint64_t hash = store_->state_hash();
    FlushAndReopen();
    EXPECT_EQ(store_->state_hash(), hash);
  }
  EXPECT_EQ(hashes.size(), 3u);
}

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STORE_CONTRACT_H_
