#include "server/auth/bcrypt.h"

#include <string>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

TEST(BcryptTest, AHashIsOfItsPasswordOnly) {
  const auto hash = HashPassword("secret", kBcryptCostMin);
  ASSERT_TRUE(hash.ok()) << hash.status();
  EXPECT_TRUE(hash->starts_with("$2b$04$")) << *hash;
  EXPECT_TRUE(PasswordMatches("secret", *hash));
  EXPECT_FALSE(PasswordMatches("Secret", *hash));
  EXPECT_FALSE(PasswordMatches("", *hash));
}

TEST(BcryptTest, TwoHashesOfAPasswordDiffer) {
  EXPECT_NE(*HashPassword("secret", kBcryptCostMin), *HashPassword("secret", kBcryptCostMin));
}

TEST(BcryptTest, AnEmptyPasswordIsOneToo) {
  const auto hash = HashPassword("", kBcryptCostMin);
  ASSERT_TRUE(hash.ok());
  EXPECT_TRUE(PasswordMatches("", *hash));
  EXPECT_FALSE(PasswordMatches("x", *hash));
}

// Openwall's own vector; etcd's library writes $2a$.
TEST(BcryptTest, HashesMadeElsewhereAreKnown) {
  EXPECT_TRUE(
      PasswordMatches("U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
  EXPECT_FALSE(
      PasswordMatches("U*V", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"));
}

TEST(BcryptTest, WhatBcryptWouldCutShortIsRefused) {
  EXPECT_TRUE(HashPassword(std::string(72, 'x'), kBcryptCostMin).ok());
  EXPECT_EQ(HashPassword(std::string(73, 'x'), kBcryptCostMin).status().message(),
            "bcrypt: password length exceeds 72 bytes");
  const std::string with_zero("abc\0def", 7);
  EXPECT_FALSE(HashPassword(with_zero, kBcryptCostMin).ok());
  EXPECT_FALSE(PasswordMatches(with_zero, *HashPassword("abc", kBcryptCostMin)));
}

TEST(BcryptTest, WhatIsNoHashMatchesNothing) {
  EXPECT_FALSE(PasswordMatches("", ""));
  EXPECT_FALSE(PasswordMatches("x", "x"));
  EXPECT_FALSE(PasswordMatches("*0", std::string(60, '*')));
  EXPECT_FALSE(PasswordMatches("x", "$2b$99$" + std::string(53, 'a')));
}

}  // namespace
}  // namespace keelson::server
