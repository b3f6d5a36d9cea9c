// The bytes on disk, golden. docs/on-disk-format.md shows the same examples; a test holds it to
// that. A change here is a change of format: old stores must still be read or be refused.

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/block_counts.h"
#include "storage/key_history.h"
#include "storage/key_value.h"
#include "storage/log_format.h"
#include "storage/recent_state_hashes.h"
#include "storage/snapshot_format.h"
#include "storage/store_directory.h"
#include "storage/store_format.h"

namespace keelson::storage {
namespace {

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", static_cast<uint8_t>(c));
    if (!hex.empty()) hex += ' ';
    hex += two;
  }
  return hex;
}

// In the document the bytes are broken into lines and groups.
std::string DocumentWithoutSpace() {
  std::ifstream file("../docs/on-disk-format.md");
  std::stringstream text;
  text << file.rdbuf();
  std::string all = text.str();
  std::erase_if(all, [](char c) { return c == ' ' || c == '\n'; });
  return all;
}

void ExpectGolden(const std::string& bytes, const std::string& golden) {
  EXPECT_EQ(Hex(bytes), golden);
  std::string packed = golden;
  std::erase(packed, ' ');
  EXPECT_THAT(DocumentWithoutSpace(), testing::HasSubstr(packed))
      << "docs/on-disk-format.md does not show it";
}

const SegmentHeader kHeader{{0x0102, NodeId(5)}, 1, 0x1122334455667788};

std::string Record(const RecordHeader& header, const std::string& payload) {
  std::string bytes;
  AppendRecordHeader(RecordSalt(kHeader.salt), header, payload, bytes);
  bytes += payload;
  bytes.resize(PaddedRecordBytes(payload.size()));
  return bytes;
}

TEST(LogFormatTest, SegmentHeader) {
  ExpectGolden(EncodeSegmentHeader(kHeader),
               "4b 45 45 4c 4c 4f 47 0a 01 00 00 00 00 00 00 00 02 01 00 00 00 00 00 00 05 00 00 "
               "00 00 00 00 00 01 00 00 00 00 00 00 00 88 77 66 55 44 33 22 11 00 00 00 00 00 00 "
               "00 00 00 00 00 00 54 2f a7 42");
  EXPECT_EQ(*DecodeSegmentHeader(EncodeSegmentHeader(kHeader)), kHeader);
}

TEST(LogFormatTest, Opening) {
  const Opening opening{4096, {Term(3), NodeId(5), LogIndex(9)}};
  const std::string bytes = Record({.kind = RecordKind::kOpening,
                                    .flags = kLastOfAppend,
                                    .synced = 64,
                                    .index = LogIndex(9),
                                    .term = Term(3)},
                                   EncodeOpening(opening));
  ExpectGolden(bytes,
               "e4 3c bf 50 cc 44 44 44 20 00 00 00 08 00 00 00 09 00 00 00 00 00 00 00 03 00 00 "
               "00 00 00 00 00 01 00 01 00 00 00 00 00 00 10 00 00 00 00 00 00 03 00 00 00 00 00 "
               "00 00 05 00 00 00 00 00 00 00 09 00 00 00 00 00 00 00");
  const auto record = ParseRecord(RecordSalt(kHeader.salt), bytes);
  ASSERT_TRUE(record.has_value());
  Opening decoded;
  ASSERT_TRUE(DecodeOpening(record->payload, decoded));
  EXPECT_EQ(decoded, opening);
  EXPECT_EQ(record->header.index, LogIndex(9));
}

TEST(LogFormatTest, Entry) {
  const std::string bytes = Record({.kind = RecordKind::kEntry,
                                    .type = 2,
                                    .flags = kLastOfAppend,
                                    .synced = 136,
                                    .index = LogIndex(10),
                                    .term = Term(3)},
                                   "hi");
  ExpectGolden(bytes,
               "02 6f 67 0d cc 44 44 44 02 00 00 00 11 00 00 00 0a 00 00 00 00 00 00 00 03 00 00 "
               "00 00 00 00 00 02 02 01 00 00 00 00 00 68 69 00 00 00 00 00 00");
  const std::string followed = bytes + "more";
  const auto record = ParseRecord(RecordSalt(kHeader.salt), followed);
  ASSERT_TRUE(record.has_value());
  EXPECT_EQ(record->header.kind, RecordKind::kEntry);
  EXPECT_EQ(record->header.type, 2);
  EXPECT_EQ(record->header.flags, kLastOfAppend);
  EXPECT_EQ(record->header.synced, 136u);
  EXPECT_EQ(record->header.index, LogIndex(10));
  EXPECT_EQ(record->header.term, Term(3));
  EXPECT_EQ(record->payload, "hi");
  EXPECT_EQ(record->padded_bytes, bytes.size());
  EXPECT_FALSE(ParseRecord(RecordSalt(kHeader.salt + 1), bytes).has_value());
}

TEST(LogFormatTest, State) {
  ExpectGolden(EncodeLogState({Term(3), NodeId(5), LogIndex(9)}),
               "03 00 00 00 00 00 00 00 05 00 00 00 00 00 00 00 09 00 00 00 00 00 00 00");
}

TEST(StoreFormatTest, VersionKeyOrdersLikeTheRevision) {
  std::string key;
  AppendVersionKey({Revision(258), 1}, key);
  ExpectGolden(key, "00 00 00 00 00 00 01 02 00 00 00 00 00 00 00 01");
  VersionId id;
  ASSERT_TRUE(ParseVersionKey(key, id));
  EXPECT_EQ(id, (VersionId{Revision(258), 1}));
}

TEST(StoreFormatTest, PutAndDelete) {
  std::string put;
  AppendVersionRecordHead(EventKind::kPut, {Revision(300), 1}, put);
  AppendKeyValue({"a", Revision(2), Revision(301), 2, "b", LeaseId(7)}, put);
  ExpectGolden(put, "00 ac 02 01 0a 01 61 10 02 18 ad 02 20 02 2a 01 62 30 07");
  std::string tombstone;
  AppendVersionRecordHead(EventKind::kDelete, {Revision(301), 0}, tombstone);
  KeyValue kv;
  kv.key = "a";
  kv.mod_revision = Revision(302);
  AppendKeyValue(kv, tombstone);
  ExpectGolden(tombstone, "01 ad 02 00 0a 01 61 18 ae 02");
  VersionRecord record;
  ASSERT_TRUE(ParseVersionRecord(put, record));
  EXPECT_EQ(record.kind, EventKind::kPut);
  EXPECT_EQ(record.previous, (VersionId{Revision(300), 1}));
  ASSERT_TRUE(ParseKeyValue(record.kv, kv));
  EXPECT_EQ(kv.lease, LeaseId(7));
}

TEST(StoreFormatTest, HistoryOfAKey) {
  KeyHistory history;
  history.Push({{Revision(2), 0}, Revision(2), 1});
  history.Push({{Revision(300), 1}, Revision(2), 2});
  history.Push({{Revision(302), 0}, Revision(), 0});
  history.Push({{Revision(310), 0}, Revision(310), 1});
  std::string bytes;
  history.AppendTo(bytes);
  ExpectGolden(bytes, "00 b6 02 00 01 00 02 00 01 00 a9 09 01 0a");
  KeyHistory parsed;
  ASSERT_TRUE(KeyHistory::Parse(bytes, parsed));
  EXPECT_EQ(parsed.newest(), history.newest());
  EXPECT_EQ(parsed.Older(), history.Older());
  for (const int64_t at : {1, 2, 299, 300, 302, 309, 310}) {
    KeyHistory::Lookup found;
    ASSERT_TRUE(FindInHistory(bytes, Revision(at), found));
    EXPECT_EQ(found.version, history.At(Revision(at)).version) << at;
  }
  ASSERT_TRUE(history.At(Revision(301)).version.has_value());
  EXPECT_EQ(*history.At(Revision(301)).version, (IndexVersion{{Revision(300), 1}, Revision(2), 2}));
  EXPECT_TRUE(history.At(Revision(302)).version->deleted());
  EXPECT_FALSE(history.At(Revision(1)).version.has_value());
}

TEST(StoreFormatTest, TrimmedHistoryBeginsAnew) {
  KeyHistory history;
  history.Push({{Revision(2), 0}, Revision(2), 1});
  history.Push({{Revision(5), 0}, Revision(2), 2});
  history.Push({{Revision(8), 0}, Revision(), 0});
  history.Push({{Revision(9), 0}, Revision(9), 1});
  EXPECT_TRUE(history.Trim(Revision(6)));
  EXPECT_EQ(history.Older().front(), (IndexVersion{{Revision(5), 0}, Revision(2), 2}));
  EXPECT_TRUE(history.Trim(Revision(8)));
  EXPECT_EQ(history.older_count(), 1u);  // a tombstone at the floor itself stays
  history.Push({{Revision(12), 0}, Revision(), 0});
  EXPECT_TRUE(history.Trim(Revision(12)));
  EXPECT_TRUE(history.newest().deleted());
  EXPECT_TRUE(history.Trim(Revision(13)));
  EXPECT_TRUE(history.empty());
}

TEST(StoreFormatTest, AStepToTheLastRevisionIsReadAndOneBeyondIsMalformed) {
  KeyHistory history;
  history.Push({{Revision(1), 0}, Revision(1), 1});
  history.Push({{Revision(kRevisionMax - 1), 0}, Revision(1), 2});
  history.Push({{Revision(kRevisionMax), 0}, Revision(1), 3});
  std::string bytes;
  history.AppendTo(bytes);
  KeyHistory parsed;
  ASSERT_TRUE(KeyHistory::Parse(bytes, parsed));
  EXPECT_EQ(parsed.Older(), history.Older());
  const VersionId beyond{Revision(kRevisionMax) + 1, 0};
  EXPECT_FALSE(KeyHistory::Parse(EncodeHistory(std::vector<IndexVersion>{{beyond, Revision(1), 1}}),
                                 parsed));
  EXPECT_FALSE(KeyHistory::Parse(EncodeHistory(std::vector<IndexVersion>{
                                     {{Revision(1), 0}, Revision(1), 1},
                                     {beyond, Revision(1), 2},
                                     {{Revision(kRevisionMax), 0}, Revision(1), 3},
                                 }),
                                 parsed));
}

TEST(StoreFormatTest, ChunkOfAHistory) {
  const std::string key = ChunkKey("a", {Revision(300), 1});
  ExpectGolden(key, "00 00 00 01 61 00 00 00 00 00 00 01 2c 00 00 00 00 00 00 00 01");
  std::string_view of;
  VersionId newest;
  ASSERT_TRUE(ParseChunkKey(key, of, newest));
  EXPECT_EQ(of, "a");
  EXPECT_EQ(newest, (VersionId{Revision(300), 1}));
  const std::vector<IndexVersion> versions = {{{Revision(2), 0}, Revision(2), 1},
                                              {{Revision(300), 1}, Revision(2), 2}};
  ExpectGolden(EncodeHistory(versions), "00 ac 02 01 02 aa 02 02 00 01 00");
}

TEST(StoreFormatTest, Counts) {
  ExpectGolden(CountsMetaKey("/a"), "08 2f 61");
  const std::vector<CountedBlock> blocks = {{"/a", 3, 4}, {"/ab", 5, 5}};
  const std::string bytes = EncodeLeaf(Revision(302), blocks);
  ExpectGolden(bytes, "ae 02 02 00 03 04 02 01 62 05 05");
  Revision as_of;
  std::vector<CountedBlock> parsed;
  ASSERT_TRUE(ParseLeaf("/a", bytes, as_of, parsed));
  EXPECT_EQ(as_of, Revision(302));
  EXPECT_EQ(parsed, blocks);
  EXPECT_FALSE(ParseLeaf("/", bytes, as_of, parsed)) << "it shares more than there is";
  ExpectGolden(EncodeIndexThrough(Revision(302)), "2e 01 00 00 00 00 00 00");
}

TEST(StoreFormatTest, Meta) {
  const Position position{LogIndex(1000), Term(4), Revision(302), Revision(200)};
  ExpectGolden(EncodePosition(position),
               "e8 03 00 00 00 00 00 00 04 00 00 00 00 00 00 00 2e 01 00 00 00 00 00 00 c8 00 00 "
               "00 00 00 00 00");
  Position parsed;
  ASSERT_TRUE(ParsePosition(EncodePosition(position), parsed));
  EXPECT_EQ(parsed, position);
  const CompactionProgress progress{Revision(150), {Revision(180), 3}};
  ExpectGolden(EncodeCompactionProgress(progress),
               "96 00 00 00 00 00 00 00 b4 00 00 00 00 00 00 00 03 00 00 00 00 00 00 00");
  CompactionProgress parsed_progress;
  ASSERT_TRUE(ParseCompactionProgress(EncodeCompactionProgress(progress), parsed_progress));
  EXPECT_EQ(parsed_progress, progress);
  ExpectGolden(LeaseMetaKey(LeaseId(7)), "04 80 00 00 00 00 00 00 07");
  ExpectGolden(EncodeLease({LeaseId(7), 60, 45}),
               "3c 00 00 00 00 00 00 00 2d 00 00 00 00 00 00 00");
  ExpectGolden(LeaseKeyMetaKey(LeaseId(-1), "a"), "05 7f ff ff ff ff ff ff ff 61");
  ExpectGolden(RecordMetaKey(Table::kMembers, "m"), "06 02 6d");
  ExpectGolden(StateHashMetaKey(5), "09 05");
  const StateHashRun hashes{LogIndex(1000), {0xabcdef0123456789, 0x123456789abcdef0}};
  ExpectGolden(EncodeStateHashRun(hashes),
               "e8 03 00 00 00 00 00 00 89 67 45 23 01 ef cd ab f0 de bc 9a 78 56 34 12");
  StateHashRun parsed_hashes;
  ASSERT_TRUE(ParseStateHashRun(EncodeStateHashRun(hashes), parsed_hashes));
  EXPECT_EQ(parsed_hashes, hashes);
  LeaseId id;
  std::string_view key;
  const std::string leased = LeaseKeyMetaKey(LeaseId(-1), "a");
  ASSERT_TRUE(ParseLeaseKeyMetaKey(std::string_view(leased).substr(1), id, key));
  EXPECT_EQ(id, LeaseId(-1));
  EXPECT_EQ(key, "a");
}

TEST(StoreFormatTest, LeaseKeysOrderLikeTheIds) {
  EXPECT_LT(LeaseMetaKey(LeaseId(-5)), LeaseMetaKey(LeaseId(-1)));
  EXPECT_LT(LeaseMetaKey(LeaseId(-1)), LeaseMetaKey(LeaseId(1)));
  EXPECT_LT(LeaseMetaKey(LeaseId(1)), LeaseMetaKey(LeaseId(256)));
}

const SnapshotDescription kSnapshot{LogIndex(1000),
                                    Term(4),
                                    Revision(302),
                                    Revision(200),
                                    {{"CURRENT", 16, 0x11223344}, {"a.sst", 2, 0xf59dd9c2}}};

TEST(SnapshotFormatTest, Header) {
  const std::string header = EncodeSnapshotHeader(kSnapshot);
  ExpectGolden(header,
               "4b 45 45 4c 53 4e 41 50 01 00 00 00 4a 00 00 00 e8 03 00 00 00 00 00 00 04 00 00 "
               "00 00 00 00 00 2e 01 00 00 00 00 00 00 c8 00 00 00 00 00 00 00 02 00 00 00 10 00 "
               "00 00 00 00 00 00 44 33 22 11 07 43 55 52 52 45 4e 54 02 00 00 00 00 00 00 00 c2 "
               "d9 9d f5 05 61 2e 73 73 74 4b f9 8e c2");
  EXPECT_EQ(*SnapshotHeaderBytes(header), header.size());
  EXPECT_EQ(*DecodeSnapshotHeader(header), kSnapshot);
}

TEST(SnapshotFormatTest, PieceAndTrailer) {
  ExpectGolden(EncodeSnapshotPieceHead("hi") + "hi", "02 00 00 00 c2 d9 9d f5 68 69");
  EXPECT_EQ(SnapshotStreamBytes(kSnapshot), 512u);
  ExpectGolden(EncodeSnapshotTrailer(EncodeSnapshotHeader(kSnapshot), 512),
               "4b 45 45 4c 44 4f 4e 45 00 02 00 00 00 00 00 00 12 7d 22 a1");
}

TEST(StoreDirectoryFormatTest, Pointer) {
  const StorePointer pointer{2, {Term(4), LogIndex(1000)}};
  ExpectGolden(EncodeStorePointer(pointer),
               "4b 45 45 4c 53 54 4f 52 01 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 e8 03 00 "
               "00 00 00 00 00 04 00 00 00 00 00 00 00 13 b6 b1 6b");
  EXPECT_EQ(*DecodeStorePointer(EncodeStorePointer(pointer)), pointer);
}

TEST(KeyValueTest, UnknownRepeatedOrMisorderedFieldsAreRefused) {
  KeyValue kv;
  for (const std::string bytes : {"\x0a\x01", "\x0a", "\x10", "\x38\x01", "\x10\x01\x10\x01",
                                  "\x10\x01\x0a\x01x", "\x0b\x01"}) {
    EXPECT_FALSE(ParseKeyValue(bytes, kv)) << Hex(bytes);
  }
  EXPECT_TRUE(ParseKeyValue("", kv));
}

}  // namespace
}  // namespace keelson::storage
