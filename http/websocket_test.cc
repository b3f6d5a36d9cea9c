#include "http/websocket.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A client's frame, with a mask.
std::string Frame(uint8_t first, const std::string& payload) {
  std::string plain;
  AppendWebSocketFrame(WebSocketOpcode::kText, payload, &plain);
  std::string frame = plain.substr(0, plain.size() - payload.size());
  frame[0] = static_cast<char>(first);
  frame[1] = static_cast<char>(frame[1] | 0x80);
  const std::string mask = "\x01\x80\x33\xFF";
  frame += mask;
  for (size_t i = 0; i < payload.size(); ++i) {
    frame.push_back(static_cast<char>(payload[i] ^ mask[i % 4]));
  }
  return frame;
}

constexpr uint8_t kText = 0x81, kBinary = 0x82, kClose = 0x88, kPing = 0x89, kPong = 0x8A;
constexpr uint8_t kTextBegins = 0x01, kGoesOn = 0x00, kEnds = 0x80;

class WebSocketTest : public testing::Test {
 protected:
  // What came, "opcode:payload" each.
  WebSocketClose Feed(std::string_view bytes) {
    return reader_.Feed(bytes, [this](WebSocketOpcode opcode, std::string_view payload) {
      heard_.push_back(std::to_string(static_cast<int>(opcode)) + ":" + std::string(payload));
      return true;
    });
  }
  std::vector<std::string> Heard() { return std::exchange(heard_, {}); }

  WebSocketReader reader_{1000};
  std::vector<std::string> heard_;
};

TEST_F(WebSocketTest, TheHandshakeIsTheOneOfTheStandard) {
  HeaderBlock headers;
  headers.Add(":method", "GET");
  headers.Add("connection", "keep-alive, Upgrade");
  headers.Add("upgrade", "WebSocket");
  EXPECT_TRUE(IsWebSocketRequest(headers));
  EXPECT_EQ(WebSocketAccept(headers), "");
  headers.Add("sec-websocket-version", "13");
  headers.Add("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(WebSocketAccept(headers), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");  // RFC 6455 section 1.3
}

TEST_F(WebSocketTest, AHandshakeThatIsNoneIsTold) {
  const auto accept = [](const char* method, const char* version, const char* key) {
    HeaderBlock headers;
    headers.Add(":method", method);
    headers.Add("sec-websocket-version", version);
    headers.Add("sec-websocket-key", key);
    return WebSocketAccept(headers);
  };
  EXPECT_NE(accept("GET", "13", "dGhlIHNhbXBsZSBub25jZQ=="), "");
  EXPECT_EQ(accept("POST", "13", "dGhlIHNhbXBsZSBub25jZQ=="), "");
  EXPECT_EQ(accept("GET", "8", "dGhlIHNhbXBsZSBub25jZQ=="), "");
  EXPECT_EQ(accept("GET", "13", "short"), "");
  EXPECT_EQ(accept("GET", "13", "dGhlIHNhbXBsZS!ub25jZQ=="), "");
  HeaderBlock plain;
  plain.Add("connection", "keep-alive");
  plain.Add("upgrade", "h2c");
  EXPECT_FALSE(IsWebSocketRequest(plain));
}

TEST_F(WebSocketTest, MessagesComeInPiecesAndTogether) {
  const std::string two = Frame(kText, "one") + Frame(kBinary, "two");
  EXPECT_EQ(Feed(two), WebSocketClose::kNormal);
  EXPECT_THAT(Heard(), ElementsAre("1:one", "2:two"));
  for (const char c : two) EXPECT_EQ(Feed(std::string(1, c)), WebSocketClose::kNormal);
  EXPECT_THAT(Heard(), ElementsAre("1:one", "2:two"));
}

TEST_F(WebSocketTest, AFragmentedMessageIsOneAndControlFramesComeBetween) {
  Feed(Frame(kTextBegins, "a") + Frame(kPing, "p") + Frame(kGoesOn, "b") + Frame(kPong, "") +
       Frame(kEnds, "c"));
  EXPECT_THAT(Heard(), ElementsAre("9:p", "10:", "1:abc"));
}

TEST_F(WebSocketTest, SizesOfAllThreeFormsAreReadAndWritten) {
  WebSocketReader reader(1 << 20);
  for (const size_t size : {0, 1, 125, 126, 127, 65535, 65536, 100000}) {
    const std::string payload(size, 'x');
    std::string heard = "nothing";
    EXPECT_EQ(reader.Feed(Frame(kText, payload),
                          [&heard](WebSocketOpcode, std::string_view message) {
                            heard = message;
                            return true;
                          }),
              WebSocketClose::kNormal);
    EXPECT_EQ(heard, payload);
  }
}

TEST_F(WebSocketTest, AMessageThatIsTooLargeIsRefusedByItsHeader) {
  EXPECT_EQ(Feed(Frame(kText, std::string(1000, 'x'))), WebSocketClose::kNormal);
  EXPECT_EQ(Feed(Frame(kTextBegins, std::string(600, 'x'))), WebSocketClose::kNormal);
  EXPECT_EQ(Feed(Frame(kEnds, std::string(401, 'x')).substr(0, 8)), WebSocketClose::kTooLarge);
  WebSocketReader other(1000);
  const std::string endless = std::string("\x81\xFF", 2) + std::string(8, '\x7F') + "mask";
  EXPECT_EQ(other.Feed(endless, [](WebSocketOpcode, std::string_view) { return true; }),
            WebSocketClose::kTooLarge);
}

TEST_F(WebSocketTest, BrokenRulesAreProtocolErrors) {
  std::string unmasked;
  AppendWebSocketFrame(WebSocketOpcode::kText, "x", &unmasked);
  std::string long_form = Frame(kText, std::string(126, 'x'));
  long_form[3] = 125;
  for (const std::string& bytes :
       {unmasked, long_form, Frame(0xC1, "x"), Frame(0x83, "x"), Frame(0x8B, "x"),
        Frame(kGoesOn, "x"), Frame(kEnds, "x"), Frame(0x09, "not last"),
        Frame(kPing, std::string(126, 'x')), Frame(kTextBegins, "x") + Frame(kText, "x"),
        Frame(kClose, "x"), Frame(kClose, std::string("\x03\xED", 2)),
        Frame(kClose, std::string("\x00\x01", 2))}) {
    WebSocketReader reader(1000);
    EXPECT_EQ(reader.Feed(bytes, [](WebSocketOpcode, std::string_view) { return true; }),
              WebSocketClose::kProtocolError)
        << testing::PrintToString(bytes);
  }
}

TEST_F(WebSocketTest, TextIsUtf8) {
  EXPECT_EQ(Feed(Frame(kText, "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")), WebSocketClose::kNormal);
  EXPECT_EQ(Feed(Frame(kBinary, "\xFF")), WebSocketClose::kNormal);
  // A character may lie in two frames.
  EXPECT_EQ(Feed(Frame(kTextBegins, "\xC3") + Frame(kEnds, "\xA9")), WebSocketClose::kNormal);
  for (const char* text : {"\xFF", "\xC0\xAF", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                           "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "a\x80"}) {
    WebSocketReader reader(1000);
    EXPECT_EQ(
        reader.Feed(Frame(kText, text), [](WebSocketOpcode, std::string_view) { return true; }),
        WebSocketClose::kNotText)
        << testing::PrintToString(text);
  }
}

TEST_F(WebSocketTest, NothingIsHeardBehindAClose) {
  EXPECT_EQ(Feed(Frame(kClose, std::string("\x03\xE8", 2) + "bye") + Frame(kText, "late")),
            WebSocketClose::kNormal);
  EXPECT_THAT(Heard(), ElementsAre("8:\x03\xE8"
                                   "bye"));
}

TEST_F(WebSocketTest, WhoeverHasHeardEnoughHearsNoMore) {
  int count = 0;
  EXPECT_EQ(reader_.Feed(Frame(kText, "a") + Frame(kText, "b"),
                         [&count](WebSocketOpcode, std::string_view) {
                           ++count;
                           return false;
                         }),
            WebSocketClose::kNormal);
  EXPECT_EQ(count, 1);
  EXPECT_THAT(Heard(), IsEmpty());
}

}  // namespace
}  // namespace keelson::http
