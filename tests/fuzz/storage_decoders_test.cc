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

#include "base/random.h"
#include "gtest/gtest.h"
#include "storage/crashing_file_system.h"
#include "storage/key_value.h"
#include "storage/log_format.h"
#include "storage/segment_pool.h"
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
