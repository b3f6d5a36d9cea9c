#include "client/endpoint.h"

#include <gtest/gtest.h>

namespace keelson::client {
namespace {

using Security = EndpointAddress::Security;

TEST(EndpointTest, TakesWhatUsersWrite) {
  struct {
    const char* written;
    const char* target;
    Security security;
  } const cases[] = {
      {"127.0.0.1:2379", "dns:///127.0.0.1:2379", Security::kByOptions},
      {"http://localhost:2379", "dns:///localhost:2379", Security::kClearText},
      {"https://db.example:2379/", "dns:///db.example:2379", Security::kTls},
      {"[::1]:2379", "dns:///[::1]:2379", Security::kByOptions},
      {"unix:///run/kvd.sock", "unix:/run/kvd.sock", Security::kClearText},
      {"unixs:///run/kvd.sock", "unix:/run/kvd.sock", Security::kTls},
  };
  for (const auto& c : cases) {
    const auto address = ParseEndpoint(c.written);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->target, c.target);
    EXPECT_EQ(address->security, c.security) << c.written;
  }
}

TEST(EndpointTest, RefusesWithTheEndpointsName) {
  for (const char* written : {"", "localhost", ":2379", "host:", "host:0", "host:65536", "host:x",
                              "ftp://host:1", "http://host:1/path", "::1:2379", "[::1]", "unix://"}) {
    const auto address = ParseEndpoint(written);
    ASSERT_FALSE(address.ok()) << written;
    EXPECT_TRUE(absl::IsInvalidArgument(address.status()));
    EXPECT_NE(address.status().message().find(written), absl::string_view::npos);
  }
}

}  // namespace
}  // namespace keelson::client
