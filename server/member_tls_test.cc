#include "server/member_tls.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "gtest/gtest.h"
#include "http/tls.h"

namespace keelson::server {
namespace {

namespace fs = std::filesystem;

class MemberTlsTest : public testing::Test {
 protected:
  MemberTlsTest() {
    fs::remove_all(folder_);
    config_.data_dir = folder_;
    config_.client_security.auto_tls = config_.peer_security.auto_tls = true;
    config_.listen_client_urls = {*ParseUrl("https://127.0.0.1:1")};
    config_.listen_peer_urls = {*ParseUrl("https://127.0.0.1:2")};
  }
  ~MemberTlsTest() override { fs::remove_all(folder_); }

  std::string Content(const std::string& name) const {
    std::ifstream file(folder_ + "/fixtures/" + name);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  const std::string folder_ = testing::TempDir() + "/member-tls";
  Config config_;
};

TEST_F(MemberTlsTest, OurOwnCertificatesAreMadeAnewBeforeTheyExpireAndNotEarlier) {
  const auto tls = LoadMemberTls(config_);
  ASSERT_TRUE(tls.ok()) << tls.status();
  ASSERT_EQ(tls->self_signed.size(), 2u);
  const std::string client = Content("client/cert.pem");
  const std::string peer = Content("peer/cert.pem");
  ASSERT_NE(client, "");
  ASSERT_TRUE(RenewSelfSigned(*tls).ok());
  EXPECT_EQ(Content("client/cert.pem"), client);

  // One that is about to expire takes its place.
  fs::remove_all(folder_ + "/fixtures/client");
  ASSERT_TRUE(http::SelfSigned(folder_ + "/fixtures/client", {"127.0.0.1"}, 0).ok());
  const std::string expired = Content("client/cert.pem");
  ASSERT_TRUE(RenewSelfSigned(*tls).ok());
  const std::string renewed = Content("client/cert.pem");
  EXPECT_NE(renewed, expired);
  EXPECT_EQ(Content("peer/cert.pem"), peer);
  ASSERT_TRUE(RenewSelfSigned(*tls).ok());
  EXPECT_EQ(Content("client/cert.pem"), renewed);
}

TEST_F(MemberTlsTest, AFolderThatCannotBeWrittenIsAnError) {
  const auto tls = LoadMemberTls(config_);
  ASSERT_TRUE(tls.ok()) << tls.status();
  fs::remove_all(folder_ + "/fixtures/peer");
  std::ofstream(folder_ + "/fixtures/peer") << "in the way";
  EXPECT_FALSE(RenewSelfSigned(*tls).ok());
}

TEST_F(MemberTlsTest, FilesThatWereGivenAreNotOurs) {
  config_.client_security.auto_tls = config_.peer_security.auto_tls = false;
  config_.listen_client_urls = {*ParseUrl("http://127.0.0.1:1")};
  config_.listen_peer_urls = {*ParseUrl("http://127.0.0.1:2")};
  const auto tls = LoadMemberTls(config_);
  ASSERT_TRUE(tls.ok()) << tls.status();
  EXPECT_TRUE(tls->self_signed.empty());
}

}  // namespace
}  // namespace keelson::server
