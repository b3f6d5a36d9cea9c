#include "server/health_endpoints.h"

#include <chrono>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"
#include "proto/keelson/command.pb.h"
#include "server/testing/core_cluster.h"

namespace keelson::server {
namespace {

class HealthEndpointsTest : public testing::Test {
 protected:
  // Of `members` members the first `running` run; the first is asked.
  void Start(int members, int running) {
    cluster_ = std::make_unique<CoreCluster>(members, 1);
    for (int n = running + 1; n <= members; ++n) cluster_->Crash(n);
    if (running > members / 2) {
      ASSERT_NE(cluster_->AwaitLeader(), 0);
    }
    health_ = std::make_unique<HealthEndpoints>(&cluster_->core(1));
    server_ = std::make_unique<rpc::RpcServer>(&loop_, &cluster_->clock(), rpc::RpcServerOptions());
    health_->Register(server_.get());
    HealthEndpoints::RegisterVersion(server_.get());
    ASSERT_TRUE(server_->Listen("127.0.0.1", 0).ok());
  }

  // "<status> <body>".
  std::string Ask(const std::string& target, const std::string& method = "GET") {
    http::RawClient client(server_->port(), http::RawClient::Greeting::kNone, [this] {
      loop_.poll();
      cluster_->Run(absl::Milliseconds(10));
      ASSERT_LT(std::chrono::steady_clock::now(), end_) << "hangs";
    });
    client.AddBytes(method + " " + target + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.Flush();
    while (client.ReadMore()) {
    }
    const std::string answer(client.input());
    header_ = answer.substr(0, answer.find("\r\n\r\n"));
    return answer.substr(9, 4) + answer.substr(answer.find("\r\n\r\n") + 4);
  }

  void Raise(etcdserverpb::AlarmType type) {
    etcdserverpb::AlarmRequest request;
    request.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
    request.set_memberid(7);
    request.set_alarm(type);
    bool done = false;
    cluster_->core(1).Submit(proto::Command::kAlarmFieldNumber, request.SerializeAsString(),
                             [&done](const Answer& answer) { done = answer.status.ok(); });
    ASSERT_TRUE(cluster_->RunUntil([&done] { return done; }));
  }

  asio::io_context loop_{1};
  std::unique_ptr<CoreCluster> cluster_;
  std::unique_ptr<HealthEndpoints> health_;
  std::unique_ptr<rpc::RpcServer> server_;
  std::string header_;
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(60);
};

TEST_F(HealthEndpointsTest, MemberThatIsWellSaysSoInEtcdsWords) {
  Start(1, 1);
  EXPECT_EQ(Ask("/health"), "200 {\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_EQ(Ask("/health?serializable=true"), "200 {\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_EQ(Ask("/livez"), "200 ok\n");
  EXPECT_EQ(Ask("/livez?verbose"), "200 [+]serializable_read ok\nok\n");
  EXPECT_EQ(Ask("/readyz"), "200 ok\n");
  EXPECT_EQ(Ask("/readyz?verbose=1"),
            "200 [+]data_corruption ok\n[+]serializable_read ok\n[+]linearizable_read ok\n"
            "[+]non_learner ok\nok\n");
  EXPECT_EQ(Ask("/readyz/linearizable_read?verbose"), "200 [+]linearizable_read ok\nok\n");
  EXPECT_EQ(Ask("/livez/serializable_read"), "200 ok\n");
  EXPECT_EQ(Ask("/livez/nothing"), "404 404 page not found\n");
  EXPECT_EQ(Ask("/version"),
            "200 {\"etcdserver\":\"3.7.0\",\"etcdcluster\":\"3.7.0\",\"storage\":\"3.7.0\"}");
  EXPECT_EQ(health_->health_successes(), 2u);
}

TEST_F(HealthEndpointsTest, ChecksAreChosenByTheQuery) {
  Start(1, 1);
  EXPECT_EQ(Ask("/readyz?verbose&exclude=linearizable_read&exclude=data%5fcorruption&exclude=x"),
            "200 [+]serializable_read ok\n[+]non_learner ok\nok\n");
  EXPECT_EQ(Ask("/readyz?allowlist=non_learner&verbose"), "200 [+]non_learner ok\nok\n");
  // What is no good query is no matter.
  for (const char* query : {"?%", "?%4", "?%zz=%\xff\xff", "?&&=&=a&", "?exclude", "?verbos%65"}) {
    EXPECT_THAT(Ask(std::string("/livez") + query), testing::EndsWith("ok\n")) << query;
  }
  EXPECT_EQ(
      Ask("/readyz?allowlist=non_learner&exclude=data_corruption"),
      "503 do not expect both allowlist: [non_learner] and exclude list: [data_corruption] to "
      "be both specified in /readyz.\n\n");
}

TEST_F(HealthEndpointsTest, OnlyGetIsServed) {
  Start(1, 1);
  for (const char* path : {"/health", "/livez", "/readyz/non_learner", "/version"}) {
    EXPECT_EQ(Ask(path, "POST"), "405 Method Not Allowed\n");
    EXPECT_THAT(header_, testing::HasSubstr("\r\nallow: GET"));
  }
}

TEST_F(HealthEndpointsTest, AlarmsCountWhereTheyAreNotExcluded) {
  Start(1, 1);
  Raise(etcdserverpb::NOSPACE);
  EXPECT_EQ(Ask("/health"), "503 {\"health\":\"false\",\"reason\":\"ALARM NOSPACE\"}\n");
  EXPECT_EQ(Ask("/health?exclude=NOSPACE"), "200 {\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_EQ(Ask("/readyz"), "200 ok\n");
  Raise(etcdserverpb::CORRUPT);
  EXPECT_EQ(Ask("/health?exclude=NOSPACE"),
            "503 {\"health\":\"false\",\"reason\":\"ALARM CORRUPT\"}\n");
  EXPECT_EQ(Ask("/health?exclude=NOSPACE&exclude=CORRUPT"),
            "200 {\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_EQ(Ask("/livez"), "200 ok\n");
  EXPECT_EQ(Ask("/readyz"),
            "503 [-]data_corruption failed: alarm activated: CORRUPT\n[+]serializable_read ok\n"
            "[+]linearizable_read ok\n[+]non_learner ok\n\n");
  EXPECT_EQ(health_->health_failures(), 2u);
}

TEST_F(HealthEndpointsTest, MemberWithoutALeaderLivesAndIsNotReady) {
  Start(3, 1);
  EXPECT_EQ(Ask("/health"), "503 {\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n");
  EXPECT_EQ(Ask("/health?serializable=true"), "200 {\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_EQ(Ask("/livez"), "200 ok\n");
  EXPECT_THAT(Ask("/readyz"), testing::StartsWith("503 [+]data_corruption ok\n[+]serializable_read "
                                                  "ok\n[-]linearizable_read failed: etcdserver: "));
  for (const HealthEndpoints::CheckCount& check : health_->checks()) {
    EXPECT_EQ(check.passes, check.name != "linearizable_read") << check.name;
    EXPECT_EQ(check.failed, check.name == "linearizable_read" ? 1u : 0u) << check.name;
  }
}

}  // namespace
}  // namespace keelson::server
