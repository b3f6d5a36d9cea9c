#include "server/membership.h"

#include "gtest/gtest.h"
#include "server/testing/text_proto.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

constexpr char kToken[] = "etcd-cluster";

InitialCluster ThreeMembers() {
  return {{"a", {"http://127.0.0.1:12380"}},
          {"b", {"http://127.0.0.1:12390"}},
          {"c", {"http://127.0.0.1:12400"}}};
}

// The numbers are those of a real etcd (Debian's 3.4.23) started with this --initial-cluster.
TEST(MembershipTest, IdsAreEtcds) {
  EXPECT_EQ(ComputeMemberId({"http://127.0.0.1:12380"}, kToken), NodeId(0xddd67b312462fd7b));
  EXPECT_EQ(ComputeMemberId({"http://127.0.0.1:12390"}, kToken), NodeId(0x3130fbbb047a3cf6));
  EXPECT_EQ(ComputeMemberId({"http://127.0.0.1:12400"}, kToken), NodeId(0x3fd0a7273c87342c));
  EXPECT_EQ(MakeBootstrap(ThreeMembers(), kToken).cluster_id, 17232516525436179354u);
}

// etcd's own documentation: a single member on the default URL and token.
TEST(MembershipTest, TheDefaultMemberHasItsFamousId) {
  const Bootstrap bootstrap =
      MakeBootstrap({{"default", {"http://localhost:2380"}}}, "etcd-cluster");
  ASSERT_EQ(bootstrap.members.size(), 1u);
  EXPECT_EQ(bootstrap.members[0].id(), 0x8e9e05c52164694du);
  EXPECT_EQ(bootstrap.cluster_id, 0xcdf818194e3a8c32u);
}

TEST(MembershipTest, OrderOfUrlsAndMembersDoesNotMatterTheTokenDoes) {
  EXPECT_EQ(ComputeMemberId({"http://a:1", "http://b:1"}, kToken),
            ComputeMemberId({"http://b:1", "http://a:1"}, kToken));
  EXPECT_EQ(ComputeClusterId({NodeId(1), NodeId(2)}), ComputeClusterId({NodeId(2), NodeId(1)}));
  EXPECT_NE(ComputeMemberId({"http://a:1"}, kToken), ComputeMemberId({"http://a:1"}, "other"));
}

TEST(MembershipTest, BootstrapListsMembersById) {
  const Bootstrap bootstrap = MakeBootstrap(ThreeMembers(), kToken);
  std::string names;
  for (const auto& member : bootstrap.members) names += member.name();
  EXPECT_EQ(names, "bca");
  EXPECT_EQ(bootstrap.members[2].peerurls(0), "http://127.0.0.1:12380");
}

TEST(MembershipTest, RecordsAreFoundAndListedById) {
  const storage::TemporaryDirectory directory;
  auto store = storage::Store::Open({.directory = directory.File("store")});
  ASSERT_TRUE(store.ok()) << store.status();
  storage::Store& s = **store;
  s.BeginEntry(LogIndex(0), Term(0));
  StoreMember(s, FromText<etcdserverpb::Member>("ID: 300 name: 'late' peerURLs: 'http://a:1'"));
  StoreMember(s, FromText<etcdserverpb::Member>("ID: 5 name: 'early'"));
  s.EndEntry();
  ASSERT_TRUE(s.CommitBatch().ok());
  const auto members = Members(s);
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[0].name(), "early");
  EXPECT_EQ(members[1].name(), "late");
  EXPECT_EQ(FindMember(s, NodeId(300))->peerurls(0), "http://a:1");
  EXPECT_FALSE(FindMember(s, NodeId(6)));
}

}  // namespace
}  // namespace keelson::server
