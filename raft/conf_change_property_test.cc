// Random changes of membership against what they are by definition: of a change only the last word
// on each node counts.
//
//   KEELSON_SEED=7 raft_test --gtest_filter='ConfChangeProperty.*'
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "raft/conf_change.h"
#include "raft/testing/quorum_definition.h"
#include "raft/testing/seed.h"

namespace keelson::raft {
namespace {

using Type = ConfChangeType;
using Steps = std::vector<ConfChangeStep>;

Half AllOf(const std::set<NodeId>& ids) { return {ids.begin(), ids.end()}; }

bool Has(const Half& ids, NodeId id) { return std::find(ids.begin(), ids.end(), id) != ids.end(); }

std::string DescribeSteps(const Steps& steps) {
  static constexpr char kLetters[] = {'v', 'r', 'u', 'l'};
  std::string text;
  for (const ConfChangeStep& step : steps) {
    text += ' ';
    text += kLetters[static_cast<int>(step.type)];
    text += std::to_string(step.node.value());
  }
  return text;
}

// What `change` makes of a configuration, from the rules; nullopt: it is refused.
std::optional<ConfState> Expected(const ConfState& conf, const Steps& steps, bool joint,
                                  bool auto_leave) {
  std::map<NodeId, Type> last_word;
  for (NodeId id : conf.voters) last_word[id] = Type::kAddVoter;
  for (NodeId id : conf.learners) last_word[id] = Type::kAddLearner;
  for (const ConfChangeStep& step : steps) {
    if (step.node && step.type != Type::kUpdate) last_word[step.node] = step.type;
  }
  ConfState next = {.voters_outgoing = joint ? conf.voters : Half{}, .auto_leave = auto_leave};
  for (const auto& [id, word] : last_word) {
    if (word == Type::kAddVoter) next.voters.push_back(id);
    if (word != Type::kAddLearner) continue;
    (Has(next.voters_outgoing, id) ? next.learners_next : next.learners).push_back(id);
  }
  if (next.voters.empty()) return std::nullopt;
  return next;
}

std::optional<ConfState> ExpectedOfDirect(const ConfState& conf, const Steps& steps) {
  if (conf.IsJoint()) return std::nullopt;
  std::optional<ConfState> next = Expected(conf, steps, /*joint=*/false, /*auto_leave=*/false);
  if (!next) return std::nullopt;
  Half changed;
  std::set_symmetric_difference(conf.voters.begin(), conf.voters.end(), next->voters.begin(),
                                next->voters.end(), std::back_inserter(changed));
  return changed.size() <= 1 ? next : std::nullopt;
}

std::optional<ConfState> ExpectedOf(const ConfState& conf, const ConfChange& change) {
  const bool automatic = change.transition == ConfTransition::kAuto;
  if (automatic && change.steps.empty()) {
    if (!conf.IsJoint()) return std::nullopt;
    std::set<NodeId> learners(conf.learners.begin(), conf.learners.end());
    learners.insert(conf.learners_next.begin(), conf.learners_next.end());
    return ConfState{.voters = conf.voters, .learners = AllOf(learners)};
  }
  if (automatic && change.steps.size() == 1) return ExpectedOfDirect(conf, change.steps);
  if (conf.IsJoint() || conf.voters.empty()) return std::nullopt;
  return Expected(conf, change.steps, /*joint=*/true,
                  change.transition != ConfTransition::kJointExplicit);
}

class ConfChangeProperty : public ::testing::Test {
 protected:
  static constexpr int kRuns = 20000;

  // Of nodes first..last.
  Steps RandomSteps(uint64_t count, uint64_t first, uint64_t last) {
    Steps steps(count);
    for (ConfChangeStep& step : steps) {
      step = {Type{static_cast<uint8_t>(random_.Below(4))},
              NodeId{first + random_.Below(last - first + 1)}};
    }
    return steps;
  }
  ConfTransition RandomTransition() {
    return ConfTransition{static_cast<uint8_t>(random_.Below(3))};
  }
  // Not joint; with at least one voter, node 1.
  ConfState RandomConf(uint64_t last) {
    ConfState conf = {.voters = {NodeId{1}}};
    for (uint64_t id = 2; id <= last; ++id) {
      const uint64_t role = random_.Below(3);
      if (role == 0) conf.voters.emplace_back(id);
      if (role == 1) conf.learners.emplace_back(id);
    }
    return conf;
  }
  std::string RandomBytes(uint64_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random_.Below(256));
    return bytes;
  }
  // A leave more often than chance would have it, since hardly anything else is legal when joint.
  ConfChange RandomChange() {
    if (random_.Below(4) == 0) return {};
    return {.transition = RandomTransition(),
            .steps = RandomSteps(random_.Below(5), 0, 5),
            .context = SharedBytes(RandomBytes(random_.Below(20)))};
  }
  ConfChange RandomChangeOfAnyNode() {
    ConfChange change = RandomChange();
    for (ConfChangeStep& step : change.steps) step.node = NodeId{random_.Next()};
    if (random_.Below(10) == 0) change.steps.resize(200, {Type::kUpdate, NodeId{~uint64_t{0}}});
    return change;
  }

  SeededRandom random_{TestSeed()};
};

Halves HalvesOf(const ConfState& conf) { return {conf.voters, conf.voters_outgoing}; }

TEST_F(ConfChangeProperty, AChangeDoesTheLastWordOnEachNodeOrIsRefused) {
  ConfState conf;
  int refused = 0;
  int joint = 0;
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    if (random_.Below(50) == 0) conf = {};
    const ConfChange change = RandomChange();
    const bool direct = random_.Below(4) == 0;
    SCOPED_TRACE(Describe(conf) + (direct ? " direct" : "") + DescribeSteps(change.steps));
    const absl::StatusOr<ConfState> next =
        direct ? ChangeDirectly(conf, change.steps) : ApplyConfChange(conf, change);
    const std::optional<ConfState> expected =
        direct ? ExpectedOfDirect(conf, change.steps) : ExpectedOf(conf, change);
    ASSERT_EQ(next.ok(), expected.has_value()) << next.status();
    if (next.ok()) {
      EXPECT_EQ(*next, *expected) << Describe(*next);
      EXPECT_TRUE(CheckConf(*next).ok()) << CheckConf(*next);
      conf = *next;
      joint += conf.IsJoint() ? 1 : 0;
    } else {
      EXPECT_EQ(next.status().code(), absl::StatusCode::kFailedPrecondition);
      ++refused;
    }
  }
  EXPECT_GT(refused, kRuns / 100);
  EXPECT_GT(joint, kRuns / 100);
}

// The safety of it all: no decision of a configuration can be missed by the next one.
TEST_F(ConfChangeProperty, MajoritiesOfOneConfigurationAndTheNextIntersect) {
  ConfState conf = {.voters = {NodeId{1}}};
  int changed = 0;
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const ConfChange change = RandomChange();
    const absl::StatusOr<ConfState> next =
        random_.Below(4) == 0 ? ChangeDirectly(conf, change.steps) : ApplyConfChange(conf, change);
    if (!next.ok() || *next == conf) continue;
    ++changed;
    EXPECT_FALSE(CanDecideApart(HalvesOf(conf), HalvesOf(*next)))
        << Describe(conf) << " to " << Describe(*next);
    conf = *next;
  }
  EXPECT_GT(changed, kRuns / 10);
}

TEST_F(ConfChangeProperty, WithoutAJointConfigurationTheyNeedNot) {
  const auto voters = [](std::vector<uint64_t> ids) {
    Half half;
    for (uint64_t id : ids) half.emplace_back(id);
    return Halves{half};
  };
  EXPECT_TRUE(CanDecideApart(voters({1, 2, 3}), voters({1, 4, 5})));
  EXPECT_TRUE(CanDecideApart(voters({1}), voters({2})));
  EXPECT_TRUE(CanDecideApart(voters({1, 2}), voters({1, 2, 3, 4, 5})));
  EXPECT_FALSE(CanDecideApart(voters({1, 2}), voters({1, 2, 3})));
  EXPECT_FALSE(CanDecideApart({voters({1})[0], voters({2})[0]}, voters({2})));
}

TEST_F(ConfChangeProperty, JointAndLeftComesToTheSameAsStepByStep) {
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const ConfState before = RandomConf(6);
    // Node 1 stays a voter, so that every step is legal by itself.
    const Steps steps = RandomSteps(random_.Below(8), 2, 8);
    SCOPED_TRACE(Describe(before) + DescribeSteps(steps));
    ConfState simple = before;
    for (const ConfChangeStep& step : steps) {
      const absl::StatusOr<ConfState> next = ApplyConfChange(simple, {.steps = {step}});
      ASSERT_TRUE(next.ok()) << next.status();
      simple = *next;
    }
    for (const ConfTransition transition :
         {ConfTransition::kJointImplicit, ConfTransition::kJointExplicit}) {
      const absl::StatusOr<ConfState> joint =
          ApplyConfChange(before, {.transition = transition, .steps = steps});
      ASSERT_TRUE(joint.ok()) << joint.status();
      EXPECT_TRUE(joint->IsJoint());
      EXPECT_EQ(joint->auto_leave, transition == ConfTransition::kJointImplicit);
      const absl::StatusOr<ConfState> left = ApplyConfChange(*joint, {});
      ASSERT_TRUE(left.ok()) << left.status();
      EXPECT_EQ(*left, simple) << Describe(*left) << " for " << Describe(simple);
    }
  }
}

// The rules of ConfState, each as it is said, for every node by itself.
bool KeepsTheRules(const ConfState& conf) {
  const Half all =
      MembersOf({conf.voters, conf.learners, conf.voters_outgoing, conf.learners_next});
  for (const Half* list :
       {&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next}) {
    if (*list != AllOf({list->begin(), list->end()})) return false;
  }
  for (NodeId id : all) {
    if (!id) return false;
    const bool votes = Has(conf.voters, id);
    const bool voted = Has(conf.voters_outgoing, id);
    if (Has(conf.learners, id) && (votes || voted)) return false;
    if (Has(conf.learners_next, id) && (votes || !voted)) return false;
  }
  const bool joint = !conf.voters_outgoing.empty();
  return (!conf.auto_leave || joint) && (!conf.voters.empty() || all.empty());
}

TEST_F(ConfChangeProperty, TheCheckHoldsExactlyTheRules) {
  const auto random_ids = [this] {
    Half ids;
    for (uint64_t id = random_.Below(20) == 0 ? 0 : 1; id <= 4; ++id) {
      if (random_.Below(3) == 0) ids.emplace_back(id);
    }
    if (ids.size() > 1 && random_.Below(20) == 0) std::swap(ids[0], ids[1]);
    if (!ids.empty() && random_.Below(20) == 0) ids.push_back(ids.back());
    return ids;
  };
  int legal = 0;
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const ConfState conf = {.voters = random_ids(),
                            .learners = random_ids(),
                            .voters_outgoing = random_.Below(2) == 0 ? Half{} : random_ids(),
                            .learners_next = random_.Below(2) == 0 ? Half{} : random_ids(),
                            .auto_leave = random_.Below(3) == 0};
    EXPECT_EQ(CheckConf(conf).ok(), KeepsTheRules(conf)) << Describe(conf) << CheckConf(conf);
    legal += CheckConf(conf).ok() ? 1 : 0;
  }
  EXPECT_GT(legal, kRuns / 100);
}

TEST_F(ConfChangeProperty, WhatIsEncodedIsReadBack) {
  for (int i = 0; i < kRuns && !HasFailure(); ++i) {
    const ConfChange change = RandomChangeOfAnyNode();
    EXPECT_EQ(DecodeConfChange(EncodeConfChange(change)), change);
  }
}

// Cut out of the whole: a step past the end would find what it looks for.
TEST_F(ConfChangeProperty, OnlyTheContextCanBeCutShort) {
  for (int i = 0; i < kRuns / 10 && !HasFailure(); ++i) {
    ConfChange change = RandomChangeOfAnyNode();
    const SharedBytes whole = EncodeConfChange(change);
    const size_t needed = whole.size() - change.context.size();
    const SharedBytes context = change.context;
    for (size_t size = 0; size < whole.size(); ++size) {
      const std::optional<ConfChange> decoded = DecodeConfChange(whole.Slice(0, size));
      EXPECT_EQ(decoded.has_value(), size >= needed) << size << " of " << whole.size();
      if (!decoded || size < needed) continue;
      change.context = context.Slice(0, size - needed);
      EXPECT_EQ(*decoded, change);
    }
  }
}

// Anything may come from a disk or a peer: it is refused, or it is what that change is encoded as.
TEST_F(ConfChangeProperty, AnyBytesAreRefusedOrEncodeBackToThemselves) {
  int read = 0;
  for (int i = 0; i < kRuns * 5 && !HasFailure(); ++i) {
    std::string bytes = random_.Below(4) == 0
                            ? RandomBytes(random_.Below(40))
                            : std::string(EncodeConfChange(RandomChange()).view());
    for (uint64_t n = random_.Below(3); n > 0 && !bytes.empty(); --n) {
      bytes[random_.Below(std::min<uint64_t>(bytes.size(), 16))] =
          static_cast<char>(random_.Next());
    }
    const std::optional<ConfChange> decoded = DecodeConfChange(SharedBytes(bytes));
    if (!decoded) continue;
    ++read;
    EXPECT_EQ(EncodeConfChange(*decoded).view(), bytes);
  }
  EXPECT_GT(read, kRuns / 10);
}

}  // namespace
}  // namespace keelson::raft
