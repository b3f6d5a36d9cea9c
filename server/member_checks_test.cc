// etcd's rules against changes that could cost the quorum, on members described in a line.
#include "server/member_checks.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace keelson::server {
namespace {

constexpr char kUnhealthy[] = "etcdserver: unhealthy cluster";
constexpr char kNotStarted[] =
    "etcdserver: re-configuration failed due to not enough started members";

// "1 2 3- 4u 5*": this member is 1; "-" is not connected, "~" only just, "u" has not joined and
// "*" is a learner.
class MembersOf {
 public:
  explicit MembersOf(const std::string& text) {
    for (const std::string& word : std::vector<std::string>(absl::StrSplit(text, ' '))) {
      const auto has = [&word](char mark) { return word.find(mark) != std::string::npos; };
      etcdserverpb::Member& member = members_.emplace_back();
      member.set_id(static_cast<uint64_t>(word[0] - '0'));
      if (!has('u')) member.set_name("m");
      member.set_islearner(has('*'));
      connected_[NodeId(member.id())] = has('-') || has('u') ? absl::ZeroDuration()
                                        : has('~')           ? absl::Seconds(4)
                                                             : absl::Seconds(5);
    }
  }
  MembersView view() const {
    const auto connected_for = [this](NodeId id) {
      const auto found = connected_.find(id);
      return found == connected_.end() ? absl::ZeroDuration() : found->second;
    };
    return {NodeId(1), members_, connected_for, absl::Seconds(5)};
  }

 private:
  std::vector<etcdserverpb::Member> members_;
  std::map<NodeId, absl::Duration> connected_;
};

std::string Text(const absl::Status& status) {
  return status.ok() ? "ok" : std::string(status.message());
}
std::string AddVoter(const std::string& members) {
  return Text(CheckAddingVoter(MembersOf(members).view()));
}
std::string AddLearner(const std::string& members) {
  return Text(CheckAddingLearner(MembersOf(members).view()));
}
std::string Remove(const std::string& members, uint64_t id) {
  return Text(CheckRemoving(MembersOf(members).view(), NodeId(id)));
}
std::string Promote(const std::string& members) {
  return Text(CheckPromoting(MembersOf(members).view()));
}

TEST(MemberChecksTest, AVoterIsAddedWhereAQuorumOfTheEnlargedClusterIsStarted) {
  EXPECT_EQ(AddVoter("1"), "ok") << "one alone may grow";
  EXPECT_EQ(AddVoter("1 2u"), kNotStarted);
  EXPECT_EQ(AddVoter("1 2"), "ok");
  EXPECT_EQ(AddVoter("1 2 3u"), kNotStarted);
  EXPECT_EQ(AddVoter("1 2 3"), "ok");
  EXPECT_EQ(AddVoter("1 2 3 4u"), "ok");
  EXPECT_EQ(AddVoter("1 2 3*"), "ok") << "learners do not count";
}

TEST(MemberChecksTest, AMemberIsAddedWhereThisOneIsConnectedToAQuorumOfTheEnlargedCluster) {
  EXPECT_EQ(AddVoter("1 2 3-"), kUnhealthy);
  EXPECT_EQ(AddVoter("1 2 3~"), kUnhealthy) << "not yet for long enough";
  EXPECT_EQ(AddVoter("1 2 3 4 5-"), "ok");
  EXPECT_EQ(AddVoter("1 2 3 4- 5-"), kUnhealthy);
  EXPECT_EQ(AddLearner("1"), "ok");
  EXPECT_EQ(AddLearner("1 2u"), kUnhealthy);
  EXPECT_EQ(AddLearner("1 2 3-"), kUnhealthy);
  EXPECT_EQ(AddLearner("1 2 3"), "ok");
}

TEST(MemberChecksTest, AVoterGoesWhereTheRestHasAQuorum) {
  EXPECT_EQ(Remove("1 2 3", 2), "ok");
  EXPECT_EQ(Remove("1 2 3", 1), "ok");
  EXPECT_EQ(Remove("1 2 3-", 3), "ok") << "nothing is lost with one that is down";
  EXPECT_EQ(Remove("1 2 3-", 2), kUnhealthy);
  EXPECT_EQ(Remove("1 2 3~", 2), kUnhealthy);
  EXPECT_EQ(Remove("1 2 3~", 3), kUnhealthy) << "it is there, and the others are but a half";
  EXPECT_EQ(Remove("1 2", 2), "ok");
  EXPECT_EQ(Remove("1 2~", 2), kUnhealthy) << "etcd 3.4 says so too, for the first 5 s";
  EXPECT_EQ(Remove("1 2u", 1), kNotStarted);
  EXPECT_EQ(Remove("1 2u", 2), "ok");
  EXPECT_EQ(Remove("1", 1), kNotStarted);
  EXPECT_EQ(Remove("1 2 3u 4u", 2), kNotStarted);
}

TEST(MemberChecksTest, LearnersGoFreely) {
  EXPECT_EQ(Remove("1 2*", 2), "ok");
  EXPECT_EQ(Remove("1 2- 3- 4*", 4), "ok");
}

TEST(MemberChecksTest, ThatAMemberIsNotThereIsToldWhenTheChangeIsApplied) {
  EXPECT_EQ(Remove("1 2 3", 9), "ok");
  EXPECT_EQ(Remove("1", 9), "ok");
}

TEST(MemberChecksTest, APromotionNeedsAQuorumOfStartedMembers) {
  EXPECT_EQ(Promote("1 2*"), "ok");
  EXPECT_EQ(Promote("1 2u 3*"), "ok");
  EXPECT_EQ(Promote("1 2u 3u 4*"), kNotStarted);
}

TEST(MemberChecksTest, PeerUrlsAreSortedAndMakeSense) {
  EXPECT_EQ(*CheckPeerUrls({"http://b:1", " http://a:1"}),
            (std::vector<std::string>{"http://a:1", "http://b:1"}));
  for (const std::string bad : {"", "a:1", "http://a", "http://a:1/x", "ftp://a:1"}) {
    EXPECT_FALSE(CheckPeerUrls({bad}).ok()) << bad;
  }
  EXPECT_FALSE(CheckPeerUrls({}).ok());
}

}  // namespace
}  // namespace keelson::server
