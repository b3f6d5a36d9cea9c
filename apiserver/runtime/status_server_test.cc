#include "apiserver/runtime/status_server.h"

#include <gtest/gtest.h>

#include <atomic>

#include "base/concat.h"
#include "http/raw_client.h"

namespace keelson::runtime {
namespace {

class StatusServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server.ServeStatus([this] { return ready.load(); }, [] { return "pods 7\n"; });
    server.Serve("/logs/", [](std::string_view path, std::string_view query) {
      return Page{.body = Concat(path, " ", query)};
    });
    server.Serve("/growing", [this](std::string_view, std::string_view) {
      return Page{.body = "first,", .more = [this, i = 0]() mutable -> std::optional<std::string> {
                    ++asked;
                    if (endless) return "";
                    return ++i < 4 ? std::optional(Concat(i, ",")) : std::nullopt;
                  }};
    });
    ASSERT_TRUE(server.Listen("127.0.0.1:0").ok());
    server.Run();
  }
  // The whole answer.
  std::string Ask(const char* method, const char* target) {
    http::RawClient client(server.port(), http::RawClient::Greeting::kNone);
    client.AddBytes(
        Concat(method, " ", target, " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    client.Flush();
    while (client.ReadMore()) {
    }
    return std::string(client.input());
  }

  std::atomic<bool> ready = false;
  std::atomic<bool> endless = false;
  std::atomic<int> asked = 0;
  StatusServer server;
};

TEST_F(StatusServerTest, SaysHowTheDaemonIs) {
  EXPECT_TRUE(Ask("GET", "/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(Ask("GET", "/readyz").starts_with("HTTP/1.1 503"));
  ready = true;
  EXPECT_TRUE(Ask("GET", "/readyz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(Ask("GET", "/metrics").ends_with("\r\n\r\npods 7\n"));
}

TEST_F(StatusServerTest, PagesGetPathAndQuery) {
  EXPECT_TRUE(Ask("GET", "/logs/a/b?follow=true").ends_with("/logs/a/b follow=true"));
}

TEST_F(StatusServerTest, APageGrowsUntilThereIsNoMore) {
  const std::string answer = Ask("GET", "/growing");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  std::string body;
  for (const char* part : {"first,", "1,", "2,", "3,"}) {
    const size_t at = answer.find(part, body.size());
    ASSERT_NE(at, answer.npos) << answer;
    body = answer.substr(0, at);
  }
  EXPECT_EQ(asked, 4);
}

TEST_F(StatusServerTest, AGrowingPageEndsWithItsClientAndWithTheServer) {
  endless = true;
  const auto begin = [this] {
    auto client =
        std::make_unique<http::RawClient>(server.port(), http::RawClient::Greeting::kNone);
    client->AddBytes("GET /growing HTTP/1.1\r\nhost: x\r\n\r\n");
    client->Flush();
    while (std::string_view(client->input()).find("first,") == std::string_view::npos) {
      if (!client->ReadMore()) break;
    }
    return client;
  };
  // Other clients are answered meanwhile.
  auto client = begin();
  const auto other = begin();
  EXPECT_TRUE(Ask("GET", "/healthz").starts_with("HTTP/1.1 200"));
  client.reset();
  server.Stop();
  EXPECT_FALSE(other->ReadMore());
}

TEST_F(StatusServerTest, WhatItDoesNotServeIsRefused) {
  EXPECT_TRUE(Ask("GET", "/other").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(Ask("POST", "/healthz").starts_with("HTTP/1.1 405"));
}

TEST(StatusServerStart, RefusesAddressesThatAreNone) {
  StatusServer server;
  EXPECT_EQ(server.Listen("nowhere").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(server.Listen("127.0.0.1:99999").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace keelson::runtime
