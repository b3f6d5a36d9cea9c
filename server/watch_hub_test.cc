#include "server/watch_hub.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/testing/manual_executor.h"
#include "server/testing/recording_sink.h"
#include "server/testing/text_proto.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using etcdserverpb::WatchCreateRequest;
using storage::KeyRange;

// A hub over a real store. Every change is an entry of its own, committed at once, unless it is
// made within Group.
class WatchHubTest : public testing::Test {
 protected:
  WatchHubTest() { MakeHub({}); }

  void MakeHub(const WatchHubOptions& options) {
    stream_.reset();
    hub_ = std::make_unique<WatchHub>(options, store_.get(), &executor_, &random_, [this] {
      return Header{7, NodeId(8), store_->revision(), Term(9)};
    });
    stream_ = hub_->Open(&sink_);
  }

  // The text form of a WatchCreateRequest.
  void Watch(const std::string& request) { stream_->Create(FromText<WatchCreateRequest>(request)); }
  std::string Take() {
    executor_.RunPosted();
    return sink_.Take();
  }

  void Entry(const std::function<void()>& changes) {
    store_->BeginEntry(store_->applied() + 1, Term(1));
    changes();
    for (auto& event : store_->EndEntry()) events_.push_back(std::move(event));
    if (!grouping_) Commit();
  }
  void Commit() {
    ASSERT_TRUE(store_->CommitBatch().ok());
    hub_->OnEvents(std::exchange(events_, {}), store_->revision());
  }
  // What `changes` does came in a snapshot.
  void Replace(const std::function<void()>& changes) {
    grouping_ = true;
    changes();
    grouping_ = false;
    ASSERT_TRUE(store_->CommitBatch().ok());
    events_.clear();
    hub_->OnStoreReplaced();
  }
  // What `changes` does is one group of entries.
  void Group(const std::function<void()>& changes) {
    grouping_ = true;
    changes();
    grouping_ = false;
    Commit();
  }
  void PutInEntry(const std::string& key, const std::string& value) {
    ASSERT_TRUE(store_->Put(key, value, {}, false).ok());
  }
  void DeleteInEntry(const std::string& key, const std::string& end = "") {
    ASSERT_TRUE(store_->DeleteRange(KeyRange::FromWire(key, end), false).ok());
  }
  void Put(const std::string& key, const std::string& value) {
    Entry([&] { PutInEntry(key, value); });
  }
  void Delete(const std::string& key) {
    Entry([&] { DeleteInEntry(key); });
  }
  void Compact(int64_t revision) {
    Entry([&] { ASSERT_TRUE(store_->Compact(Revision(revision)).ok()); });
  }

  static std::unique_ptr<storage::Store> OpenStore(const std::string& directory) {
    auto store = storage::Store::Open({.directory = directory});
    KV_CHECK(store.ok()) << store.status();
    return *std::move(store);
  }

  const storage::TemporaryDirectory directory_;
  FakeClock clock_;
  ManualExecutor executor_{&clock_};
  SeededRandom random_{1};
  const std::unique_ptr<storage::Store> store_ = OpenStore(directory_.File("store"));
  RecordingSink sink_;
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<WatchHub::Stream> stream_;
  std::vector<storage::StoredEvent> events_;
  bool grouping_ = false;
};

// ------------------------------------------------------------------------------------- create

TEST_F(WatchHubTest, CreatedIsAnsweredBeforeAnyEvent) {
  Put("a", "1");
  Watch("key: 'a' start_revision: 2");
  Put("a", "2");
  EXPECT_EQ(Take(), "0 created @2; 0 @3: put a=1 put a=2");
}

TEST_F(WatchHubTest, HeadersNameClusterAndMember) {
  Watch("key: 'a'");
  Put("a", "1");
  for (const auto& response : sink_.TakeResponses()) {
    EXPECT_EQ(response.header().cluster_id(), 7u);
    EXPECT_EQ(response.header().member_id(), 8u);
  }
}

TEST_F(WatchHubTest, IdsCountFromZeroAndSkipThoseInUse) {
  Watch("key: 'a' watch_id: 1");
  Watch("key: 'a'");
  Watch("key: 'a'");
  EXPECT_EQ(Take(), "1 created @1; 0 created @1; 2 created @1");
}

TEST_F(WatchHubTest, AnIdInUseIsRefusedAndTheFirstGoesOn) {
  Watch("key: 'a' watch_id: 5");
  Watch("key: 'b' watch_id: 5");
  Put("a", "1");
  Put("b", "1");
  EXPECT_EQ(Take(),
            "5 created @1; "
            "-1 created canceled @1 (mvcc: duplicate watch ID provided on the WatchStream); "
            "5 @2: put a=1");
}

TEST_F(WatchHubTest, AnEmptyRangeIsRefused) {
  Watch("key: 'b' range_end: 'a'");
  Watch("key: 'b' range_end: 'b'");
  EXPECT_EQ(Take(),
            "-1 created canceled @1 (mvcc: watcher range is empty); "
            "-1 created canceled @1 (mvcc: watcher range is empty)");
  EXPECT_EQ(hub_->watcher_count(), 0u);
}

TEST_F(WatchHubTest, ANegativeStartIsRefusedAsCompacted) {
  Watch("key: 'a' start_revision: -1");
  EXPECT_EQ(Take(),
            "-1 created canceled @1 (etcdserver: mvcc: required revision has been compacted)");
}

TEST_F(WatchHubTest, AnEmptyKeyIsTheFirstOfAll) {
  Watch("range_end: '\\0'");
  Watch("");
  Put(std::string(1, '\0'), "zero");
  Put("z", "1");
  EXPECT_EQ(sink_.TakeResponses().size(), 2u + 2u + 1u);
}

// --------------------------------------------------------------------------------------- live

TEST_F(WatchHubTest, AWatcherGetsItsRangeAndNothingElse) {
  Watch("key: 'b' range_end: 'd'");
  for (const char* key : {"a", "b", "c", "d"}) Put(key, "1");
  EXPECT_EQ(Take(), "0 created @1; 0 @3: put b=1; 0 @4: put c=1");
}

TEST_F(WatchHubTest, WithoutAStartItGetsWhatComesNext) {
  Put("a", "old");
  Watch("key: 'a'");
  Put("a", "new");
  EXPECT_EQ(Take(), "0 created @2; 0 @3: put a=new");
}

TEST_F(WatchHubTest, AllEventsOfARevisionComeInOneResponseInOrder) {
  Put("c", "0");
  Watch("key: '\\0' range_end: '\\0'");
  Entry([&] {
    PutInEntry("b", "1");
    DeleteInEntry("c");
    PutInEntry("a", "2");
  });
  EXPECT_EQ(Take(), "0 created @2; 0 @3: put b=1 del c put a=2");
}

TEST_F(WatchHubTest, AGroupOfEntriesComesInOneResponseInOrder) {
  Watch("key: 'a'");
  Group([&] {
    Put("a", "1");
    Put("b", "1");
    Delete("a");
    Put("a", "2");
  });
  EXPECT_EQ(Take(), "0 created @1; 0 @5: put a=1 del a put a=2");
}

TEST_F(WatchHubTest, ADeleteHasKeyAndRevisionOnly) {
  Put("a", "1");
  Watch("key: 'a'");
  Delete("a");
  const auto responses = sink_.TakeResponses();
  ASSERT_EQ(responses.size(), 2u);
  EXPECT_EQ(ToText(responses[1].events(0)), "type: DELETE kv { key: \"a\" mod_revision: 3 }");
}

TEST_F(WatchHubTest, PreviousValuesComeWhenAskedForAndThereWasOne) {
  Watch("key: 'a' prev_kv: true");
  Watch("key: 'a'");
  Put("a", "1");
  Put("a", "2");
  Delete("a");
  Put("a", "3");
  EXPECT_EQ(Take(),
            "0 created @1; 1 created @1; 0 @2: put a=1; 1 @2: put a=1; 0 @3: put a=2<1; "
            "1 @3: put a=2; 0 @4: del a<2; 1 @4: del a; 0 @5: put a=3; 1 @5: put a=3");
}

TEST_F(WatchHubTest, ThePreviousValueIsThatBeforeTheWholeRevision) {
  Put("a", "old");
  Watch("key: 'a' range_end: 'c' prev_kv: true");
  Entry([&] {
    PutInEntry("a", "new");
    DeleteInEntry("a");
    PutInEntry("b", "new");
    DeleteInEntry("b");
  });
  EXPECT_EQ(Take(), "0 created @2; 0 @3: put a=new<old del a<old put b=new del b");
}

TEST_F(WatchHubTest, FiltersDropPutsOrDeletes) {
  Watch("key: 'a' filters: NOPUT");
  Watch("key: 'a' filters: NODELETE");
  Watch("key: 'a' filters: NOPUT filters: NODELETE");
  Put("a", "1");
  Delete("a");
  EXPECT_EQ(Take(), "0 created @1; 1 created @1; 2 created @1; 1 @2: put a=1; 0 @3: del a");
}

TEST_F(WatchHubTest, AStartInTheFutureIsWaitedFor) {
  Watch("key: 'a' start_revision: 4");
  for (const char* value : {"2", "3", "4", "5"}) Put("a", value);
  EXPECT_EQ(Take(), "0 created @1; 0 @4: put a=4; 0 @5: put a=5");
}

TEST_F(WatchHubTest, ACancelledWatcherGetsNothingMore) {
  Watch("key: 'a'");
  Put("a", "1");
  stream_->Cancel(0);
  Put("a", "2");
  EXPECT_EQ(Take(), "0 created @1; 0 @2: put a=1; 0 canceled @2");
  stream_->Cancel(0);
  stream_->Cancel(99);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(hub_->watcher_count(), 0u);
}

TEST_F(WatchHubTest, ACancelWhileCatchingUpEndsIt) {
  Put("a", "1");
  Watch("key: 'a' start_revision: 2");
  stream_->Cancel(0);
  EXPECT_EQ(Take(), "0 created @2; 0 canceled @2");
}

TEST_F(WatchHubTest, AStreamThatEndsTakesItsWatchersAlong) {
  Put("a", "1");
  Watch("key: 'a'");
  Watch("key: 'a' start_revision: 2");
  stream_.reset();
  executor_.RunPosted();
  EXPECT_EQ(hub_->watcher_count(), 0u);
  Put("a", "2");
}

// ------------------------------------------------------------------------------------ history

TEST_F(WatchHubTest, HistoryIsReplayedFromTheStartInclusive) {
  for (const char* value : {"2", "3", "4"}) Put("a", value);
  Watch("key: 'a' start_revision: 3");
  EXPECT_EQ(Take(), "0 created @4; 0 @4: put a=3 put a=4");
  Put("a", "5");
  EXPECT_EQ(Take(), "0 @5: put a=5");
}

TEST_F(WatchHubTest, WhatIsAppliedWhileItCatchesUpComesOnce) {
  Put("a", "1");
  Watch("key: 'a' start_revision: 2");
  Put("a", "2");
  EXPECT_EQ(Take(), "0 created @2; 0 @3: put a=1 put a=2");
  Put("a", "3");
  EXPECT_EQ(Take(), "0 @4: put a=3");
}

TEST_F(WatchHubTest, HistoryComesInPiecesThatNeverCutARevision) {
  MakeHub({.catch_up_revisions = 2});
  sink_.Take();
  for (int i = 0; i < 3; ++i) {
    Entry([&] {
      PutInEntry("a", std::to_string(i));
      PutInEntry("b", std::to_string(i));
    });
  }
  Watch("key: 'a' range_end: 'c' start_revision: 1");
  EXPECT_EQ(Take(), "0 created @4; 0 @4: put a=0 put b=0 put a=1 put b=1; 0 @4: put a=2 put b=2");
}

// Not the order of their addresses, or two runs of a seed differ.
TEST_F(WatchHubTest, ThoseThatCatchUpTogetherAreServedInTheOrderTheyCame) {
  Put("a", "1");
  std::vector<std::unique_ptr<char[]>> holes;  // so that addresses fall as well as rise
  std::string expected;
  for (int i = 0; i < 64; ++i) {
    for (int size = 8; size < 600; size += 16) holes.emplace_back(new char[size]);
    if (i % 3 == 2) holes.clear();
    Watch("key: 'a' start_revision: 2");
    expected += (i == 0 ? "" : "; ") + std::to_string(i) + " @2: put a=1";
  }
  sink_.TakeResponses();
  EXPECT_EQ(Take(), expected);
}

TEST_F(WatchHubTest, HistoryIsBoundedInBytesToo) {
  MakeHub({.catch_up_bytes = 1});
  for (const char* value : {"1", "2", "3"}) Put("a", value);
  Watch("key: 'a' start_revision: 1");
  EXPECT_EQ(Take(), "0 created @4; 0 @4: put a=1; 0 @4: put a=2; 0 @4: put a=3");
}

TEST_F(WatchHubTest, HistoryHasFiltersAndPreviousValues) {
  Put("a", "1");
  Put("a", "2");
  Delete("a");
  Watch("key: 'a' start_revision: 2 prev_kv: true filters: NOPUT");
  Watch("key: 'a' start_revision: 2 prev_kv: true filters: NODELETE");
  EXPECT_EQ(Take(), "0 created @4; 1 created @4; 0 @4: del a<2; 1 @4: put a=1 put a=2<1");
}

TEST_F(WatchHubTest, AStartThatWasCompactedCancelsAndTellsTheRevision) {
  for (const char* value : {"2", "3", "4", "5"}) Put("a", value);
  Compact(4);
  Watch("key: 'a' start_revision: 3");
  EXPECT_EQ(Take(), "0 created @5; 0 canceled @0 compacted 4");
  Watch("key: 'a' start_revision: 4");
  EXPECT_EQ(Take(), "1 created @5; 1 @5: put a=4 put a=5");
}

TEST_F(WatchHubTest, APreviousValueThatWasCompactedIsLeftOut) {
  for (const char* value : {"2", "3", "4"}) Put("a", value);
  Compact(3);
  while (!store_->CompactStep(1000).value()) {
  }
  Watch("key: 'a' start_revision: 3 prev_kv: true");
  EXPECT_EQ(Take(), "0 created @4; 0 @4: put a=3 put a=4<3");
}

// --------------------------------------------------------------------- clients that do not read

TEST_F(WatchHubTest, AClientThatReadsAgainGetsWhatItMissedOnce) {
  Watch("key: 'a'");
  Put("a", "1");
  sink_.AllowWrites(0);
  Put("a", "2");
  Put("b", "2");
  Put("a", "3");
  EXPECT_EQ(Take(), "0 created @1; 0 @2: put a=1");
  sink_.AllowWrites(-1);
  stream_->OnWritable();
  EXPECT_EQ(Take(), "0 @5: put a=2 put a=3");
  Put("a", "4");
  EXPECT_EQ(Take(), "0 @6: put a=4");
}

TEST_F(WatchHubTest, OneThatStopsWithinAGroupMissesNothing) {
  Watch("key: 'a'");
  Watch("key: 'a' range_end: 'c'");
  sink_.Take();
  sink_.AllowWrites(1);
  Group([&] {
    Put("a", "1");
    Put("b", "2");
  });
  EXPECT_EQ(Take(), "0 @3: put a=1");
  sink_.AllowWrites(-1);
  stream_->OnWritable();
  EXPECT_EQ(Take(), "1 @3: put a=1 put b=2");
}

TEST_F(WatchHubTest, NothingIsQueuedForAClientThatDoesNotRead) {
  for (int i = 0; i < 10; ++i) Put("a", std::to_string(i));
  MakeHub({.catch_up_revisions = 1});
  sink_.AllowWrites(3);
  Watch("key: 'a' start_revision: 2");
  EXPECT_EQ(Take(), "0 created @11; 0 @11: put a=0; 0 @11: put a=1");
  executor_.Advance(absl::Seconds(1));
  sink_.AllowWrites(1);
  stream_->OnWritable();
  EXPECT_EQ(Take(), "0 @11: put a=2");
}

TEST_F(WatchHubTest, AnotherStreamIsNotHeldUp) {
  RecordingSink other;
  const auto stream = hub_->Open(&other);
  stream->Create(FromText<WatchCreateRequest>("key: 'a'"));
  Watch("key: 'a'");
  sink_.AllowWrites(0);
  Put("a", "1");
  EXPECT_EQ(other.Take(), "0 created @1; 0 @2: put a=1");
}

TEST_F(WatchHubTest, OneThatSleptPastACompactionIsCancelled) {
  Watch("key: 'a'");
  sink_.AllowWrites(0);
  Put("a", "1");
  Put("a", "2");
  Compact(3);
  sink_.AllowWrites(-1);
  stream_->OnWritable();
  EXPECT_EQ(Take(), "0 created @1; 0 canceled @0 compacted 3");
  EXPECT_EQ(hub_->watcher_count(), 0u);
}

TEST_F(WatchHubTest, WritableAgainWithNothingMissedIsNoNews) {
  Watch("key: 'a'");
  stream_->OnWritable();
  Put("a", "1");
  stream_->OnWritable();
  stream_->OnWritable();
  EXPECT_EQ(Take(), "0 created @1; 0 @2: put a=1");
}

// ---------------------------------------------------------------------------------- fragments

TEST_F(WatchHubTest, OnlyOneThatAsksForFragmentsGetsThem) {
  MakeHub({.fragment_bytes = 100});
  Watch("key: 'a' range_end: 'z' fragment: true");
  Watch("key: 'a' range_end: 'z'");
  const std::string value(60, 'x');
  Entry([&] {
    for (const char* key : {"a", "b", "c"}) PutInEntry(key, value);
  });
  EXPECT_EQ(Take(), "0 created @1; 1 created @1; 0 fragment @2: put a=" + value +
                        "; 0 fragment @2: put b=" + value + "; 0 @2: put c=" + value +
                        "; 1 @2: put a=" + value + " put b=" + value + " put c=" + value);
}

TEST_F(WatchHubTest, AnEventLargerThanAFragmentGoesAlone) {
  MakeHub({.fragment_bytes = 10});
  Watch("key: 'a' fragment: true");
  Put("a", std::string(50, 'x'));
  EXPECT_EQ(Take(), "0 created @1; 0 @2: put a=" + std::string(50, 'x'));
}

// ----------------------------------------------------------------------------------- progress

TEST_F(WatchHubTest, ProgressIsToldWhenAllAreSynced) {
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "");
  Watch("key: 'a'");
  Put("b", "1");
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "0 created @1; -1 @2");
}

TEST_F(WatchHubTest, ProgressIsNotToldWhileOneCatchesUp) {
  Put("a", "1");
  Watch("key: 'b'");
  Watch("key: 'a' start_revision: 2");
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "0 created @2; 1 created @2; 1 @2: put a=1");
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "-1 @2");
}

// etcd answers one revision later, when the start itself is reached; what is said is true already.
TEST_F(WatchHubTest, ProgressIsNotToldBeforeAFutureStart) {
  Watch("key: 'a' start_revision: 4");
  stream_->RequestProgress();
  Put("b", "2");
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "0 created @1");
  Put("b", "3");
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "-1 @3");
}

TEST_F(WatchHubTest, ProgressIsToldFromTimeToTimeToThoseThatAskedAndWereIdle) {
  MakeHub({.progress_interval = absl::Seconds(10)});
  Watch("key: 'a' progress_notify: true");
  Watch("key: 'a'");
  Put("b", "1");
  sink_.Take();
  executor_.Advance(absl::Seconds(11));
  EXPECT_EQ(Take(), "0 @2");
  Put("a", "1");
  EXPECT_EQ(Take(), "0 @3: put a=1; 1 @3: put a=1");
  executor_.Advance(absl::Seconds(10));
  EXPECT_EQ(Take(), "");  // it had an event in this interval
  executor_.Advance(absl::Seconds(10));
  EXPECT_EQ(Take(), "0 @3");
}

TEST_F(WatchHubTest, ProgressIsNotToldToOneThatLags) {
  MakeHub({.progress_interval = absl::Seconds(10)});
  Watch("key: 'a' progress_notify: true");
  sink_.Take();
  sink_.AllowWrites(0);
  Put("a", "1");
  executor_.Advance(absl::Seconds(30));
  stream_->RequestProgress();
  EXPECT_EQ(Take(), "");
}

// What is applied and not yet announced must not be promised: the store runs ahead inside a group.
TEST_F(WatchHubTest, WhatCameInASnapshotIsToldOnce) {
  Watch("key: 'a'");
  Watch("key: 'a' start_revision: 5");
  Put("a", "1");
  Replace([&] {
    Put("a", "2");
    Put("b", "2");
    Put("a", "3");
  });
  Put("a", "4");
  EXPECT_EQ(Take(),
            "0 created @1; 1 created @1; 0 @2: put a=1; 0 @6: put a=2 put a=3 put a=4; "
            "1 @6: put a=3 put a=4");
}

TEST_F(WatchHubTest, ASnapshotThatCompactedOnlyWhatWasToldCancelsNobody) {
  Watch("key: 'a'");
  for (int i = 0; i < 3; ++i) Put("b", "1");
  Replace([&] {
    Put("a", "1");
    Compact(5);
  });
  EXPECT_EQ(Take(), "0 created @1; 0 @5: put a=1");
}

TEST_F(WatchHubTest, ASnapshotThatCompactedWhatWasNotToldCancels) {
  Watch("key: 'a'");
  Put("b", "1");
  Replace([&] {
    for (int i = 0; i < 3; ++i) Put("b", "1");
    Compact(4);
  });
  EXPECT_EQ(Take(), "0 created @1; 0 canceled @0 compacted 4");
}

TEST_F(WatchHubTest, NothingIsSaidAboutAGroupBeforeItIsCommitted) {
  Watch("key: 'a'");
  grouping_ = true;
  Put("a", "1");
  stream_->RequestProgress();
  Watch("key: 'a'");
  Watch("key: 'a' start_revision: 1");
  EXPECT_EQ(Take(), "0 created @1; -1 @1; 1 created @1; 2 created @1");
  grouping_ = false;
  Commit();
  EXPECT_EQ(Take(), "0 @2: put a=1; 1 @2: put a=1; 2 @2: put a=1");
}

}  // namespace
}  // namespace keelson::server
