// GatherBuffer and SendQueue against a plain string; HeaderBlock.
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "http/gather_buffer.h"
#include "http/header_block.h"
#include "http/send_queue.h"

namespace keelson::http {
namespace {

std::string Contents(const GatherBuffer& buffer) {
  std::string all;
  iovec pieces[1024];
  const size_t count = buffer.Peek(pieces, 1024);
  for (size_t i = 0; i < count; ++i) {
    all.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  }
  return all;
}

std::string RandomText(std::mt19937_64* random) {
  constexpr size_t kSizes[] = {1, 9, 255, 256, 1023, 1024, 5000, 40'000};
  const size_t size = kSizes[(*random)() % std::size(kSizes)];
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>((*random)());
  return text;
}

TEST(GatherBufferTest, HoldsTheSameBytesAsAString) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    BlockPool pool;
    GatherBuffer buffer(&pool);
    std::string model;
    for (int i = 0; i < 200; ++i) {
      switch (random() % 3) {
        case 0: {
          const std::string text = RandomText(&random);
          buffer.AppendCopy(text);
          model += text;
          break;
        }
        case 1: {
          const std::string text = RandomText(&random);
          buffer.Append(SharedBytes(text));
          model += text;
          break;
        }
        default: {
          const size_t count = random() % 4 == 0 ? model.size() : random() % (model.size() + 1);
          buffer.Advance(count);
          model.erase(0, count);
        }
      }
      ASSERT_EQ(buffer.size(), model.size());
      ASSERT_EQ(Contents(buffer), model);
    }
  }
}

TEST(GatherBufferTest, LargePiecesAreNotCopied) {
  BlockPool pool;
  GatherBuffer buffer(&pool);
  const SharedBytes large(std::string(GatherBuffer::kCopyMax, 'x'));
  buffer.AppendCopy("head");
  buffer.Append(large);
  iovec pieces[4];
  ASSERT_EQ(buffer.Peek(pieces, 4), 2u);
  EXPECT_EQ(pieces[1].iov_base, large.data());
}

TEST(SendQueueTest, MovesTheSameBytesAsAString) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    BlockPool pool;
    GatherBuffer buffer(&pool);
    SendQueue queue;
    std::string model;
    for (int i = 0; i < 300; ++i) {
      if (random() % 2 == 0) {
        const std::string text = RandomText(&random);
        random() % 2 == 0 ? queue.AppendCopy(text) : queue.Append(SharedBytes(text));
        model += text;
      } else {
        const size_t count = random() % 4 == 0 ? model.size() : random() % (model.size() + 1);
        queue.MoveTo(&buffer, count);
        ASSERT_EQ(Contents(buffer), model.substr(0, count));
        buffer.Advance(count);
        model.erase(0, count);
      }
      ASSERT_EQ(queue.size(), model.size());
    }
  }
}

TEST(HeaderBlockTest, FindsTheFirstFieldOfAName) {
  HeaderBlock block;
  block.Add(":path", "/a");
  block.Add("x", "1");
  block.Add("x", "2");
  block.Add("empty", "");
  EXPECT_EQ(block.Find("x"), "1");
  EXPECT_EQ(block.Find("empty"), "");
  EXPECT_EQ(block.Find("y"), std::nullopt);
  EXPECT_EQ(block.Get(":path"), "/a");
  EXPECT_EQ(block[2].value, "2");
  EXPECT_EQ(block.size(), 4u);
}

}  // namespace
}  // namespace keelson::http
