#include "server/failpoint_http.h"

#include <memory>
#include <string>

#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/raw_client.h"

namespace keelson::server {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

class FailpointHttpTest : public testing::Test {
 protected:
  FailpointHttpTest() {
    auto started = FailpointHttp::Start(&registry_, "127.0.0.1:0");
    KV_CHECK(started.ok()) << started.status();
    http_ = *std::move(started);
  }
  std::string Ask(const std::string& method, const std::string& path,
                  const std::string& body = "") {
    http::RawClient client(http_->port(), http::RawClient::Greeting::kNone);
    client.AddBytes(method + " " + path + " HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" +
                    "content-length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    client.Flush();
    while (client.ReadMore()) {
    }
    return std::string(client.input());
  }

  FailpointRegistry registry_{{"walBeforeSync", "raftBeforeSave"}};
  std::unique_ptr<FailpointHttp> http_;
};

TEST_F(FailpointHttpTest, APointIsSetLookedAtAndDeleted) {
  EXPECT_THAT(Ask("GET", "/walBeforeSync"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("PUT", "/walBeforeSync", "return(\"x\")"), StartsWith("HTTP/1.1 204 "));
  EXPECT_EQ(registry_.Get("walBeforeSync").Reach(), "x");
  EXPECT_THAT(Ask("GET", "/walBeforeSync"), EndsWith("\r\n\r\nreturn(\"x\")\n"));
  EXPECT_THAT(Ask("GET", "/walBeforeSync/count"), EndsWith("\r\n\r\n1"));
  EXPECT_THAT(Ask("GET", "/"), EndsWith("\r\n\r\nraftBeforeSave=\nwalBeforeSync=return(\"x\")\n"));
  EXPECT_THAT(Ask("DELETE", "/walBeforeSync"), StartsWith("HTTP/1.1 204 "));
  EXPECT_EQ(registry_.Get("walBeforeSync").Reach(), std::nullopt);
  EXPECT_THAT(Ask("DELETE", "/walBeforeSync"), StartsWith("HTTP/1.1 400 "));
}

TEST_F(FailpointHttpTest, SeveralAreSetAtOnce) {
  EXPECT_THAT(Ask("PUT", "/failpoints", "walBeforeSync=off;raftBeforeSave=1*return"),
              StartsWith("HTTP/1.1 204 "));
  EXPECT_THAT(Ask("GET", "/"), EndsWith("raftBeforeSave=1*return\nwalBeforeSync=off\n"));
}

TEST_F(FailpointHttpTest, WhatIsWrongIsRefusedWithTheReason) {
  const std::string terms = Ask("PUT", "/walBeforeSync", "nonsense");
  EXPECT_THAT(terms, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(terms, HasSubstr("no action at \"nonsense\""));
  EXPECT_THAT(Ask("PUT", "/unknown", "off"), StartsWith("HTTP/1.1 404 "));
  EXPECT_THAT(Ask("PUT", "/failpoints", "unknown=off"), StartsWith("HTTP/1.1 400 "));
  const std::string method = Ask("POST", "/walBeforeSync", "off");
  EXPECT_THAT(method, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(method, HasSubstr("DELETE, GET, PUT"));
}

TEST(FailpointHttpStartTest, AnAddressThatIsNoneIsAnError) {
  FailpointRegistry registry({"a"});
  for (const char* address : {"", "x", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"}) {
    EXPECT_FALSE(FailpointHttp::Start(&registry, address).ok()) << address;
  }
}

}  // namespace
}  // namespace keelson::server
