// The text and byte forms of the gRPC protocol.
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/rpc/compression.h"
#include "server/rpc/message_reader.h"
#include "server/rpc/metadata.h"

namespace keelson::rpc {
namespace {

TEST(MetadataTest, Timeouts) {
  EXPECT_EQ(ParseTimeout("1H"), absl::Hours(1));
  EXPECT_EQ(ParseTimeout("2M"), absl::Minutes(2));
  EXPECT_EQ(ParseTimeout("3S"), absl::Seconds(3));
  EXPECT_EQ(ParseTimeout("4m"), absl::Milliseconds(4));
  EXPECT_EQ(ParseTimeout("5u"), absl::Microseconds(5));
  EXPECT_EQ(ParseTimeout("99999999n"), absl::Nanoseconds(99999999));
  EXPECT_EQ(ParseTimeout("0S"), absl::ZeroDuration());
  for (const char* bad : {"", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S", "1S "}) {
    EXPECT_EQ(ParseTimeout(bad), std::nullopt) << bad;
  }
}

TEST(MetadataTest, BinaryValues) {
  EXPECT_EQ(DecodeBinaryValue("AP8B"), std::string("\0\xff\1", 3));
  EXPECT_EQ(DecodeBinaryValue("YQ=="), "a");
  EXPECT_EQ(DecodeBinaryValue("YQ"), "a");
  EXPECT_EQ(DecodeBinaryValue("YWI"), "ab");
  EXPECT_EQ(DecodeBinaryValue("YQ,YWI="), "a");
  EXPECT_EQ(DecodeBinaryValue(""), "");
  EXPECT_EQ(DecodeBinaryValue("!"), std::nullopt);
}

TEST(MetadataTest, StatusMessages) {
  EXPECT_EQ(PercentEncode("etcdserver: key is not provided"), "etcdserver: key is not provided");
  EXPECT_EQ(PercentEncode("100%\n\xc3\xbc~ "), "100%25%0A%C3%BC~ ");
}

TEST(CompressionTest, GivesTheBytesBack) {
  std::mt19937_64 random(1);
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{65'535}, size_t{65'536}, size_t{500'000}}) {
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random() % 7);
    ByteChain chain;
    chain.Append(SharedBytes::Copy(text.substr(0, size / 2)));
    chain.Append(SharedBytes::Copy(text.substr(size / 2)));
    const absl::StatusOr<std::string> back = Gunzip(Gzip(chain), size);
    ASSERT_TRUE(back.ok()) << back.status();
    EXPECT_EQ(*back, text);
  }
}

TEST(CompressionTest, BombsAndDamageAreErrors) {
  const std::string bomb = Gzip(ByteChain(std::string(50 << 20, '\0')));
  EXPECT_LT(bomb.size(), size_t{1} << 20);
  EXPECT_EQ(Gunzip(bomb, 1000).status(),
            absl::ResourceExhaustedError(
                "grpc: received message after decompression larger than max (1001 vs. 1000)"));
  const std::string good = Gzip(ByteChain(std::string("some text, some text")));
  EXPECT_EQ(Gunzip(good.substr(0, good.size() - 1), 1000).status().code(),
            absl::StatusCode::kInternal);
  EXPECT_EQ(Gunzip(good + "x", 1000).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Gunzip("not gzip", 1000).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Gunzip("", 1000).status().code(), absl::StatusCode::kInternal);
  for (size_t i = 10; i < good.size(); ++i) {
    std::string damaged = good;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x55);
    EXPECT_FALSE(Gunzip(damaged, 1000).ok()) << i;
  }
}

std::string Framed(std::string_view message, bool compressed = false) {
  char prefix[kMessagePrefixBytes];
  EncodeMessagePrefix(compressed, message.size(), prefix);
  return std::string(prefix, kMessagePrefixBytes).append(message);
}

TEST(MessageReaderTest, GoldenBytes) {
  EXPECT_EQ(Framed("abc"), std::string("\0\0\0\0\3abc", 8));
  EXPECT_EQ(Framed("", true), std::string("\1\0\0\0\0", 5));
}

TEST(MessageReaderTest, FindsTheMessagesHoweverTheyAreCut) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    std::vector<std::string> sent;
    std::string wire;
    for (size_t i = 0; i < 20; ++i) {
      constexpr size_t kSizes[] = {0, 1, 5, 100, 17'000};
      sent.emplace_back(kSizes[random() % std::size(kSizes)], static_cast<char>('a' + i));
      wire += Framed(sent.back());
    }
    MessageReader reader(17'000);
    std::vector<std::string> got;
    std::string_view rest = wire;
    while (!rest.empty()) {
      const size_t count =
          std::min<size_t>(rest.size(), 1 + random() % (seed % 2 == 0 ? 7 : 30'000));
      ASSERT_TRUE(reader
                      .Feed(rest.substr(0, count),
                            [&](bool compressed, SharedBytes message) {
                              EXPECT_FALSE(compressed);
                              got.emplace_back(message.view());
                              return true;
                            })
                      .ok());
      rest.remove_prefix(count);
    }
    EXPECT_TRUE(reader.Finish().ok());
    EXPECT_EQ(got, sent);
  }
}

TEST(MessageReaderTest, LimitsAndBrokenPrefixesAreErrors) {
  const auto ignore = [](bool, SharedBytes) { return true; };
  MessageReader large(100);
  EXPECT_EQ(large.Feed(Framed(std::string(101, 'x')).substr(0, 5), ignore),
            absl::ResourceExhaustedError("grpc: received message larger than max (101 vs. 100)"));
  MessageReader flagged(100);
  EXPECT_EQ(flagged.Feed(std::string("\2\0\0\0\1x", 6), ignore).code(),
            absl::StatusCode::kInternal);
  MessageReader cut(100);
  EXPECT_TRUE(cut.Feed(Framed("abc").substr(0, 7), ignore).ok());
  EXPECT_EQ(cut.Finish().code(), absl::StatusCode::kInternal);
}

TEST(MessageReaderTest, StopsWhenTold) {
  MessageReader reader(100);
  int count = 0;
  EXPECT_TRUE(reader
                  .Feed(Framed("a") + Framed("b"),
                        [&](bool, SharedBytes) {
                          ++count;
                          return false;
                        })
                  .ok());
  EXPECT_EQ(count, 1);
}

}  // namespace
}  // namespace keelson::rpc
