// Members' transports on loopback: who is heard, who is refused, and what is told to whom.
#include "server/peer_transport.h"

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "asio/io_context.hpp"
#include "asio/write.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/etcd/rpc.pb.h"
#include "server/join.h"

namespace keelson::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);  // ends a hang

uint16_t FreePort() {
  asio::io_context loop;
  asio::ip::tcp::acceptor acceptor(loop, {asio::ip::address_v4::loopback(), 0});
  return acceptor.local_endpoint().port();
}

// For URLs that do not need any.
std::shared_ptr<http::TlsCredentials> NoTls() {
  return *http::TlsCredentials::Load({}, [](const std::string&) {});
}

class PeerTransportTest : public testing::Test {
 protected:
  struct Member {
    Url url;
    std::vector<raft::Message> messages;
    std::set<uint64_t> removed;
    int told_of_removal = 0;
    std::vector<std::string> notices;
    std::unique_ptr<PeerTransport> transport;
  };

  void Start(uint64_t id, uint64_t cluster = 7) {
    Member& member = members_[id];
    member.url = *ParseUrl("http://127.0.0.1:" + std::to_string(FreePort()));
    PeerTransport::Options options;
    options.cluster_id = cluster;
    options.self = NodeId(id);
    options.own_urls = member.url.text;
    options.clock = &clock_;
    PeerTransport::Handlers handlers;
    handlers.on_raft_message = [&member](raft::Message message) {
      member.messages.push_back(std::move(message));
    };
    handlers.on_unreachable = [](NodeId) {};
    handlers.on_request = [](PeerRequest request, absl::AnyInvocable<void(PeerAnswer)> respond) {
      respond(static_cast<int64_t>(request.id) + 1);
    };
    handlers.was_removed = [&member](NodeId of) { return member.removed.contains(of.value()); };
    handlers.on_removed = [&member] { ++member.told_of_removal; };
    handlers.describe_members = [] {
      etcdserverpb::MemberListResponse list;
      list.add_members()->set_id(5);
      return list.SerializeAsString();
    };
    handlers.on_notice = [&member](const std::string& notice) { member.notices.push_back(notice); };
    member.transport = std::make_unique<PeerTransport>(&loop_, options, std::move(handlers));
    ASSERT_EQ(member.transport->Listen(member.url), absl::OkStatus());
  }
  PeerTransport& transport(uint64_t id) { return *members_.at(id).transport; }
  void Introduce(uint64_t to, uint64_t whom) {
    transport(to).SetPeer(NodeId(whom), {members_.at(whom).url});
  }
  bool Send(uint64_t from, uint64_t to) {
    return transport(from).Send(
        {NodeId(from), NodeId(to), Term(1), raft::Heartbeat{.commit = LogIndex(3)}});
  }
  bool RunUntil(const std::function<bool()>& holds) {
    const absl::Duration end = clock_.Now() + kPatience;
    while (!holds()) {
      if (clock_.Now() >= end) return false;
      loop_.restart();
      loop_.run_for(std::chrono::milliseconds(5));
    }
    return true;
  }
  bool Connected(uint64_t from, uint64_t to) {
    return transport(from).ConnectedFor(NodeId(to)) > absl::ZeroDuration();
  }
  bool Noticed(uint64_t at, const std::string& part) {
    for (const std::string& notice : members_.at(at).notices) {
      if (notice.find(part) != std::string::npos) return true;
    }
    return false;
  }

  RealClock clock_;
  asio::io_context loop_{1};
  std::map<uint64_t, Member> members_;
};

TEST_F(PeerTransportTest, OneThatIsNotKnownHereIsHeardAndAnswered) {
  Start(1);
  Start(2);
  Introduce(1, 2);  // 2 has never heard of 1
  ASSERT_TRUE(RunUntil([this] { return Connected(1, 2) && Connected(2, 1); }));
  EXPECT_THAT(transport(2).Peers(), ElementsAre(NodeId(1)));
  ASSERT_TRUE(Send(1, 2));
  ASSERT_TRUE(Send(2, 1));
  ASSERT_TRUE(
      RunUntil([this] { return !members_[1].messages.empty() && !members_[2].messages.empty(); }));
  std::optional<PeerAnswer> answer;
  transport(2).Ask(NodeId(1), {PeerRequestKind::kReadiness, 41},
                   [&answer](PeerAnswer given) { answer = given; });
  ASSERT_TRUE(RunUntil([&] { return answer.has_value(); }));
  EXPECT_EQ(*answer, PeerAnswer(42));
}

TEST_F(PeerTransportTest, OneOfAnotherClusterIsRefused) {
  Start(1);
  Start(2, /*cluster=*/8);
  Introduce(1, 2);
  ASSERT_TRUE(RunUntil([this] { return Noticed(1, "cluster ID mismatch"); }));
  EXPECT_FALSE(Connected(1, 2));
  EXPECT_TRUE(transport(2).Peers().empty());
}

TEST_F(PeerTransportTest, OneThatWasRemovedIsToldSo) {
  Start(1);
  Start(2);
  members_[2].removed.insert(1);
  Introduce(1, 2);
  ASSERT_TRUE(RunUntil([this] { return members_[1].told_of_removal > 0; }));
  EXPECT_FALSE(Connected(1, 2));
}

TEST_F(PeerTransportTest, ARemovedPeersConnectionsEndBothWaysAndItIsToldWhenItComesBack) {
  Start(1);
  Start(2);
  Introduce(1, 2);
  Introduce(2, 1);
  ASSERT_TRUE(RunUntil([this] { return Connected(1, 2) && Connected(2, 1); }));
  members_[2].removed.insert(1);
  transport(2).RemovePeer(NodeId(1));
  EXPECT_FALSE(Send(2, 1));
  ASSERT_TRUE(RunUntil([this] { return members_[1].told_of_removal > 0; }));
  EXPECT_TRUE(transport(2).Peers().empty());
}

TEST_F(PeerTransportTest, APeerThatMovesIsFoundAtItsNewAddress) {
  Start(1);
  Start(2);
  Introduce(1, 2);
  ASSERT_TRUE(RunUntil([this] { return Connected(1, 2); }));
  const Url old = members_.at(2).url;
  members_.erase(2);
  Start(2);
  ASSERT_NE(old.text, members_.at(2).url.text);
  Introduce(1, 2);
  ASSERT_TRUE(RunUntil([this] { return Connected(1, 2); }));
  EXPECT_THAT(transport(1).UrlsOf(NodeId(2)).at(0).text, members_.at(2).url.text);
}

// What the cluster knows may be old; what the peer itself says is tried after it.
TEST_F(PeerTransportTest, APeerIsReachedWhereItSaysItIs) {
  Start(1);
  Start(2);
  transport(2).SetPeer(NodeId(1), {*ParseUrl("http://127.0.0.1:" + std::to_string(FreePort()))});
  Introduce(1, 2);
  ASSERT_TRUE(RunUntil([this] { return Connected(2, 1); }));
}

TEST_F(PeerTransportTest, WhoeverIsAboutToJoinIsToldTheMembers) {
  Start(1);
  const Url url = members_.at(1).url;
  auto asking =
      std::async(std::launch::async, [&url] { return AskForMembers(url, *NoTls(), kPatience); });
  ASSERT_TRUE(RunUntil(
      [&asking] { return asking.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }));
  const absl::StatusOr<Bootstrap> told = asking.get();
  ASSERT_TRUE(told.ok()) << told.status();
  EXPECT_EQ(told->cluster_id, 7u);
  EXPECT_EQ(told->members.at(0).id(), 5u);
}

// Whoever listens there is no member, or a broken one.
TEST_F(PeerTransportTest, AnAnswerThatMakesNoSenseIsAnError) {
  const std::string welcome(1, '\0');
  for (const std::string& answer :
       {std::string(), std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("\3"),
        welcome + "\xff\xff\xff\xff" + "0123", welcome + std::string("\4\0\0\0", 4) + "0123abcd"}) {
    asio::ip::tcp::acceptor acceptor(loop_, {asio::ip::address_v4::loopback(), 0});
    const Url url =
        *ParseUrl("http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()));
    auto asking = std::async(std::launch::async,
                             [&url] { return AskForMembers(url, *NoTls(), absl::Seconds(5)); });
    asio::ip::tcp::socket socket = acceptor.accept();
    asio::write(socket, asio::buffer(answer));
    socket.shutdown(asio::ip::tcp::socket::shutdown_send);
    EXPECT_FALSE(asking.get().ok());
  }
}

TEST_F(PeerTransportTest, ThatNobodyTellsIsAnError) {
  const auto told = AskForMembers(*ParseUrl("http://127.0.0.1:" + std::to_string(FreePort())),
                                  *NoTls(), absl::Seconds(5));
  EXPECT_THAT(std::string(told.status().message()), HasSubstr("refused"));
}

}  // namespace
}  // namespace keelson::server
