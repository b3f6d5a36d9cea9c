#include "raft/conf_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::raft {
namespace {

using Type = ConfChangeType;

std::vector<NodeId> Ids(std::vector<uint64_t> numbers) {
  std::vector<NodeId> ids;
  for (uint64_t number : numbers) ids.emplace_back(number);
  return ids;
}

bool IsLegal(const ConfState& conf) { return CheckConf(conf).ok(); }

SharedBytes Bytes(std::string_view bytes) { return SharedBytes::Copy(bytes); }
// Of a literal with zeroes in it.
template <size_t kSize>
std::optional<ConfChange> Decode(const char (&bytes)[kSize]) {
  return DecodeConfChange(Bytes({bytes, kSize - 1}));
}

// As in docs/on-disk-format.md.
const ConfChange kExample = {
    .transition = ConfTransition::kJointExplicit,
    .steps = {{Type::kAddVoter, NodeId{0x0102}}, {Type::kRemove, NodeId{3}}},
    .context = SharedBytes::Copy("hi")};
constexpr std::string_view kExampleHex =
    "01 02 02 00 00 00 00 00 00 00 01 02 01 00 00 00 00 00 00 00 03 68 69";

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    if (!hex.empty()) hex += ' ';
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return hex;
}

std::string WithoutSpace(std::string text) {
  std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
  return text;
}

TEST(ConfCheck, EveryRuleIsHeld) {
  EXPECT_TRUE(IsLegal({}));
  EXPECT_TRUE(IsLegal({.voters = Ids({1, 2, 3}), .learners = Ids({4, 9})}));
  EXPECT_TRUE(IsLegal({.voters = Ids({1, 4}),
                       .learners = Ids({5}),
                       .voters_outgoing = Ids({1, 2, 3}),
                       .learners_next = Ids({2, 3}),
                       .auto_leave = true}));

  EXPECT_FALSE(IsLegal({.voters = Ids({0, 1})})) << "0";
  EXPECT_FALSE(IsLegal({.voters = Ids({1, 1})})) << "twice";
  EXPECT_FALSE(IsLegal({.voters = Ids({2, 1})})) << "descending";
  EXPECT_FALSE(IsLegal({.voters = Ids({1}), .learners = Ids({3, 2})}));
  EXPECT_FALSE(IsLegal({.voters = Ids({1}), .voters_outgoing = Ids({3, 2})}));
  EXPECT_FALSE(
      IsLegal({.voters = Ids({1}), .voters_outgoing = Ids({2, 3}), .learners_next = Ids({3, 2})}));

  EXPECT_FALSE(IsLegal({.learners = Ids({1})})) << "no voter";
  EXPECT_FALSE(IsLegal({.voters_outgoing = Ids({1})})) << "no voter";
  EXPECT_FALSE(IsLegal({.auto_leave = true})) << "no voter";
  EXPECT_FALSE(IsLegal({.voters = Ids({1, 2}), .learners = Ids({2, 3})})) << "both";
  EXPECT_FALSE(IsLegal({.voters = Ids({1}), .learners = Ids({2}), .voters_outgoing = Ids({1, 2})}))
      << "a learner that still votes";
  EXPECT_FALSE(
      IsLegal({.voters = Ids({1}), .voters_outgoing = Ids({1, 2}), .learners_next = Ids({1})}))
      << "would be both";
  EXPECT_FALSE(
      IsLegal({.voters = Ids({1}), .voters_outgoing = Ids({1, 2}), .learners_next = Ids({3})}))
      << "need not wait";
  EXPECT_FALSE(IsLegal({.voters = Ids({1}), .learners_next = Ids({2})})) << "not joint";
  EXPECT_FALSE(IsLegal({.voters = Ids({1}), .auto_leave = true})) << "not joint";
}

TEST(ConfCheck, AChangeOfAnIllegalConfigurationIsRefused) {
  const ConfState illegal = {.voters = Ids({2, 1})};
  const std::vector<ConfChangeStep> steps = {{Type::kAddVoter, NodeId{3}}};
  EXPECT_EQ(ApplyConfChange(illegal, {.steps = steps}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ChangeDirectly(illegal, steps).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(ConfDescription, SaysWhatIsThere) {
  EXPECT_EQ(Describe(ConfState{}), "voters=()");
  EXPECT_EQ(Describe(ConfState{.voters = Ids({1, 20})}), "voters=(1 20)");
  EXPECT_EQ(Describe(ConfState{.voters = Ids({1, 2, 3}),
                               .learners = Ids({5}),
                               .voters_outgoing = Ids({1, 4}),
                               .learners_next = Ids({4}),
                               .auto_leave = true}),
            "voters=(1 2 3)&&(1 4) learners=(5) learners_next=(4) autoleave");
}

TEST(ConfChangeBytes, AreTheDocumentedOnes) {
  EXPECT_EQ(Hex(EncodeConfChange(kExample).view()), kExampleHex);
  std::ifstream file("../docs/on-disk-format.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(WithoutSpace(text.str()), testing::HasSubstr(WithoutSpace(std::string(kExampleHex))))
      << "docs/on-disk-format.md does not show the example";
  EXPECT_EQ(DecodeConfChange(EncodeConfChange(kExample)), kExample);
}

TEST(ConfChangeBytes, LeavingIsTheShortestChange) {
  EXPECT_EQ(Hex(EncodeConfChange({}).view()), "01 00 00");
  EXPECT_TRUE(IsLeave(*Decode("\1\0\0")));
  EXPECT_TRUE(IsLeave(*Decode("\1\0\0context")));
}

TEST(ConfChangeBytes, WhatIsMalformedOrLaterIsRefused) {
  ASSERT_TRUE(Decode("\1\0\1\0\0\0\0\0\0\0\0\7"));
  EXPECT_FALSE(Decode(""));
  EXPECT_FALSE(Decode("\0\0\1\0\0\0\0\0\0\0\0\7")) << "version";
  EXPECT_FALSE(Decode("\2\0\1\0\0\0\0\0\0\0\0\7")) << "version";
  EXPECT_FALSE(Decode("\1\3\1\0\0\0\0\0\0\0\0\7")) << "transition";
  EXPECT_FALSE(Decode("\1\0\1\4\0\0\0\0\0\0\0\7")) << "type";
  EXPECT_FALSE(Decode("\1\0\2\0\0\0\0\0\0\0\0\7")) << "one step of two";
  EXPECT_FALSE(Decode("\1\0\1\0\0\0\0\0\0\0\0")) << "a step cut short";
  EXPECT_FALSE(Decode("\1\0\x81\0\0\0\0\0\0\0\0\0\7")) << "a count with a needless byte";
  EXPECT_FALSE(Decode("\1\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1")) << "more than there can be";
}

TEST(ConfChangeBytes, TheContextKeepsTheBytesItLiesIn) {
  std::optional<ConfChange> change = DecodeConfChange(EncodeConfChange(kExample));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->context.view(), "hi");
}

}  // namespace
}  // namespace keelson::raft
