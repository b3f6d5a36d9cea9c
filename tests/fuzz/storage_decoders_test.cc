// Bytes that came from a disk may be anything. Every decoder of stored bytes gets valid bytes with
// random changes, and random bytes: it may refuse them, but must not read past them (the sanitizers
// watch), crash, or take them for something that does not encode back to the same bytes.
//
//   KEELSON_FUZZ_RUNS=10000000 KEELSON_SEED=7 storage_decoders_test

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/block_counts.h"
#include "storage/crashing_file_system.h"
#include "storage/key_history.h"
#include "storage/key_value.h"
#include "storage/log_format.h"
#include "storage/segment_pool.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_stream.h"
#include "storage/store_directory.h"
#include "storage/store_format.h"

namespace keelson::storage {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class StorageDecodersTest : public testing::Test {
 protected:
  using Decoder = std::function<void(std::string_view)>;

  StorageDecodersTest() { std::printf("KEELSON_SEED=%" PRIu64 "\n", seed_); }

  void Fuzz(const std::vector<std::string>& corpus, const Decoder& decode, uint64_t share = 1) {
    for (const std::string& good : corpus) Run(good, decode);
    for (uint64_t i = 0; i < runs_ / share && !HasFailure(); ++i) {
      std::string bytes = corpus[random_.Below(corpus.size())];
      for (uint64_t n = random_.Below(4); n > 0; --n) Mutate(bytes);
      Run(bytes, decode);
    }
  }

  void Mutate(std::string& bytes) {
    static constexpr uint8_t kOdd[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    const size_t at = bytes.empty() ? 0 : random_.Below(bytes.size());
    switch (random_.Below(6)) {
      case 0:
        bytes.resize(at);
        break;
      case 1:
        bytes.insert(at, 1 + random_.Below(12), static_cast<char>(random_.Next()));
        break;
      case 2:
        if (!bytes.empty()) bytes.erase(at, 1 + random_.Below(8));
        break;
      case 3:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_.Below(8)));
        break;
      case 4:
        if (!bytes.empty()) bytes[at] = static_cast<char>(kOdd[random_.Below(5)]);
        break;
      default:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random_.Next());
    }
  }

  // In a buffer of exactly their size, so that a step past the end is seen.
  static void Run(const std::string& bytes, const Decoder& decode) {
    const std::unique_ptr<char[]> exact(new char[bytes.size()]);
    std::copy(bytes.begin(), bytes.end(), exact.get());
    decode({exact.get(), bytes.size()});
  }

  const uint64_t seed_ = FromEnvironment("KEELSON_SEED", SystemSeed());
  const uint64_t runs_ = FromEnvironment("KEELSON_FUZZ_RUNS", 500000);
  SeededRandom random_{seed_};
};

TEST_F(StorageDecodersTest, KeyValue) {
  std::vector<std::string> corpus(3);
  AppendKeyValue({"key", Revision(3), Revision(400), 5, "value", LeaseId(-6)}, corpus[0]);
  AppendKeyValue({std::string(300, 'k'), Revision(1), Revision(1), 1, {}, LeaseId()}, corpus[1]);
  Fuzz(corpus, [](std::string_view bytes) {
    KeyValue kv, again;
    if (!ParseKeyValue(bytes, kv)) return;
    std::string encoded;
    AppendKeyValue(kv, encoded);
    ASSERT_TRUE(ParseKeyValue(encoded, again));
    EXPECT_EQ(again.key, kv.key);
    EXPECT_EQ(again.value, kv.value);
    EXPECT_EQ(again.lease, kv.lease);
    EXPECT_LE(encoded.size(), bytes.size());
  });
}

TEST_F(StorageDecodersTest, VersionKeyAndRecord) {
  std::vector<std::string> corpus(2);
  AppendVersionKey({Revision(70000), 12}, corpus[0]);
  AppendVersionRecordHead(EventKind::kDelete, {Revision(70000), 12}, corpus[1]);
  Fuzz(corpus, [](std::string_view bytes) {
    VersionId id;
    if (ParseVersionKey(bytes, id)) {
      std::string encoded;
      AppendVersionKey(id, encoded);
      EXPECT_EQ(encoded, bytes);
    }
    VersionRecord record;
    if (ParseVersionRecord(bytes, record)) {
      EXPECT_GE(record.previous.main, Revision(0));
      EXPECT_EQ(record.kv.data() + record.kv.size(), bytes.data() + bytes.size());
    }
  });
}

TEST_F(StorageDecodersTest, Meta) {
  const std::vector<std::string> corpus = {
      EncodePosition({LogIndex(9), Term(3), Revision(8), Revision(4)}),
      EncodeCompactionProgress({Revision(3), {Revision(4), 5}}), LeaseMetaKey(LeaseId(7)).substr(1),
      LeaseKeyMetaKey(LeaseId(7), "key").substr(1), EncodeLease({LeaseId(1), 60, 30})};
  Fuzz(corpus, [](std::string_view bytes) {
    Position position;
    if (ParsePosition(bytes, position)) {
      EXPECT_EQ(EncodePosition(position), bytes);
    }
    CompactionProgress progress;
    if (ParseCompactionProgress(bytes, progress)) {
      EXPECT_EQ(EncodeCompactionProgress(progress), bytes);
    }
    LeaseId id;
    std::string_view key;
    if (ParseLeaseMetaKey(bytes, id)) {
      EXPECT_EQ(LeaseMetaKey(id).substr(1), bytes);
    }
    if (ParseLeaseKeyMetaKey(bytes, id, key)) {
      EXPECT_EQ(LeaseKeyMetaKey(id, key).substr(1), bytes);
    }
    Table table;
    (void)ParseRecordMetaKey(bytes, table, key);
    LeaseRecord lease;
    if (ParseLease(bytes, lease)) {
      EXPECT_EQ(EncodeLease(lease), bytes);
    }
  });
}

TEST_F(StorageDecodersTest, HistoryOfAKey) {
  KeyHistory history;
  std::vector<std::string> corpus;
  for (int64_t main = 3; main < 40; main += 4) {
    history.Push({{Revision(main), main % 3}, Revision(3), (main + 1) / 4});
    history.AppendTo(corpus.emplace_back());
  }
  history.Push({{Revision(300), 0}, Revision(), 0});
  history.Push({{Revision(300), 1}, Revision(300), 1});
  history.AppendTo(corpus.emplace_back());
  history.Spill(2);
  history.AppendTo(corpus.emplace_back());
  corpus.push_back(ChunkKey("key", {Revision(7), 1}));
  Fuzz(corpus, [](std::string_view bytes) {
    KeyHistory parsed, again;
    KeyHistory::Lookup found;
    const bool whole = KeyHistory::Parse(bytes, parsed);
    for (const int64_t at : {0, 5, 20, 299, 300, 1 << 30}) {
      if (!FindInHistory(bytes, Revision(at), found)) {
        EXPECT_FALSE(whole);
      } else if (whole) {
        EXPECT_EQ(found.version, parsed.At(Revision(at)).version);
      }
    }
    std::string_view key;
    VersionId newest;
    if (ParseChunkKey(bytes, key, newest)) {
      EXPECT_EQ(ChunkKey(key, newest), bytes);
    }
    if (!whole) return;
    std::string encoded;
    parsed.AppendTo(encoded);
    ASSERT_TRUE(KeyHistory::Parse(encoded, again));
    EXPECT_EQ(again.newest(), parsed.newest());
    EXPECT_EQ(again.Older(), parsed.Older());
    EXPECT_LE(encoded.size(), bytes.size());
    again.Spill(again.older_count() / 2);
    (void)again.Trim(Revision(100));
    again.Push({{Revision(int64_t{1} << 62), 0}, Revision(1), again.newest().version + 1});
  });
}

TEST_F(StorageDecodersTest, Counts) {
  const std::vector<std::string> corpus = {
      EncodeLeaf(Revision(9), {{"a", 3, 3}}),
      EncodeLeaf(Revision(300), {{"a", 300, 400}, {"ab", 1, 1}, {"b", 0, 7}})};
  Fuzz(corpus, [](std::string_view bytes) {
    Revision as_of, as_of_again, through;
    std::vector<CountedBlock> blocks, again;
    if (ParseIndexThrough(bytes, through)) {
      EXPECT_EQ(EncodeIndexThrough(through), bytes);
    }
    if (!ParseLeaf("a", bytes, as_of, blocks)) return;
    const std::string encoded = EncodeLeaf(as_of, blocks);
    ASSERT_TRUE(ParseLeaf("a", encoded, as_of_again, again));
    EXPECT_EQ(as_of, as_of_again);
    EXPECT_EQ(blocks, again);
  });
}

TEST_F(StorageDecodersTest, SegmentHeaderAndRecords) {
  const SegmentHeader header{{1, NodeId(2)}, 3, 0x1234567890abcdef};
  const RecordSalt salt(header.salt);
  std::string record;
  AppendRecordHeader(salt, {.kind = RecordKind::kEntry, .index = LogIndex(5), .term = Term(1)},
                     "payload", record);
  record += "payload";
  record.resize(PaddedRecordBytes(7));
  const std::vector<std::string> corpus = {EncodeSegmentHeader(header), record, record + record,
                                           EncodeOpening({64, {Term(1), NodeId(2), LogIndex(3)}})};
  Fuzz(corpus, [&salt](std::string_view bytes) {
    (void)DecodeSegmentHeader(bytes).ok();
    Opening opening;
    if (DecodeOpening(bytes, opening)) {
      EXPECT_EQ(EncodeOpening(opening), bytes);
    }
    if (const auto parsed = ParseRecord(salt, bytes)) {
      std::string encoded;
      AppendRecordHeader(salt, parsed->header, parsed->payload, encoded);
      EXPECT_EQ(encoded.substr(0, 35), bytes.substr(0, 35));
    }
  });
}

// What a peer may send in place of a snapshot; also with a header whose checksum is right.
TEST_F(StorageDecodersTest, Snapshots) {
  CrashingFileSystem files(seed_);
  const SnapshotDescription description{LogIndex(9),
                                        Term(3),
                                        Revision(8),
                                        Revision(4),
                                        {{"CURRENT", 0, 0}, {"a.sst", 2, Crc32c("hi")}}};
  const std::string header = EncodeSnapshotHeader(description);
  const uint64_t bytes = SnapshotStreamBytes(description);
  std::string stream =
      header + EncodeSnapshotPieceHead("hi") + "hi" + EncodeSnapshotTrailer(header, bytes);
  stream.resize(bytes, '\0');
  uint64_t accepted = 0;
  const auto receive = [&](std::string_view sent) {
    SnapshotReceiver receiver(std::nullopt, &files);
    if (!receiver.Append(sent).ok() || !receiver.Finish().ok()) return;
    ++accepted;
    EXPECT_EQ(SnapshotStreamBytes(*receiver.description()), sent.size());
  };
  Fuzz({stream}, [&](std::string_view sent) {
    receive(sent);
    std::string forged(sent);
    const auto size = SnapshotHeaderBytes(sent);
    if (!size.ok() || *size > forged.size()) return;
    StoreLittle32(forged.data() + *size - 4, Crc32c(sent.substr(0, *size - 4)));
    receive(forged);
    const auto decoded = DecodeSnapshotHeader(std::string_view(forged).substr(0, *size));
    if (!decoded.ok()) return;
    EXPECT_EQ(EncodeSnapshotHeader(*decoded), forged.substr(0, *size));
  });
  EXPECT_GT(accepted, 0u);
  const std::string pointer = EncodeStorePointer({2, {Term(4), LogIndex(1000)}});
  Fuzz({pointer}, [](std::string_view found) {
    const auto decoded = DecodeStorePointer(found);
    if (decoded.ok()) {
      EXPECT_EQ(EncodeStorePointer(*decoded), found);
    }
  });
}

// Whole logs with flipped, lost and foreign bytes: they open and every entry reads as it was
// written, or they are refused.
TEST_F(StorageDecodersTest, WholeLogs) {
  CrashingFileSystem files(seed_);
  RaftLogOptions options;
  options.directory = "raft";
  options.segment_bytes = 1024;
  options.cache_bytes_max = 0;
  options.background_thread = false;
  options.file_system = &files;
  options.random = &random_;
  const auto data = [](LogIndex i) { return "entry " + std::to_string(i.value()); };
  std::vector<std::string> names;
  {
    auto log = *RaftLog::Create(options, {1, NodeId(2)});
    for (LogIndex i(1); i <= LogIndex(60); ++i) {
      LogAppend append{.state = LogState{Term(1), NodeId(1), i}, .records = {}, .must_sync = true};
      append.records.push_back({Term(1), i, 0, SharedBytes(data(i))});
      ASSERT_TRUE(log->Append({append}).ok());
    }
  }
  const auto all = files.List("raft");
  for (const std::string& name : *all) {
    if (ParseSegmentName(name).has_value()) names.push_back("raft/" + name);
  }
  std::vector<std::string> contents;
  for (const std::string& name : names) contents.push_back(files.Content(name));
  uint64_t opened = 0, refused = 0;
  for (uint64_t run = 0; run < runs_ / 100 && !HasFailure(); ++run) {
    for (uint64_t n = 1 + random_.Below(3); n > 0; --n) {
      const size_t which = random_.Below(names.size());
      std::string bytes = contents[which].substr(random_.Below(contents[which].size()));
      bytes.resize(std::min<size_t>(bytes.size(), 1 + random_.Below(16)));
      Mutate(bytes);
      files.Overwrite(names[which], random_.Below(contents[which].size()), bytes);
    }
    auto log = RaftLog::Open(options);
    if (log.ok()) {
      ++opened;
      const auto records = (*log)->Read((*log)->FirstIndex(), (*log)->LastIndex() + 1, 1 << 30);
      ASSERT_TRUE(records.ok()) << records.status();
      for (const LogRecord& record : *records) EXPECT_EQ(record.data.view(), data(record.index));
    } else {
      ++refused;
      EXPECT_TRUE(absl::IsDataLoss(log.status()) || absl::IsFailedPrecondition(log.status()))
          << log.status();
    }
    files.Halt();
    if (log.ok()) log->reset();
    files.Restart(CrashingFileSystem::Survivors::kAll);
    const auto left = files.List("raft");
    for (const std::string& name : *left) files.Delete("raft/" + name);
    for (size_t i = 0; i < names.size(); ++i) {
      ASSERT_TRUE((*files.Open(names[i], OpenMode::kCreateNew))->Write(0, {contents[i]}).ok());
    }
  }
  EXPECT_GT(refused, 0u);
  std::printf("%" PRIu64 " opened, %" PRIu64 " refused\n", opened, refused);
}

}  // namespace
}  // namespace keelson::storage
