#include "http/request_check.h"

#include <string>

#include "gtest/gtest.h"

namespace keelson::http {
namespace {

class RequestCheckTest : public testing::Test {
 protected:
  bool Request(std::string_view authority) {
    return check_.OnField(":method", "POST") && check_.OnField(":scheme", "http") &&
           check_.OnField(":path", "/a") && check_.OnField(":authority", authority) &&
           check_.OnFieldsComplete();
  }
  RequestCheck check_;
};

TEST_F(RequestCheckTest, AuthorityMayBeTheWholeUrlThatEtcdClientsSend) {
  EXPECT_TRUE(Request("http://127.0.0.1:2379"));
}

TEST_F(RequestCheckTest, BytesThatEndAHeaderLineAreRefusedAnywhere) {
  EXPECT_FALSE(check_.OnField(":authority", "a\r\nb"));
  EXPECT_FALSE(check_.OnField("x", std::string_view("a\0b", 3)));
  EXPECT_FALSE(check_.OnField("X-Upper", "a"));
  EXPECT_FALSE(check_.OnTrailer("x y", "a"));
}

TEST_F(RequestCheckTest, PseudoFieldsComeOnceAndFirstAndAreComplete) {
  EXPECT_TRUE(check_.OnField(":method", "GET"));
  EXPECT_FALSE(check_.OnFieldsComplete());
  EXPECT_FALSE(check_.OnField(":method", "GET"));
  EXPECT_FALSE(check_.OnField(":status", "200"));
  EXPECT_FALSE(check_.OnField(":path", ""));
  EXPECT_TRUE(check_.OnField("x", "y"));
  EXPECT_FALSE(check_.OnField(":scheme", "http"));
  EXPECT_FALSE(check_.OnTrailer(":path", "/"));
}

TEST_F(RequestCheckTest, FieldsOfAConnectionAreRefused) {
  EXPECT_FALSE(check_.OnField("connection", "close"));
  EXPECT_FALSE(check_.OnField("transfer-encoding", "chunked"));
  EXPECT_FALSE(check_.OnField("te", "gzip"));
  EXPECT_TRUE(check_.OnField("te", "trailers"));
}

TEST_F(RequestCheckTest, BodyIsAsLongAsAnnounced) {
  EXPECT_FALSE(check_.OnField("content-length", "1x"));
  EXPECT_TRUE(RequestCheck().OnField("content-length", "5"));
  RequestCheck sized;
  EXPECT_TRUE(sized.OnField("content-length", "5"));
  EXPECT_FALSE(sized.OnField("content-length", "5"));
  EXPECT_FALSE(sized.OnEnd());
  EXPECT_TRUE(sized.OnBody(5));
  EXPECT_TRUE(sized.OnEnd());
  EXPECT_FALSE(sized.OnBody(1));
  EXPECT_TRUE(RequestCheck().OnEnd());
}

}  // namespace
}  // namespace keelson::http
