#include "server/downgrade.h"

#include <string>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

std::string Check(const std::string& version) {
  const auto target = CheckDowngradeTarget(version, "3.7.0");
  return target.ok() ? *target : std::string(target.status().message());
}

TEST(DowngradeTest, TheTargetIsTheMinorVersionBefore) {
  EXPECT_EQ(Check("3.6"), "3.6.0");
  EXPECT_EQ(Check("3.6.0"), "3.6.0");
  EXPECT_EQ(Check("3.6.14"), "3.6.0") << "a cluster's version has no patch level";
  for (const std::string version : {"3.7", "3.5", "3.8", "2.6", "4.6", "3.7.0"}) {
    EXPECT_EQ(Check(version), "etcdserver: invalid downgrade target version") << version;
  }
}

TEST(DowngradeTest, WhatIsNoVersionIsTold) {
  for (const std::string version : {"", "3", "3.", "3.6.", "3.6.0.0", "v3.6", "3.-6", "3.06",
                                    " 3.6", "3.6 ", "a.b", "3.99999999999"}) {
    EXPECT_EQ(Check(version), "etcdserver: wrong downgrade target version format") << version;
  }
}

TEST(DowngradeTest, ClientsAreShownMajorAndMinor) { EXPECT_EQ(MajorMinor("3.7.0"), "3.7"); }

}  // namespace
}  // namespace keelson::server
