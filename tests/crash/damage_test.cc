// Damage of a member's files, row by row of the table in docs/guarantees.md.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/log_format.h"
#include "storage/segment_pool.h"
#include "tests/crash/damaged_member.h"

namespace keelson::storage {
namespace {

using testing::HasSubstr;

class DamageTest : public testing::Test {
 protected:
  // A member killed with everything synced, and one that ended in order.
  DamagedMember killed_{{.seed = 1, .orderly_end = false}};
  DamagedMember ended_{{.seed = 2, .orderly_end = true}};

  static std::string Content(DamagedMember& member, const std::string& path) {
    return member.files().at(path);
  }
  // Undamaged but for these bytes.
  static Result WithBytes(DamagedMember& member, const std::string& path, uint64_t at,
                          const std::string& bytes) {
    member.Restore();
    std::string content = Content(member, path);
    content.replace(at, bytes.size(), bytes);
    member.disk().Replace(path, content);
    return member.Open(Damage{path, at, at + bytes.size()});
  }
  static Result WithFlip(DamagedMember& member, const std::string& path, uint64_t at, int bit = 0) {
    const char byte = static_cast<char>(Content(member, path)[at] ^ (1 << bit));
    return WithBytes(member, path, at, std::string(1, byte));
  }
  static Result Without(DamagedMember& member, const std::string& path) {
    member.Restore();
    member.disk().Delete(path);
    return member.Open(Damage{path});
  }
  static Result Cut(DamagedMember& member, const std::string& path, uint64_t size) {
    member.Restore();
    member.disk().Replace(path, Content(member, path).substr(0, size));
    return member.Open(Damage{path, size});
  }
  // Bytes of a record; the last ones may only fill it up.
  static std::vector<uint64_t> Some(const DamagedMember::Place& place) {
    std::vector<uint64_t> some;
    const uint64_t end = place.end - kRecordAlignment;
    for (uint64_t at = place.begin; at < end; at += 1 + (end - place.begin) / 50) {
      some.push_back(at);
    }
    return some;
  }

  static void ExpectRefused(const Result& result, const std::string& text) {
    EXPECT_EQ(result.outcome, Outcome::kRefused) << Name(result.outcome) << " " << result.text;
    EXPECT_THAT(result.text, HasSubstr(text));
  }
};

// ------------------------------------------------------------------------------------------- log

TEST_F(DamageTest, UndamagedMembersOpen) {
  for (DamagedMember* member : {&killed_, &ended_}) {
    member->Restore();
    const Result result = member->Open();
    EXPECT_EQ(result.outcome, Outcome::kUnharmed) << result.text;
    ASSERT_GE(member->Files("raft/", ".seg").size(), 2u);
    ASSERT_GE(member->Files("state/", ".sst").size(), 3u);
  }
}

TEST_F(DamageTest, AFlipInTheLastRecordOfAKilledMembersLogIsATornTail) {
  const auto place = killed_.PlaceOf(killed_.last());
  for (const uint64_t at : Some(place)) {
    EXPECT_EQ(WithFlip(killed_, place.path, at).outcome, Outcome::kTailCut) << at;
  }
}

TEST_F(DamageTest, AFlipInTheLastRecordAfterAnOrderlyEndIsRefused) {
  const auto place = ended_.PlaceOf(ended_.last());
  for (const uint64_t at : Some(place)) {
    ExpectRefused(WithFlip(ended_, place.path, at), place.path + " at offset ");
  }
}

TEST_F(DamageTest, AFlipInAnOlderRecordIsRefused) {
  const auto place = killed_.PlaceOf(killed_.FirstOfLastSegment() + 1);
  for (const uint64_t at : Some(place)) {
    ExpectRefused(WithFlip(killed_, place.path, at), place.path + " at offset ");
  }
}

TEST_F(DamageTest, AFlipInASegmentBeforeTheLastIsRefused) {
  const std::string path = killed_.Files("raft/", ".seg").front();
  uint64_t refused = 0;
  for (uint64_t at = 0; at < 2600; at += 13) {
    const Result result = WithFlip(killed_, path, at);
    if (result.outcome == Outcome::kUnharmed) continue;  // a byte that fills up a record
    ExpectRefused(result, path + " at offset ");
    ++refused;
  }
  EXPECT_GT(refused, 150u);
}

TEST_F(DamageTest, AFlipInTheHeaderOfASegmentIsRefused) {
  for (const std::string& path : killed_.Files("raft/", ".seg")) {
    for (uint64_t at = 0; at < kSegmentHeaderBytes; ++at) {
      ExpectRefused(WithFlip(killed_, path, at), path + " at offset 0");
    }
  }
}

TEST_F(DamageTest, AZeroedBlockWithinTheLogIsRefused) {
  const auto place = killed_.PlaceOf(killed_.FirstOfLastSegment());
  const uint64_t block = place.begin / 512 * 512;
  ASSERT_GT(killed_.Rest().begin, block + 1024);
  ExpectRefused(WithBytes(killed_, place.path, block, std::string(512, '\0')), place.path);
}

TEST_F(DamageTest, AZeroedBlockAtTheEndOfTheLogIsATornTail) {
  const auto rest = killed_.Rest();
  const uint64_t block = (rest.begin - 1) / 512 * 512;
  EXPECT_EQ(WithBytes(killed_, rest.path, block, std::string(512, '\0')).outcome,
            Outcome::kTailCut);
}

// Of the same segment, so that its checksums are right.
TEST_F(DamageTest, AMisdirectedAppendIsRefused) {
  const auto first = killed_.PlaceOfAppend(killed_.FirstOfLastSegment());
  const std::string append =
      Content(killed_, first.path).substr(first.begin, first.end - first.begin);
  const auto rest = killed_.Rest();
  ExpectRefused(WithBytes(killed_, rest.path, rest.begin, append), "record of another place");
  // Apart from the others it is what a torn write leaves: passed over.
  EXPECT_EQ(WithBytes(killed_, rest.path, rest.begin + 8, append).outcome, Outcome::kUnharmed);
}

TEST_F(DamageTest, AMissingSegmentIsRefused) {
  const auto segments = killed_.Files("raft/", ".seg");
  ExpectRefused(Without(killed_, segments[0]), "entries that were acknowledged are missing");
  DamagedMember whole({.seed = 4, .truncate_log = false});
  const auto all = whole.Files("raft/", ".seg");
  ASSERT_GE(all.size(), 4u);
  for (size_t i = 1; i + 1 < all.size(); ++i) {
    ExpectRefused(Without(whole, all[i]), all[i] + " is missing");
  }
}

TEST_F(DamageTest, AMissingLogIsRefused) {
  killed_.Restore();
  for (const std::string& path : killed_.Files("raft/")) killed_.disk().Delete(path);
  ExpectRefused(killed_.Open(), "the raft log is missing");
}

// ----------------------------------------------------------------------------------------- store

TEST_F(DamageTest, AFlipAnywhereInATableIsRefusedOrHarmless) {
  for (const std::string& path : killed_.Files("state/", ".sst")) {
    const uint64_t size = Content(killed_, path).size();
    uint64_t told = 0;
    // The data from the front, the footer whole: its 53 bytes tell where the rest is.
    for (uint64_t at = 0; at < size; at += at + 60 < size ? 40 : 1) {
      const Result result = WithFlip(killed_, path, at, 1);
      told += result.outcome == Outcome::kUnharmed ? 0 : 1;
      EXPECT_TRUE(result.outcome == Outcome::kRefused || result.outcome == Outcome::kUnharmed ||
                  result.outcome == Outcome::kReadFails)
          << path << " at " << at << ": " << Name(result.outcome) << " " << result.text;
    }
    EXPECT_GT(told, 0u) << path;
  }
}

// Nothing of the size of the data is read at opening, so it may come to light later.
TEST_F(DamageTest, AFlipInTheFirstBlockOfATableIsToldAtTheLatestWhenItIsRead) {
  for (const std::string& path : killed_.Files("state/", ".sst")) {
    const Result result = WithFlip(killed_, path, 10);
    EXPECT_TRUE(result.outcome == Outcome::kRefused || result.outcome == Outcome::kReadFails)
        << path << ": " << Name(result.outcome) << " " << result.text;
    EXPECT_THAT(result.text, HasSubstr("DATA_LOSS"));
  }
}

// Each read that comes while a member opens and is read through, damaged once. (An iterator of
// RocksDB passed over a table that it could not read when it came to it from another of the level.)
TEST_F(DamageTest, ADamagedReadOfTheStoreIsNeverPassedOver) {
  const DamagedMember::Options members[] = {{.seed = 60, .entries = 120, .flush_every = 10},
                                            {.seed = 120, .entries = 140, .flush_every = 10},
                                            {.seed = 148, .entries = 176, .flush_every = 18}};
  for (const auto& options : members) {
    DamagedMember member(options);
    uint64_t told = 0;
    for (uint64_t read = 0;; ++read) {
      const uint64_t before = member.disk().flips();
      member.Restore();
      member.disk().FlipReads(1, "state", 1, read);
      const Result result = member.Open();
      EXPECT_NE(result.outcome, Outcome::kWrong)
          << "seed " << options.seed << ", read " << read << ": " << result.text;
      if (member.disk().flips() == before) break;
      told += result.outcome == Outcome::kUnharmed ? 0 : 1;
    }
    EXPECT_GT(told, 10u);
  }
}

TEST_F(DamageTest, AMissingOrShorterTableIsRefused) {
  for (const std::string& path : killed_.Files("state/", ".sst")) {
    ExpectRefused(Without(killed_, path), path.substr(0, path.size() - 4));  // without .sst
    ExpectRefused(Cut(killed_, path, Content(killed_, path).size() / 2), "DATA_LOSS");
  }
}

TEST_F(DamageTest, AFlipInTheManifestIsRefused) {
  const std::string path = killed_.Files("state/MANIFEST").back();
  const uint64_t size = Content(killed_, path).size();
  for (uint64_t at = 0; at + 200 < size; at += 11) {
    const Result result = WithFlip(killed_, path, at);
    EXPECT_TRUE(result.outcome == Outcome::kRefused || result.outcome == Outcome::kUnharmed)
        << at << ": " << Name(result.outcome) << " " << result.text;
  }
  ExpectRefused(WithFlip(killed_, path, 12), "DATA_LOSS");
}

// RocksDB would skip the rest of the block and go on with the next.
TEST_F(DamageTest, AZeroedBlockWithinALongManifestIsRefused) {
  DamagedMember member({.seed = 3, .entries = 900, .flush_every = 3});
  const std::string path = member.Files("state/MANIFEST").back();
  const uint64_t size = Content(member, path).size();
  ASSERT_GT(size, uint64_t{36} << 10) << "it must have a second block";
  for (uint64_t at = 4096; at < 32 << 10; at += 4096) {
    ExpectRefused(WithBytes(member, path, at, std::string(4096, '\0')), path + " at offset ");
  }
}

TEST_F(DamageTest, AMissingManifestIsRefused) {
  ExpectRefused(Without(killed_, killed_.Files("state/MANIFEST").back()),
                "the MANIFEST that state/CURRENT names is missing");
}

TEST_F(DamageTest, AMissingCurrentIsRefusedAndNothingIsRemoved) {
  killed_.Restore();
  killed_.disk().Delete("state/CURRENT");
  ExpectRefused(killed_.Open(), "state/CURRENT is missing");
  auto expected = killed_.files();
  expected.erase("state/CURRENT");
  const auto left = killed_.disk().Save();
  for (const auto& [path, content] : expected) {
    const bool of_store = absl::StartsWith(path, "state/");
    EXPECT_TRUE(!of_store || left.contains(path)) << path;
  }
}

TEST_F(DamageTest, AFlipInCurrentIsRefused) {
  for (uint64_t at = 0; at < Content(killed_, "state/CURRENT").size(); ++at) {
    ExpectRefused(WithFlip(killed_, "state/CURRENT", at), "state/CURRENT");
  }
}

TEST_F(DamageTest, AMissingStoreIsRefusedUnlessTheLogHasAll) {
  killed_.Restore();
  for (const std::string& path : killed_.Files("state/")) killed_.disk().Delete(path);
  ExpectRefused(killed_.Open(), "entries that were acknowledged are missing");
  DamagedMember whole({.seed = 4, .truncate_log = false});
  whole.Restore();
  for (const std::string& path : whole.Files("state/")) whole.disk().Delete(path);
  EXPECT_EQ(whole.Open().outcome, Outcome::kUnharmed);
}

}  // namespace
}  // namespace keelson::storage
