#include "base/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace keelson {
namespace {

// Vectors from RFC 3720, appendix B.4.
TEST(CrcTest, AgreesWithThePublishedVectors) {
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  std::string ascending;
  for (char c = 0; c < 32; ++c) ascending.push_back(c);
  EXPECT_EQ(Crc32c(ascending), 0x46dd794eu);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
}

TEST(CrcTest, ExtendingIsTheSameAsOneCall) {
  const std::string text = "a backbone that carries its load without bending";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32cExtend(Crc32c(text.substr(0, cut)), text.substr(cut)), Crc32c(text));
  }
}

}  // namespace
}  // namespace keelson
