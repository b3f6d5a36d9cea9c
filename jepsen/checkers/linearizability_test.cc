#include "jepsen/checkers/linearizability.h"

#include <algorithm>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

using Kind = RegisterOperation::Kind;
using Value = std::optional<std::string>;
using History = std::vector<RegisterOperation>;

RegisterOperation Read(Value value, Time invoked, Time returned, std::string key = "k") {
  return {
      .key = std::move(key), .value = std::move(value), .invoked = invoked, .returned = returned};
}
RegisterOperation Write(Value value, Time invoked, Time returned, std::string key = "k") {
  return {.key = std::move(key),
          .kind = Kind::kWrite,
          .value = std::move(value),
          .outcome = returned == kNever ? Outcome::kUnknown : Outcome::kOk,
          .invoked = invoked,
          .returned = returned};
}
RegisterOperation Cas(Value expected, Value value, bool swapped, Time invoked, Time returned) {
  return {.key = "k",
          .kind = Kind::kCompareAndSet,
          .value = std::move(value),
          .expected = std::move(expected),
          .swapped = swapped,
          .outcome = returned == kNever ? Outcome::kUnknown : Outcome::kOk,
          .invoked = invoked,
          .returned = returned};
}

TEST(CheckRegisters, AReadMaySeeEitherOfTwoWritesUnderWay) {
  EXPECT_TRUE(CheckRegisters({Write("a", 0, 10), Write("b", 0, 10), Read("a", 11, 12)}).holds());
  EXPECT_TRUE(CheckRegisters({Write("a", 0, 10), Write("b", 0, 10), Read("b", 11, 12)}).holds());
}

TEST(CheckRegisters, AReadOfWhatWasOverwrittenBeforeItBeganIsStale) {
  const Verdict verdict = CheckRegisters({Write("a", 0, 1), Write("b", 2, 3), Read("a", 4, 5)});
  EXPECT_TRUE(verdict.broken());
  EXPECT_NE(verdict.why.find("'a'"), std::string::npos) << verdict;
}

TEST(CheckRegisters, TwoReadsInSequenceDoNotGoBack) {
  const History history = {Write("a", 0, 1), Write("b", 2, 20), Read("b", 3, 4), Read("a", 5, 6)};
  EXPECT_TRUE(CheckRegisters(history).broken());
}

TEST(CheckRegisters, AnAcknowledgedWriteIsNotLost) {
  EXPECT_TRUE(CheckRegisters({Write("a", 0, 1), Read(std::nullopt, 2, 3)}).broken());
}

TEST(CheckRegisters, AWriteOfUnknownOutcomeMayTakeEffectLateOrNever) {
  EXPECT_TRUE(CheckRegisters({Write("a", 0, kNever), Read(std::nullopt, 1, 2)}).holds());
  EXPECT_TRUE(
      CheckRegisters({Write("a", 0, kNever), Read(std::nullopt, 1, 2), Read("a", 3, 4)}).holds());
  EXPECT_TRUE(
      CheckRegisters({Write("a", 0, kNever), Read("a", 1, 2), Read(std::nullopt, 3, 4)}).broken());
}

TEST(CheckRegisters, WhatWasRefusedWasNeverWritten) {
  RegisterOperation write = Write("a", 0, 1);
  write.outcome = Outcome::kRefused;
  EXPECT_TRUE(CheckRegisters({write, Read(std::nullopt, 2, 3)}).holds());
  EXPECT_TRUE(CheckRegisters({write, Read("a", 2, 3)}).broken());
}

TEST(CheckRegisters, OfTwoSwapsFromOneValueOneSucceeds) {
  const History good = {Write("a", 0, 1), Cas("a", "b", true, 2, 9), Cas("a", "c", false, 2, 9)};
  EXPECT_TRUE(CheckRegisters(good).holds());
  const History bad = {Write("a", 0, 1), Cas("a", "b", true, 2, 9), Cas("a", "c", true, 2, 9)};
  EXPECT_TRUE(CheckRegisters(bad).broken());
}

TEST(CheckRegisters, ASwapThatFailedSawAnotherValue) {
  EXPECT_TRUE(CheckRegisters({Write("a", 0, 1), Cas("a", "b", false, 2, 3)}).broken());
}

TEST(CheckRegisters, ASwapOfUnknownOutcomeSwapsWhereItCan) {
  EXPECT_TRUE(
      CheckRegisters({Write("a", 0, 1), Cas("a", "b", true, 2, kNever), Read("b", 4, 5)}).holds());
  EXPECT_TRUE(
      CheckRegisters({Write("a", 0, 1), Cas("x", "b", true, 2, kNever), Read("b", 4, 5)}).broken());
}

TEST(CheckRegisters, KeysAreIndependent) {
  EXPECT_TRUE(CheckRegisters({Write("a", 0, 1, "k"), Read(std::nullopt, 2, 3, "l")}).holds());
  const Verdict verdict =
      CheckRegisters({Write("a", 0, 1, "k"), Write("a", 0, 1, "l"), Read("b", 2, 3, "l")});
  EXPECT_TRUE(verdict.broken());
  EXPECT_NE(verdict.why.find("key 'l'"), std::string::npos) << verdict;
}

TEST(CheckRegisters, WhatPassesTheBoundIsUndecidedAndNotGood) {
  History history;
  for (int i = 0; i < 30; ++i) history.push_back(Write(std::to_string(i), 0, 100));
  history.push_back(Read("never written", 200, 201));
  EXPECT_EQ(CheckRegisters(history, {.states_max = 1000}).kind, Verdict::Kind::kUndecided);
}

// Histories made by a register, each operation taking effect within its time, are accepted; with
// one answer changed to a value that nobody wrote they are not.
TEST(CheckRegisters, AcceptsWhatARegisterDidAndConvictsAChangedAnswer) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    SeededRandom random(seed);
    struct Planned {
      Time effect;
      RegisterOperation operation;
    };
    std::vector<Planned> plan;
    for (int i = 0; i < 60; ++i) {
      const Time begin = static_cast<Time>(random.Below(1000));
      const Time end = begin + 2 + static_cast<Time>(random.Below(80));
      const Time effect = begin + static_cast<Time>(random.Below(end - begin));
      const std::string value = std::to_string(random.Below(4));
      const std::string expected = std::to_string(random.Below(4));
      switch (random.Below(3)) {
        case 0:
          plan.push_back({effect, Read({}, begin, end)});
          break;
        case 1:
          plan.push_back({effect, Write(value, begin, random.Below(10) == 0 ? kNever : end)});
          break;
        default:
          plan.push_back({effect, Cas(expected, value, true, begin, end)});
      }
    }
    std::stable_sort(plan.begin(), plan.end(),
                     [](const Planned& a, const Planned& b) { return a.effect < b.effect; });
    Value value;
    History history;
    for (Planned& planned : plan) {
      RegisterOperation& operation = planned.operation;
      if (operation.kind == Kind::kRead) operation.value = value;
      if (operation.kind == Kind::kWrite) value = operation.value;
      if (operation.kind == Kind::kCompareAndSet) {
        operation.swapped = value == operation.expected;
        if (operation.swapped) value = operation.value;
      }
      history.push_back(operation);
    }
    EXPECT_TRUE(CheckRegisters(history).holds()) << "seed " << seed;
    for (RegisterOperation& operation : history) {
      if (operation.kind != Kind::kRead) continue;
      operation.value = "nobody wrote this";
      break;
    }
    EXPECT_TRUE(CheckRegisters(history).broken()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace keelson::checkers
