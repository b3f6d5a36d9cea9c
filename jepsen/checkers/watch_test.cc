#include "jepsen/checkers/watch.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

// 2: a put, 3: b put, 4: a and c put, 5: a deleted, 6: b put.
class WatchTest : public testing::Test {
 protected:
  WatchTest() {
    Apply({Put("a", 2, 2, 1)});
    Apply({Put("b", 3, 3, 1)});
    Apply({Put("a", 2, 4, 2), Put("c", 4, 4, 1)});
    Change deletion{true, {}};
    deletion.kv.key = "a";
    deletion.kv.mod_revision = 5;
    Apply({deletion});
    Apply({Put("b", 3, 6, 2)});
  }
  static Change Put(std::string key, int64_t create, int64_t mod, int64_t version) {
    return {false, {std::move(key), "v", create, mod, version, 0}};
  }
  void Apply(KeySpace::Changes changes) { EXPECT_TRUE(truth_.Apply(std::move(changes)).holds()); }

  static WatchAnswer Created(int64_t revision) { return {.revision = revision, .created = true}; }
  static WatchAnswer Bookmark(int64_t revision) { return {.revision = revision}; }
  // The events of these revisions in one answer.
  WatchAnswer Events(std::vector<int64_t> revisions, int64_t header = 6) {
    WatchAnswer answer{.revision = header};
    for (const int64_t revision : revisions) {
      for (const Change& change : truth_.At(revision)) answer.events.push_back(change);
    }
    return answer;
  }
  // Of a watch of everything from `start`.
  Verdict Check(int64_t start, std::vector<WatchAnswer> answers, int64_t complete = 0) {
    return CheckWatch(truth_, compacted_,
                      {.key = std::string(1, '\0'),
                       .end = std::string(1, '\0'),
                       .streams = {{.start_revision = start, .answers = std::move(answers)}},
                       .complete_through = complete});
  }

  KeySpace truth_;
  int64_t compacted_ = 0;
};

TEST_F(WatchTest, AcceptsEverythingInOrderHoweverItIsCut) {
  EXPECT_TRUE(Check(2, {Created(6), Events({2, 3, 4, 5, 6})}, 6).holds());
  const Verdict verdict =
      Check(2, {Created(3), Events({2}), Events({3, 4}), Bookmark(6), Events({5})});
  EXPECT_TRUE(verdict.broken());  // 5 comes after a bookmark at 6
  EXPECT_TRUE(
      Check(2, {Created(3), Events({2}), Events({3, 4}), Events({5}), Events({6}), Bookmark(6)})
          .holds());
}

TEST_F(WatchTest, OrderedAndUnique) {
  EXPECT_TRUE(Check(2, {Created(6), Events({3}), Events({2})}).broken());
  EXPECT_TRUE(Check(2, {Created(6), Events({2}), Events({2})}).broken());
}

TEST_F(WatchTest, Reliable) {
  EXPECT_TRUE(Check(2, {Created(6), Events({2}), Events({4})}).broken());
  EXPECT_TRUE(Check(2, {Created(6), Events({2, 3})}, 6).broken());
  EXPECT_TRUE(Check(2, {Created(6), Events({2, 3})}, 3).holds());
}

TEST_F(WatchTest, Atomic) {
  WatchAnswer half = Events({4});
  half.events.pop_back();
  EXPECT_TRUE(Check(4, {Created(6), half}).broken());
  WatchAnswer rest = Events({4});
  rest.events.erase(rest.events.begin());
  EXPECT_TRUE(Check(4, {Created(6), half, rest}).broken());
  half.fragment = true;
  EXPECT_TRUE(Check(4, {Created(6), half, rest}).holds());
  WatchAnswer turned = Events({4});
  std::swap(turned.events[0], turned.events[1]);
  EXPECT_TRUE(Check(4, {Created(6), turned}).broken());
}

TEST_F(WatchTest, Resumable) {
  EXPECT_TRUE(Check(4, {Created(6), Events({4, 5, 6})}, 6).holds());
  EXPECT_TRUE(Check(4, {Created(6), Events({3, 4})}).broken());
  EXPECT_TRUE(Check(4, {Created(6), Events({5})}).broken());
}

TEST_F(WatchTest, FromNowOnBeginsBehindTheRevisionOfItsCreation) {
  EXPECT_TRUE(Check(0, {Created(4), Events({5, 6})}, 6).holds());
  EXPECT_TRUE(Check(0, {Created(4), Events({4, 5})}).broken());
  EXPECT_TRUE(Check(0, {Created(4), Events({6})}).broken());
}

TEST_F(WatchTest, ABookmarkSaysThatNothingBeforeItIsMissing) {
  EXPECT_TRUE(Check(2, {Created(2), Events({2}, 2), Bookmark(2), Events({3})}).holds());
  EXPECT_TRUE(Check(2, {Created(6), Events({2}), Bookmark(3)}).broken());
  // None to whom the future is what it asked for.
  EXPECT_TRUE(Check(9, {Created(6), Bookmark(6)}).broken());
}

TEST_F(WatchTest, AnAnswerIsNotOlderThanItsEventsNorThanTheOneBefore) {
  EXPECT_TRUE(Check(2, {Created(6), Events({2, 3}, 2)}).broken());
  EXPECT_TRUE(Check(2, {Created(6), Events({2}, 6), Events({3}, 5)}).broken());
}

TEST_F(WatchTest, OneThatMovesMayComeToAMemberThatIsBehind) {
  WatchHistory history{.key = std::string(1, '\0'), .end = std::string(1, '\0')};
  history.streams.push_back(
      {.start_revision = 2, .answers = {Created(6), Events({2, 3}), Bookmark(3)}, .moves = true});
  EXPECT_TRUE(CheckWatch(truth_, 0, history).holds());
  history.streams[0].answers.push_back(Events({3}));
  EXPECT_TRUE(CheckWatch(truth_, 0, history).broken());
  history.streams[0].answers.pop_back();
  history.streams[0].moves = false;
  EXPECT_TRUE(CheckWatch(truth_, 0, history).broken());
}

TEST_F(WatchTest, ValuesAreThoseThatWereWritten) {
  WatchAnswer answer = Events({2});
  answer.events[0].kv.value = "other";
  EXPECT_TRUE(Check(2, {Created(6), answer}).broken());
  answer = Events({2});
  answer.events[0].deleted = true;
  EXPECT_TRUE(Check(2, {Created(6), answer}).broken());
}

TEST_F(WatchTest, ACompactionIsToldWithoutASilentGap) {
  compacted_ = 4;
  WatchAnswer cancelled{.revision = 6, .cancelled = true, .compact_revision = 4};
  EXPECT_TRUE(Check(2, {Created(6), cancelled}).holds());
  EXPECT_TRUE(Check(4, {Created(6), cancelled}).broken());  // it needs nothing from before
  EXPECT_TRUE(Check(2, {Created(6), cancelled, Events({4})}).broken());
  cancelled.compact_revision = 5;
  EXPECT_TRUE(Check(2, {Created(6), cancelled}).broken());
}

TEST_F(WatchTest, KeysAndFiltersChooseTheEvents) {
  WatchHistory history{.key = "a",
                       .no_deletes = true,
                       .streams = {{.start_revision = 2, .answers = {Created(6)}}},
                       .complete_through = 6};
  for (const int64_t revision : {2, 4}) {
    history.streams[0].answers.push_back({.revision = 6, .events = {truth_.At(revision).front()}});
  }
  EXPECT_TRUE(CheckWatch(truth_, 0, history).holds()) << CheckWatch(truth_, 0, history);
  history.no_deletes = false;
  EXPECT_TRUE(CheckWatch(truth_, 0, history).broken());
}

TEST_F(WatchTest, SeveralStreamsAreCheckedOneByOne) {
  WatchHistory history{.key = std::string(1, '\0'), .end = std::string(1, '\0')};
  history.streams.push_back({.start_revision = 2, .answers = {Created(6), Events({2, 3})}});
  history.streams.push_back({.start_revision = 4, .answers = {Created(6), Events({4, 5, 6})}});
  history.complete_through = 6;
  EXPECT_TRUE(CheckWatch(truth_, 0, history).holds());
  history.streams[1].answers[1].events.pop_back();
  EXPECT_TRUE(CheckWatch(truth_, 0, history).broken());
}

}  // namespace
}  // namespace keelson::checkers
