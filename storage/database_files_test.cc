#include "storage/database_files.h"

#include <string>
#include <utility>

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

void AppendPiece(std::string& to, char type, const std::string& payload) {
  const std::string covered = std::string(1, type) + payload;
  const uint32_t crc = Crc32c(covered);
  AppendLittle32(to, ((crc >> 15) | (crc << 17)) + 0xa282ead8u);
  to.push_back(static_cast<char>(payload.size()));
  to.push_back(static_cast<char>(payload.size() >> 8));
  to += covered;
}

void AppendRecord(std::string& to, const std::string& payload) { AppendPiece(to, '\x01', payload); }

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

// One of a group that reaches disk together.
std::string ChangeOfGroup(uint64_t last_sequence, char left) {
  return Change(last_sequence) + "\xac\x02" + left;
}

size_t RecordBytes(const std::string& change) {
  std::string record;
  AppendRecord(record, change);
  return record.size();
}

void ExpectWhole(const std::string& manifest) {
  const ManifestState state = LookAtManifest(manifest);
  EXPECT_FALSE(state.damaged);
  EXPECT_EQ(state.valid_bytes, manifest.size());
}

void ExpectTornAt(const std::string& manifest, size_t at) {
  const ManifestState state = LookAtManifest(manifest);
  EXPECT_FALSE(state.damaged);
  EXPECT_EQ(state.valid_bytes, at);
}

void ExpectDamageAt(const std::string& manifest, size_t at) {
  const ManifestState state = LookAtManifest(manifest);
  EXPECT_TRUE(state.damaged);
  EXPECT_EQ(state.valid_bytes, at);
}

TEST(DatabaseFilesTest, AWholeManifestHasNoDamage) {
  ExpectWhole("");
  ExpectWhole(Manifest(3000));
  ExpectWhole(Manifest(3 * kBlock));
}

TEST(DatabaseFilesTest, ATornEndIsCutBeforeItsRecord) {
  const std::string manifest = Manifest(kBlock + 5000);
  const size_t last = manifest.size() - RecordBytes(Change(1000));
  for (size_t size = last + 1; size < manifest.size(); ++size) {
    ExpectTornAt(manifest.substr(0, size), last);
    std::string zeroed = manifest.substr(0, size);
    zeroed.resize(manifest.size());
    ExpectTornAt(zeroed, last);
  }
}

// RocksDB writes what an atomic flush changes as a group and syncs once; of what was not synced any
// part may be there.
TEST(DatabaseFilesTest, ALostBeginningOfTheLastGroupIsATornEnd) {
  std::string manifest = Manifest(3000);
  const size_t group = manifest.size();
  for (char left = 3; left >= 0; --left) AppendRecord(manifest, ChangeOfGroup(1100, left));
  ExpectWhole(manifest);
  const size_t record = (manifest.size() - group) / 4;
  for (size_t lost = 0; lost < 3; ++lost) {
    std::string torn = manifest;
    torn.replace(group + lost * record + 8, 40, std::string(40, '\0'));
    ExpectTornAt(torn, group + lost * record);
    // A record of something else after it says that the group had been on disk.
    AppendRecord(torn, Change(1101));
    ExpectDamageAt(torn, group + lost * record);
  }
}

TEST(DatabaseFilesTest, ALostBeginningOfARecordInTwoBlocksIsATornEnd) {
  std::string manifest = Manifest(kBlock - 300);
  const size_t at = manifest.size();
  const size_t room = kBlock - at % kBlock - kHeader;
  const std::string first(room, '\x07'), rest(200, '\x07');
  for (const auto& [type, payload] : {std::pair{'\x02', first}, std::pair{'\x04', rest}}) {
    AppendPiece(manifest, type, payload);
  }
  ExpectWhole(manifest);
  manifest[at + 20] = 0;
  ExpectTornAt(manifest, at);
}

// RocksDB takes zeroes where a record should begin for the end of the block.
TEST(DatabaseFilesTest, ZeroesBeforeLaterRecordsAreDamage) {
  for (const size_t bytes : {size_t{20000}, kBlock + 5000}) {
    std::string manifest = Manifest(bytes);
    const size_t at = 20 * RecordBytes(Change(1000));
    manifest.replace(at, 4096, std::string(4096, '\0'));
    ExpectDamageAt(manifest, at);
  }
}

TEST(DatabaseFilesTest, AFlipBeforeLaterRecordsIsDamage) {
  const std::string manifest = Manifest(2 * kBlock);
  for (size_t at = 0; at < manifest.size() - 1000; at += 101) {
    std::string flipped = manifest;
    flipped[at] = static_cast<char>(flipped[at] ^ 4);
    const ManifestState state = LookAtManifest(flipped);
    // What fills up a block may be anything.
    EXPECT_TRUE(state.damaged || state.valid_bytes == manifest.size()) << at;
    EXPECT_TRUE(state.valid_bytes <= at || !state.damaged) << at;
  }
}

TEST(DatabaseFilesTest, ARecordFromAnotherPlaceIsDamage) {
  std::string manifest = Manifest(3000);
  const size_t end = manifest.size();
  AppendRecord(manifest, Change(1003));
  ExpectDamageAt(manifest, end);
}

}  // namespace
}  // namespace keelson::storage
