// How a member that joins finds itself in what a running cluster says of its members.
#include "server/join.h"

#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/testing/text_proto.h"

namespace keelson::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Bootstrap Running(const std::string& members) {
  const auto list = FromText<etcdserverpb::MemberListResponse>(members);
  return {.cluster_id = 7, .members = {list.members().begin(), list.members().end()}};
}

constexpr char kTwo[] =
    "members { ID: 5 name: 'a' peerURLs: 'http://a:1' } members { ID: 6 peerURLs: 'http://b:1' }";
constexpr char kOne[] = "members { ID: 5 name: 'a' peerURLs: 'http://a:1' }";

class JoinTest : public testing::Test {
 protected:
  JoinTest() {
    config_.name = "b";
    config_.initial_cluster = {{"a", {"http://a:1"}}, {"b", {"http://b:1"}}};
  }

  // "7: 5 6", or the error; what each URL answers is in answers_.
  std::string Find() {
    const auto found = FindCluster(config_, [this](const Url& url) -> absl::StatusOr<Bootstrap> {
      asked_.push_back(url.text);
      const auto answer = answers_.find(url.text);
      if (answer == answers_.end()) return absl::UnavailableError("nobody there");
      return Running(answer->second);
    });
    if (!found.ok()) return std::string(found.status().message());
    std::string text = std::to_string(found->cluster_id) + ":";
    for (const auto& member : found->members) text += " " + std::to_string(member.id());
    return text;
  }

  Config config_;
  std::map<std::string, std::string> answers_;
  std::vector<std::string> asked_;
};

TEST_F(JoinTest, AMemberFindsTheClusterAndItself) {
  answers_["http://a:1"] = kTwo;
  EXPECT_EQ(Find(), "7: 5 6");
  EXPECT_THAT(asked_, ElementsAre("http://a:1"));
  EXPECT_EQ(OwnId(config_, Running(kTwo)), NodeId(6));
}

TEST_F(JoinTest, TheNextIsAskedWhenOneDoesNotAnswerOrLagsBehind) {
  config_.name = "c";
  config_.initial_cluster["c"] = {"http://c:1"};
  answers_["http://b:1"] = std::string(kTwo) + "members { ID: 9 peerURLs: 'http://c:1' }";
  EXPECT_EQ(Find(), "7: 5 6 9");
  answers_["http://a:1"] = kTwo;
  EXPECT_EQ(Find(), "7: 5 6 9");
}

TEST_F(JoinTest, ThatNobodyAnswersIsTold) {
  EXPECT_EQ(Find(), "cannot fetch cluster info from http://a:1: nobody there");
  config_.initial_cluster.erase("a");
  EXPECT_EQ(Find(), "--initial-cluster names no other member");
}

TEST_F(JoinTest, OtherMembersThanThoseOfTheFlagsAreRefused) {
  answers_["http://a:1"] = kOne;
  EXPECT_THAT(Find(), HasSubstr("member count is unequal; its members are 5 http://a:1"));
  answers_["http://a:1"] = std::string(kOne) + "members { ID: 6 peerURLs: 'http://c:1' }";
  EXPECT_THAT(Find(), HasSubstr("no match found for existing member 6"));
  // Two of the cluster cannot both be the same of the flags.
  answers_["http://a:1"] = std::string(kOne) + "members { ID: 6 peerURLs: 'http://a:1' }";
  EXPECT_THAT(Find(), HasSubstr("no match found for existing member 6"));
}

TEST_F(JoinTest, AMemberThatTheClusterKnowsDoesNotBeginAnew) {
  const Bootstrap bootstrap = Running(kTwo);
  const auto check = [&](const std::string& answer, uint64_t cluster = 7) {
    const absl::Status status =
        CheckNotBootstrapped(config_, bootstrap, [&](const Url&) -> absl::StatusOr<Bootstrap> {
          if (answer.empty()) return absl::UnavailableError("nobody there");
          Bootstrap running = Running(answer);
          running.cluster_id = cluster;
          return running;
        });
    return status.ok() ? "ok" : std::string(status.message());
  };
  const std::string known =
      std::string(kOne) + "members { ID: 6 peerURLs: 'http://b:1' clientURLs: 'http://b:2' }";
  EXPECT_THAT(check(known), HasSubstr("member 6 has already been bootstrapped: http://a:1 knows"));
  EXPECT_EQ(check(known, /*cluster=*/8), "ok");
  EXPECT_EQ(check(kTwo), "ok") << "it has not been there yet";
  EXPECT_EQ(check(""), "ok");
}

TEST_F(JoinTest, TheOrderOfUrlsDoesNotMatter) {
  config_.initial_cluster["b"] = {"http://b:2", "http://b:1"};
  answers_["http://a:1"] =
      std::string(kOne) + "members { ID: 6 peerURLs: 'http://b:1' peerURLs: 'http://b:2' }";
  EXPECT_EQ(Find(), "7: 5 6");
}

}  // namespace
}  // namespace keelson::server
