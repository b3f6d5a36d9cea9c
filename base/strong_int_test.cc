#include "base/strong_int.h"

#include <type_traits>

#include "base/types.h"
#include "gtest/gtest.h"

namespace keelson {
namespace {

static_assert(!std::is_convertible_v<Term, LogIndex>);
static_assert(!std::is_convertible_v<uint64_t, Term>);

TEST(StrongIntTest, CountsAndCompares) {
  LogIndex i(5);
  EXPECT_EQ(++i, LogIndex(6));
  EXPECT_EQ(i + 4, LogIndex(10));
  EXPECT_EQ(LogIndex(3) - LogIndex(7), -4);
  EXPECT_LT(Term(1), Term(2));
  EXPECT_FALSE(NodeId());
}

}  // namespace
}  // namespace keelson
