#include "server/auth/granted_ranges.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

using storage::KeyRange;

const std::string kFromKey(1, '\0');

TEST(GrantedRangesTest, NothingIsGrantedInTheBeginning) {
  GrantedRanges ranges;
  EXPECT_FALSE(ranges.Covers(KeyRange::FromWire("a", "")));
  EXPECT_FALSE(ranges.Covers(KeyRange::FromWire("a", kFromKey)));
}

TEST(GrantedRangesTest, RangesThatTouchAreOne) {
  GrantedRanges ranges;
  ranges.Add(KeyRange::FromWire("a", "b"));
  ranges.Add(KeyRange::FromWire("c", "d"));
  ranges.Add(KeyRange::FromWire("b", "c"));
  ranges.Merge();
  EXPECT_EQ(ranges.size(), 1u);
  EXPECT_TRUE(ranges.Covers(KeyRange::FromWire("a", "d")));
  EXPECT_FALSE(ranges.Covers(KeyRange::FromWire("a", "d0")));
}

TEST(GrantedRangesTest, AKeyAndTheKeysBehindItAreOneRange) {
  GrantedRanges ranges;
  ranges.Add(KeyRange::FromWire("a", ""));
  ranges.Add(KeyRange::FromWire(std::string("a\0", 2), "b"));
  ranges.Merge();
  EXPECT_TRUE(ranges.Covers(KeyRange::FromWire("a", "b")));
}

TEST(GrantedRangesTest, AnOpenRangeCoversAllBehindItsBegin) {
  GrantedRanges ranges;
  ranges.Add(KeyRange::FromWire("m", kFromKey));
  ranges.Add(KeyRange::FromWire("z", "zz"));
  ranges.Merge();
  EXPECT_EQ(ranges.size(), 1u);
  EXPECT_TRUE(ranges.Covers(KeyRange::FromWire("zzz", kFromKey)));
  EXPECT_FALSE(ranges.Covers(KeyRange::FromWire("l", kFromKey)));
}

TEST(GrantedRangesTest, ARangeWithoutAKeyAsksForItsBegin) {
  GrantedRanges ranges;
  ranges.Add(KeyRange::FromWire("m", "p"));
  ranges.Merge();
  EXPECT_TRUE(ranges.Covers(KeyRange::FromWire("n", "b")));
  EXPECT_FALSE(ranges.Covers(KeyRange::FromWire("q", "b")));
}

// Keys of one letter, and what lies between two of them: 2 * 8 places.
class Model {
 public:
  static constexpr int kLetters = 8;
  static std::string Key(int letter) { return std::string(1, static_cast<char>('a' + letter)); }

  void Add(int begin, int end) {
    for (int place = begin; place < end; ++place) granted_[static_cast<size_t>(place)] = true;
  }
  bool Covers(int begin, int end) const {
    for (int place = begin; place < end; ++place) {
      if (!granted_[static_cast<size_t>(place)]) return false;
    }
    return true;
  }
  // The places of letter .. letter of a range; the last place stands for all behind the letters.
  static constexpr int kPlaces = 2 * kLetters + 1;

 private:
  std::vector<bool> granted_ = std::vector<bool>(kPlaces);
};

struct Drawn {
  std::string key, end;
  int begin_place, end_place;
};

Drawn Draw(SeededRandom& random) {
  const int begin = static_cast<int>(random.Below(Model::kLetters));
  switch (random.Below(4)) {
    case 0:
      return {Model::Key(begin), "", 2 * begin, 2 * begin + 1};
    case 1:
      if (random.Below(4) == 0) {
        return {Model::Key(begin), kFromKey, 2 * begin, Model::kPlaces};
      }
      [[fallthrough]];
    default: {
      const int end = begin + 1 + static_cast<int>(random.Below(Model::kLetters));
      return {Model::Key(begin), Model::Key(end), 2 * begin, std::min(2 * end, Model::kPlaces - 1)};
    }
  }
}

TEST(GrantedRangesTest, AgreesWithAListOfAllPlaces) {
  ForSeeds(300, [](uint64_t seed) {
    SeededRandom random(seed);
    GrantedRanges ranges;
    Model model;
    for (uint64_t grants = random.Below(6); grants > 0; --grants) {
      const Drawn drawn = Draw(random);
      ranges.Add(KeyRange::FromWire(drawn.key, drawn.end));
      // A range that ends behind the letters grants them and what is between, not all behind them.
      model.Add(drawn.begin_place, drawn.end_place);
    }
    ranges.Merge();
    for (int i = 0; i < 50; ++i) {
      const Drawn asked = Draw(random);
      if (asked.end > Model::Key(Model::kLetters)) continue;
      ASSERT_EQ(ranges.Covers(KeyRange::FromWire(asked.key, asked.end)),
                model.Covers(asked.begin_place, asked.end_place))
          << asked.key << " " << asked.end;
    }
  });
}

}  // namespace
}  // namespace keelson::server
