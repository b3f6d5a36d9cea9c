#include "server/key_matcher.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using storage::KeyRange;

KeyRange One(std::string_view key) { return {key, {}, false}; }
KeyRange Between(std::string_view begin, std::string_view end) { return {begin, end, false}; }
KeyRange From(std::string_view begin) { return {begin, {}, true}; }

std::vector<int> Found(const KeyMatcher<int>& matcher, std::string_view key) {
  std::vector<int> found;
  matcher.ForEach(key, [&](int watcher) { found.push_back(watcher); });
  return found;
}

using List = std::vector<int>;

TEST(KeyMatcherTest, FindsSingleKeysAndRanges) {
  KeyMatcher<int> matcher;
  matcher.Add(One("b"), 1);
  matcher.Add(Between("a", "c"), 2);
  matcher.Add(From("b"), 3);
  EXPECT_EQ(Found(matcher, "a"), (List{2}));
  EXPECT_EQ(Found(matcher, "b"), (List{1, 2, 3}));
  EXPECT_EQ(Found(matcher, "b0"), (List{2, 3}));
  EXPECT_EQ(Found(matcher, "c"), (List{3}));
  EXPECT_EQ(Found(matcher, ""), (List{}));
}

TEST(KeyMatcherTest, AnEmptyKeyBeginsTheWholeSpace) {
  KeyMatcher<int> matcher;
  matcher.Add(From(""), 1);
  EXPECT_EQ(Found(matcher, ""), (List{1}));
  EXPECT_EQ(Found(matcher, "\xff"), (List{1}));
}

TEST(KeyMatcherTest, EqualRangesKeepTheirOrder) {
  KeyMatcher<int> matcher;
  for (const int watcher : {5, 3, 9}) matcher.Add(Between("a", "c"), watcher);
  matcher.Remove(Between("a", "c"), 3);
  EXPECT_EQ(Found(matcher, "b"), (List{5, 9}));
}

TEST(KeyMatcherTest, ARangeToTheEndIsNotTheRangeToAnEmptyKey) {
  KeyMatcher<int> matcher;
  matcher.Add(From("b"), 1);
  matcher.Add(One("b"), 2);
  matcher.Remove(One("b"), 2);
  EXPECT_EQ(Found(matcher, "z"), (List{1}));
  matcher.Remove(From("b"), 1);
  EXPECT_TRUE(matcher.empty());
}

// Random ranges over a small alphabet, so that bounds meet often.
TEST(KeyMatcherTest, AgreesWithAListOfAllWatchers) {
  ForSeeds(30, [](uint64_t seed) {
    SeededRandom random(seed);
    struct Watcher {
      std::string begin, end;
      bool open_end;
      int id;
      KeyRange range() const { return {begin, end, open_end}; }
    };
    const auto key = [&random] {
      std::string text(random.Below(3), 'a');
      for (char& c : text) c = static_cast<char>('a' + random.Below(4));
      return text;
    };
    KeyMatcher<int> matcher;
    std::vector<Watcher> model;
    for (int i = 0; i < 600; ++i) {
      const uint64_t dice = random.Below(10);
      if (dice < 4) {
        Watcher w{key(), "", random.Below(4) == 0, i};
        if (!w.open_end && random.Below(3) != 0) {
          w.end = key();
          if (w.end <= w.begin) w.end = w.begin + "\x01";
        }
        matcher.Add(w.range(), w.id);
        model.push_back(w);
      } else if (dice < 8 && !model.empty()) {
        const auto gone = model.begin() + static_cast<int64_t>(random.Below(model.size()));
        matcher.Remove(gone->range(), gone->id);
        model.erase(gone);
      }
      const std::string probe = key();
      std::vector<int> expected;
      for (const Watcher& w : model) {
        if (w.range().Contains(probe)) expected.push_back(w.id);
      }
      std::vector<int> found = Found(matcher, probe);
      std::sort(found.begin(), found.end());
      ASSERT_EQ(found, expected) << "key " << probe << " step " << i;
    }
    for (const Watcher& w : model) matcher.Remove(w.range(), w.id);
    EXPECT_TRUE(matcher.empty());
  });
}

}  // namespace
}  // namespace keelson::server
