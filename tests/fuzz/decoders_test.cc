// The corpus that is kept, and random changes of it, through every decoder.
//
//   KEELSON_FUZZ_RUNS=10000000 KEELSON_SEED=7 decoders_test

#include "tests/fuzz/decoders.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keelson::fuzz {
namespace {

namespace fs = std::filesystem;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class DecodersTest : public testing::TestWithParam<Decoder> {
 protected:
  DecodersTest() {
    for (const auto& entry : fs::directory_iterator(fs::path("corpus") / GetParam().name)) {
      std::ifstream file(entry.path(), std::ios::binary);
      corpus_.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    std::sort(corpus_.begin(), corpus_.end());
  }

  // In a buffer of exactly their size, so that a sanitizer sees a step past the end.
  static void Run(std::string_view bytes) {
    const std::unique_ptr<char[]> exact(new char[bytes.size()]);
    bytes.copy(exact.get(), bytes.size());
    GetParam().run({exact.get(), bytes.size()});
  }

  void Change(std::string& bytes) {
    const size_t at = bytes.empty() ? 0 : random_.Below(bytes.size());
    const std::string& other = corpus_[random_.Below(corpus_.size())];
    switch (random_.Below(6)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.insert(at, 1 + random_.Below(12), static_cast<char>(random_.Next()));
        break;
      case 2:
        bytes.erase(at, 1 + random_.Below(8));
        break;
      case 3:
        bytes.insert(at, other.substr(other.empty() ? 0 : random_.Below(other.size())));
        break;
      default:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_.Below(8)));
    }
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  SeededRandom random_{seed_};
  std::vector<std::string> corpus_;
};

TEST_P(DecodersTest, TheCorpusIsTakenOrRefused) {
  ASSERT_FALSE(corpus_.empty());
  for (const std::string& bytes : corpus_) Run(bytes);
  Run("");
}

TEST_P(DecodersTest, ChangesOfTheCorpusAreTakenOrRefused) {
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_);
  const uint64_t runs = FromEnvironment("KEELSON_FUZZ_RUNS", 20000);
  for (uint64_t i = 0; i < runs; ++i) {
    std::string bytes = corpus_[random_.Below(corpus_.size())];
    for (uint64_t n = 1 + random_.Below(4); n > 0; --n) Change(bytes);
    Run(bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DecodersTest, testing::ValuesIn(Decoders().begin(), Decoders().end()),
                         [](const auto& decoder) { return std::string(decoder.param.name); });

}  // namespace
}  // namespace keelson::fuzz
