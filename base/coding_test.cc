#include "base/coding.h"

#include <limits>

#include "gtest/gtest.h"

namespace keelson {
namespace {

TEST(CodingTest, BigEndianByteOrderIsNumericOrder) {
  std::string small, large;
  AppendBig64(small, 255);
  AppendBig64(large, 256);
  EXPECT_LT(small, large);
  EXPECT_EQ(large, std::string("\0\0\0\0\0\0\1\0", 8));
}

TEST(CodingTest, TakeReturnsWhatAppendWrote) {
  std::string bytes;
  AppendBig32(bytes, 7);
  AppendLittle64(bytes, 1ull << 40);
  AppendLittle32(bytes, 9);
  std::string_view view = bytes;
  uint32_t a, c;
  uint64_t b;
  ASSERT_TRUE(TakeBig32(view, a) && TakeLittle64(view, b) && TakeLittle32(view, c));
  EXPECT_EQ(a, 7u);
  EXPECT_EQ(b, 1ull << 40);
  EXPECT_EQ(c, 9u);
  EXPECT_TRUE(view.empty());
  EXPECT_FALSE(TakeBig32(view, a));
}

TEST(CodingTest, VarintRoundTripsAtItsEdges) {
  for (uint64_t v : {uint64_t{0}, uint64_t{127}, uint64_t{128}, uint64_t{1} << 35,
                     std::numeric_limits<uint64_t>::max()}) {
    std::string bytes;
    AppendVarint(bytes, v);
    std::string_view view = bytes;
    uint64_t back = 1;
    ASSERT_TRUE(TakeVarint(view, back));
    EXPECT_EQ(back, v);
    EXPECT_TRUE(view.empty());
  }
}

TEST(CodingTest, OverlongOrCutVarintIsRefusedAndTheViewIsKept) {
  uint64_t v;
  std::string_view cut("\x80", 1);
  EXPECT_FALSE(TakeVarint(cut, v));
  EXPECT_EQ(cut.size(), 1u);
  const std::string overlong(11, '\x80');
  std::string_view view = overlong;
  EXPECT_FALSE(TakeVarint(view, v));
  const std::string overflow = std::string(9, '\xff') + '\x02';
  view = overflow;
  EXPECT_FALSE(TakeVarint(view, v));
}

}  // namespace
}  // namespace keelson
