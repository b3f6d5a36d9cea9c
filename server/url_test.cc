#include "server/url.h"

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

// "scheme host port", or the error.
std::string Parsed(const std::string& text) {
  const auto url = ParseUrl(text);
  if (!url.ok()) return std::string(url.status().message());
  EXPECT_EQ(url->text, text);
  return url->scheme + " " + url->host + " " + std::to_string(url->port);
}

TEST(UrlTest, TakesSchemeHostAndPort) {
  EXPECT_EQ(Parsed("http://10.0.0.1:2379"), "http 10.0.0.1 2379");
  EXPECT_EQ(Parsed("https://etcd-0.example:443"), "https etcd-0.example 443");
  EXPECT_EQ(Parsed("http://[::1]:2380"), "http ::1 2380");
  EXPECT_EQ(Parsed("http://localhost:0"), "http localhost 0");
  EXPECT_EQ(Parsed("http://localhost:65535"), "http localhost 65535");
  EXPECT_TRUE(ParseUrl("https://a:1")->secure());
  EXPECT_FALSE(ParseUrl("http://a:1")->secure());
}

TEST(UrlTest, SaysWhatIsWrongWithEtcdsWords) {
  EXPECT_EQ(Parsed(""), "URL must have a scheme: ");
  EXPECT_EQ(Parsed("localhost:2379"), "URL must have a scheme: localhost:2379");
  EXPECT_EQ(Parsed("ftp://a:1"), "URL scheme must be http or https: ftp://a:1");
  EXPECT_EQ(Parsed("http://a"), "URL address does not have the form \"host:port\": http://a");
  EXPECT_EQ(Parsed("http://:1"), "URL address does not have the form \"host:port\": http://:1");
  EXPECT_EQ(Parsed("http://[::1]"),
            "URL address does not have the form \"host:port\": http://[::1]");
  EXPECT_EQ(Parsed("http://a:1/v3"), "URL must not contain a path: http://a:1/v3");
  EXPECT_EQ(Parsed("http://a:1/"), "URL must not contain a path: http://a:1/");
  EXPECT_EQ(Parsed("http://a:1?x=y"), "URL must not contain a path: http://a:1?x=y");
  EXPECT_EQ(Parsed("http://::1:2380"),
            "URL address has an IPv6 address without brackets: http://::1:2380");
}

TEST(UrlTest, PortIsANumberOfSixteenBits) {
  for (const std::string port : {"", "65536", "-1", "http", "99999999999999999999", "1x"}) {
    EXPECT_EQ(Parsed("http://a:" + port), "URL port is not a number up to 65535: http://a:" + port);
  }
}

TEST(UrlTest, NothingThatIsWrittenTripsIt) {
  for (const std::string text : {"http://", "http:///", "http://[", "http://]:1", "http://[]:1",
                                 "http://[:1", "://a:1", "http://a:1#", "http://u@a:1", ":"}) {
    (void)Parsed(text);
  }
  EXPECT_FALSE(ParseUrl("http://").ok());
  EXPECT_FALSE(ParseUrl("http://[:1").ok());
  EXPECT_FALSE(ParseUrl("http://u@a:1").ok());
}

TEST(UrlTest, AListHasAtLeastOneAndNoBadOne) {
  const auto urls = ParseUrls("http://a:1,http://b:2");
  ASSERT_TRUE(urls.ok());
  ASSERT_EQ(urls->size(), 2u);
  EXPECT_EQ((*urls)[1].host, "b");
  EXPECT_EQ((*ParseUrls("http://a:1, http://b:2 "))[1].text, "http://b:2");
  EXPECT_FALSE(ParseUrls("").ok());
  EXPECT_FALSE(ParseUrls("http://a:1,").ok());
  EXPECT_FALSE(ParseUrls("http://a:1,b:2").ok());
}

}  // namespace
}  // namespace keelson::server
