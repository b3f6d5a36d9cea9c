// The records of auth: golden bytes, which docs/on-disk-format.md shows too, and bytes that may be
// anything.
#include "server/auth/auth_records.h"

#include <cstdio>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/seed.h"

namespace keelson::server {
namespace {

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<uint8_t>(c));
    hex += two;
  }
  return hex;
}

std::string DocumentWithoutSpace() {
  std::ifstream file("../docs/on-disk-format.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  std::erase_if(all, [](char c) { return c == ' ' || c == '\n'; });
  return all;
}

AuthUser Alice() {
  AuthUser user;
  user.password_hash = "$2b$";
  user.roles = {"dev", "root"};
  return user;
}

AuthRole Dev() {
  AuthRole role;
  role.permissions = {{Access::kReadWrite, "a", "b"},
                      {Access::kRead, "c", ""},
                      {Access::kWrite, "d", std::string(1, '\0')}};
  return role;
}

TEST(AuthRecordsTest, BytesAreGoldenAndDocumented) {
  const std::string document = DocumentWithoutSpace();
  const auto expect = [&document](const std::string& bytes, const std::string& golden) {
    EXPECT_EQ(Hex(bytes), golden);
    EXPECT_THAT(document, testing::HasSubstr(golden));
  };
  expect(kAuthStateKey, "6d");
  expect(EncodeAuthState({true, 258}), "01010201000000000000");
  expect(AuthUserKey("alice"), "75616c696365");
  expect(EncodeAuthUser(Alice()),
         "0100042432622402036465760"
         "4726f6f74");
  AuthUser without;
  without.no_password = true;
  expect(EncodeAuthUser(without), "01010000");
  expect(AuthRoleKey("dev"), "72646576");
  expect(EncodeAuthRole(Dev()), "01030201610162000163000101640100");
}

TEST(AuthRecordsTest, WhatIsWrittenIsRead) {
  AuthState state;
  ASSERT_TRUE(ParseAuthState(EncodeAuthState({true, 7}), state));
  EXPECT_EQ(state, (AuthState{true, 7}));
  AuthUser user;
  ASSERT_TRUE(ParseAuthUser(EncodeAuthUser(Alice()), user));
  EXPECT_EQ(user, Alice());
  AuthRole role;
  ASSERT_TRUE(ParseAuthRole(EncodeAuthRole(Dev()), role));
  EXPECT_EQ(role, Dev());
  std::string name;
  ASSERT_TRUE(ParseAuthUserKey(AuthUserKey("x"), name));
  EXPECT_EQ(name, "x");
  EXPECT_FALSE(ParseAuthRoleKey(AuthUserKey("x"), name));
  EXPECT_FALSE(ParseAuthUserKey("", name));
}

TEST(AuthRecordsTest, AnotherVersionIsRefused) {
  AuthState state;
  AuthUser user;
  AuthRole role;
  const auto next = [](std::string bytes) {
    bytes[0] = 2;
    return bytes;
  };
  EXPECT_FALSE(ParseAuthState(next(EncodeAuthState({})), state));
  EXPECT_FALSE(ParseAuthUser(next(EncodeAuthUser(Alice())), user));
  EXPECT_FALSE(ParseAuthRole(next(EncodeAuthRole(Dev())), role));
}

TEST(AuthRecordsTest, RolesOutOfOrderAreRefused) {
  AuthUser user;
  user.roles = {"b", "a"};
  EXPECT_FALSE(ParseAuthUser(EncodeAuthUser(user), user));
  user.roles = {"a", "a"};
  EXPECT_FALSE(ParseAuthUser(EncodeAuthUser(user), user));
}

// In a buffer of exactly their size, so that the sanitizers see a step past the end.
TEST(AuthRecordsTest, AnyBytesAreRefusedOrEncodeBackToThemselves) {
  ForSeeds(1, [](uint64_t seed) {
    SeededRandom random(seed);
    const std::string corpus[] = {EncodeAuthState({true, 9}), EncodeAuthUser(Alice()),
                                  EncodeAuthRole(Dev()), ""};
    for (int i = 0; i < 200000; ++i) {
      std::string bytes = corpus[random.Below(4)];
      for (uint64_t edits = 1 + random.Below(4); edits > 0; --edits) {
        const size_t at = random.Below(bytes.size() + 1);
        if (random.Below(3) == 0 || at == bytes.size()) {
          bytes.insert(at, 1, static_cast<char>(random.Next()));
        } else if (random.Below(2) == 0) {
          bytes.erase(at, 1 + random.Below(4));
        } else {
          bytes[at] = static_cast<char>(random.Next());
        }
      }
      const std::unique_ptr<char[]> exact(new char[bytes.size()]);
      std::copy(bytes.begin(), bytes.end(), exact.get());
      const std::string_view view(exact.get(), bytes.size());
      AuthState state;
      AuthUser user;
      AuthRole role;
      if (ParseAuthState(view, state)) {
        ASSERT_EQ(EncodeAuthState(state), bytes);
      }
      if (ParseAuthUser(view, user)) {
        ASSERT_EQ(EncodeAuthUser(user), bytes);
      }
      if (ParseAuthRole(view, role)) {
        ASSERT_EQ(EncodeAuthRole(role), bytes);
      }
    }
  });
}

}  // namespace
}  // namespace keelson::server
