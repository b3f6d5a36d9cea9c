#include "server/feature_gates.h"

#include <string>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

bool Enabled(const std::string& text, std::string_view gate) {
  const auto gates = FeatureGates::Parse(text);
  EXPECT_TRUE(gates.ok()) << gates.status();
  return gates.ok() && gates->enabled(gate);
}

std::string Refusal(const std::string& text) {
  const auto gates = FeatureGates::Parse(text);
  EXPECT_TRUE(absl::IsInvalidArgument(gates.status())) << gates.status();
  const std::string message(gates.status().message());
  return message.substr(message.find(": ") + 2);
}

TEST(FeatureGatesTest, AGateIsWhatItIsInEtcdUnlessItIsNamed) {
  EXPECT_FALSE(Enabled("", "InitialCorruptCheck"));
  EXPECT_TRUE(Enabled("", "FastLeaseKeepAlive"));
  EXPECT_TRUE(Enabled("InitialCorruptCheck=true", "InitialCorruptCheck"));
  EXPECT_FALSE(Enabled("FastLeaseKeepAlive=false", "FastLeaseKeepAlive"));
  EXPECT_TRUE(Enabled("PriorityRequest=false, InitialCorruptCheck=1,", "InitialCorruptCheck"));
  EXPECT_FALSE(Enabled("InitialCorruptCheck=true,InitialCorruptCheck=F", "InitialCorruptCheck"));
}

TEST(FeatureGatesTest, AllOfAStageAreMeantButThoseThatAreNamed) {
  EXPECT_TRUE(Enabled("AllAlpha=true", "InitialCorruptCheck"));
  EXPECT_FALSE(Enabled("AllAlpha=true,InitialCorruptCheck=false", "InitialCorruptCheck"));
  EXPECT_FALSE(Enabled("InitialCorruptCheck=false,AllAlpha=true", "InitialCorruptCheck"));
  EXPECT_FALSE(Enabled("AllBeta=false", "FastLeaseKeepAlive"));
  EXPECT_FALSE(Enabled("AllBeta=true", "InitialCorruptCheck"));
}

TEST(FeatureGatesTest, WhatEtcdDoesNotKnowIsRefused) {
  EXPECT_EQ(Refusal("InitialCorruptCheck"), "missing bool value for InitialCorruptCheck");
  EXPECT_EQ(Refusal("InitialCorruptCheck=yes"), "invalid value of InitialCorruptCheck=yes");
  EXPECT_EQ(Refusal("initialCorruptCheck=true"), "unrecognized feature gate: initialCorruptCheck");
  EXPECT_EQ(Refusal("LeaseCheckpointPersist=true"),
            "LeaseCheckpointPersist requires LeaseCheckpoint");
}

}  // namespace
}  // namespace keelson::server
