#include "storage/database_files.h"

#include <string>
#include <string_view>

#include "base/coding.h"
#include "base/crc32c.h"
#include "gtest/gtest.h"

namespace keelson::storage {
namespace {

constexpr size_t kBlock = 32 << 10;
constexpr size_t kHeader = 7;

// A change that says how many writes there have been.
std::string Change(uint64_t last_sequence) {
  std::string change;
  AppendVarint(change, 3);  // next file
  AppendVarint(change, 77);
  AppendVarint(change, 4);
  AppendVarint(change, last_sequence);
  return change + std::string(90, '\x07');
}

void AppendRecord(std::string& to, const std::string& payload) {
  const std::string covered = std::string(1, '\x01') + payload;
  const uint32_t crc = Crc32c(covered);
  AppendLittle32(to, ((crc >> 15) | (crc << 17)) + 0xa282ead8u);
  to.push_back(static_cast<char>(payload.size()));
  to.push_back(static_cast<char>(payload.size() >> 8));
  to += covered;
}

std::string Manifest(size_t bytes) {
  std::string manifest;
  for (uint64_t sequence = 1000; manifest.size() < bytes; ++sequence) {
    std::string change = Change(sequence);
    // The last of a block fills it.
    const size_t left = kBlock - manifest.size() % kBlock - kHeader;
    if (left < 3 * change.size()) change.resize(left, '\x07');
    AppendRecord(manifest, change);
  }
  return manifest;
}

constexpr size_t kNone = std::string_view::npos;

TEST(DatabaseFilesTest, AWholeManifestHasNoDamage) {
  EXPECT_EQ(FindDamageInManifest(""), kNone);
  EXPECT_EQ(FindDamageInManifest(Manifest(3000)), kNone);
  EXPECT_EQ(FindDamageInManifest(Manifest(3 * kBlock)), kNone);
}

TEST(DatabaseFilesTest, ATornEndIsNoDamage) {
  const std::string manifest = Manifest(kBlock + 5000);
  for (size_t size = manifest.size() - 300; size < manifest.size(); ++size) {
    EXPECT_EQ(FindDamageInManifest(manifest.substr(0, size)), kNone) << size;
    std::string zeroed = manifest.substr(0, size);
    zeroed.resize(manifest.size());
    EXPECT_EQ(FindDamageInManifest(zeroed), kNone) << size;
  }
}

// RocksDB takes zeroes where a record should begin for the end of the block.
TEST(DatabaseFilesTest, ZeroesBeforeALaterBlockAreDamage) {
  std::string manifest = Manifest(kBlock + 5000);
  std::string first;
  AppendRecord(first, Change(1000));
  const size_t at = 20 * first.size();
  manifest.replace(at, 4096, std::string(4096, '\0'));
  EXPECT_EQ(FindDamageInManifest(manifest), at);
}

TEST(DatabaseFilesTest, AFlipBeforeALaterBlockIsDamage) {
  const std::string manifest = Manifest(2 * kBlock);
  for (size_t at = 0; at < 30000; at += 101) {
    std::string flipped = manifest;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    EXPECT_LE(FindDamageInManifest(flipped), at) << at;
  }
}

TEST(DatabaseFilesTest, ARecordFromAnotherPlaceIsDamage) {
  std::string manifest = Manifest(3000);
  const size_t end = manifest.size();
  AppendRecord(manifest, Change(1003));
  EXPECT_EQ(FindDamageInManifest(manifest), end);
}

}  // namespace
}  // namespace keelson::storage
