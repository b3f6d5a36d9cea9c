#include "base/shared_bytes.h"

#include "gtest/gtest.h"

namespace keelson {
namespace {

TEST(SharedBytesTest, SliceOutlivesTheWhole) {
  SharedBytes slice;
  {
    SharedBytes whole(std::string("abcdefghijklmnopqrstuvwxyz"));
    slice = whole.Slice(2, 3);
  }
  EXPECT_EQ(slice.view(), "cde");
}

TEST(SharedBytesTest, ChainKeepsOrderAndDropsEmptyPieces) {
  ByteChain chain(std::string("ab"));
  chain.Append(SharedBytes());
  ByteChain tail(std::string("cd"));
  chain.Append(tail);
  EXPECT_EQ(chain.size(), 4u);
  EXPECT_EQ(chain.pieces().size(), 2u);
  EXPECT_EQ(chain.Flatten(), "abcd");
}

}  // namespace
}  // namespace keelson
