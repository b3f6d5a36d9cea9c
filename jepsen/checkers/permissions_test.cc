#include "jepsen/checkers/permissions.h"

#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

const std::string kToTheEnd(1, '\0');

Grant Read(std::string key, std::string end = "") { return {.read = true, .key = key, .end = end}; }
Grant Write(std::string key, std::string end = "") {
  return {.write = true, .key = key, .end = end};
}

// Auth is off until 10; from then on ann has `grants`, and from 20 on nobody has any.
std::vector<Permissions> Ann(std::vector<Grant> grants) {
  return {{},
          {.since = 10, .enabled = true, .grants = {{"ann", std::move(grants)}}},
          {.since = 20, .enabled = true, .grants = {}}};
}

Access At(Time invoked, Time returned, bool allowed, Access::Part part) {
  Access access;
  access.user = "ann";
  access.parts = {std::move(part)};
  access.allowed = allowed;
  access.invoked = invoked;
  access.returned = returned;
  return access;
}

TEST(CheckPermissions, WhatWasGrantedWithinTheCallIsAllowed) {
  const auto permissions = Ann({Read("a")});
  EXPECT_TRUE(CheckPermissions(permissions, {At(11, 12, true, {false, "a", ""})}).holds());
  EXPECT_TRUE(CheckPermissions(permissions, {At(19, 25, true, {false, "a", ""})}).holds());
  EXPECT_TRUE(CheckPermissions(permissions, {At(1, 2, true, {true, "b", ""})}).holds());
}

TEST(CheckPermissions, WhatWasNotGrantedAtAnyTimeOfTheCallIsNot) {
  const auto permissions = Ann({Read("a")});
  EXPECT_TRUE(CheckPermissions(permissions, {At(21, 25, true, {false, "a", ""})}).broken());
  EXPECT_TRUE(CheckPermissions(permissions, {At(11, 12, true, {true, "a", ""})}).broken());
  EXPECT_TRUE(CheckPermissions(permissions, {At(11, 12, true, {false, "b", ""})}).broken());
}

TEST(CheckPermissions, ARefusalHasAReasonToo) {
  const auto permissions = Ann({Read("a")});
  EXPECT_TRUE(CheckPermissions(permissions, {At(11, 19, false, {false, "a", ""})}).broken());
  EXPECT_TRUE(CheckPermissions(permissions, {At(11, 20, false, {false, "a", ""})}).holds());
  EXPECT_TRUE(CheckPermissions(permissions, {At(1, 9, false, {false, "a", ""})}).broken());
}

TEST(CheckPermissions, WhoMayBeBehindJudgesByWhatWas) {
  const auto permissions = Ann({Read("a")});
  Access access = At(21, 25, true, {false, "a", ""});
  access.may_be_old = true;
  EXPECT_TRUE(CheckPermissions(permissions, {access}).holds());
  access.parts[0].write = true;
  access.invoked = 11;
  access.user = "bob";
  EXPECT_TRUE(CheckPermissions(Ann({}), {access}).holds());  // it was off once
  access.allowed = false;
  access.returned = 5;
  EXPECT_TRUE(CheckPermissions(permissions, {access}).broken());
}

TEST(CheckPermissions, ARangeIsCoveredByGrantsTogether) {
  const auto allowed = [](std::vector<Grant> grants, Access::Part part) {
    return CheckPermissions(Ann(std::move(grants)), {At(11, 12, true, std::move(part))}).holds();
  };
  EXPECT_TRUE(allowed({Write("a", "c"), Write("c", "e")}, {true, "b", "d"}));
  EXPECT_FALSE(allowed({Write("a", "c"), Write("d", "e")}, {true, "b", "e"}));
  EXPECT_FALSE(allowed({Write("a", "c"), Read("c", "e")}, {true, "b", "d"}));
  EXPECT_TRUE(allowed({Write("a", kToTheEnd)}, {true, "b", kToTheEnd}));
  EXPECT_FALSE(allowed({Write("a", "z")}, {true, "b", kToTheEnd}));
  EXPECT_FALSE(allowed({}, {true, "b", ""}));
}

}  // namespace
}  // namespace keelson::checkers
