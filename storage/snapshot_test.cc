#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/checkpoint.h"
#include "storage/crashing_file_system.h"
#include "storage/replaceable_store.h"
#include "storage/snapshot_format.h"
#include "storage/snapshot_stream.h"
#include "storage/store.h"
#include "storage/store_directory.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

using testing::HasSubstr;

using Files = std::map<std::string, std::string>;  // name -> content

void WriteFile(FileSystem& files, const std::string& path, std::string_view content) {
  const auto file = files.Open(path, OpenMode::kCreateNew);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Write(0, {content}).ok());
  ASSERT_TRUE((*file)->Sync().ok());
}

std::vector<std::string> Names(FileSystem& files, const std::string& directory) {
  auto names = files.List(directory);
  EXPECT_TRUE(names.ok()) << names.status();
  return names.ok() ? *std::move(names) : std::vector<std::string>();
}
Files Contents(CrashingFileSystem& files, const std::string& directory) {
  Files contents;
  for (const std::string& name : Names(files, directory)) {
    contents[name] = files.Content(directory + "/" + name);
  }
  return contents;
}

// ------------------------------------------------------------------------------------- the stream

// A stream of made-up files in memory. One is empty, one ends with a piece, one does not.
class SnapshotStreamTest : public testing::Test {
 protected:
  SnapshotStreamTest() {
    EXPECT_TRUE(files_.CreateDirectory("from").ok());
    for (const auto& [name, content] : content_) WriteFile(files_, "from/" + name, content);
    EXPECT_TRUE(files_.SyncDirectory("from").ok());
    description_ = {.applied = LogIndex(100),
                    .term = Term(7),
                    .revision = Revision(50),
                    .compacted = Revision(20),
                    .files = *DescribeFiles("from", files_)};
    source_ = std::make_unique<SnapshotSource>("from", description_, &files_);
    for (uint64_t at = 0; at < source_->bytes();) {
      const auto read = source_->Read(at, 1);
      EXPECT_TRUE(read.ok()) << read.status();
      if (!read.ok()) break;
      stream_ += *read;
      at = stream_.size();
    }
  }

  // What a receiver makes of `stream`, given in pieces of `step` bytes.
  absl::Status Receive(std::string_view stream, uint64_t step) {
    EXPECT_TRUE(files_.RemoveTree("to").ok());
    SnapshotReceiver receiver("to", &files_);
    absl::Status status;
    for (uint64_t at = 0; status.ok() && at < stream.size(); at += step) {
      status = receiver.Append(stream.substr(at, step));
    }
    return status.ok() ? receiver.Finish() : status;
  }
  Files Received() { return Contents(files_, "to"); }

  CrashingFileSystem files_{1};
  const Files content_ = {{"000007.sst", std::string(3 * kSnapshotPieceBytes + 17, 's')},
                          {"000009.sst", std::string(kSnapshotPieceBytes, 'x')},
                          {"CURRENT", "MANIFEST-000004\n"},
                          {"EMPTY", ""},
                          {"MANIFEST-000004", "manifest"},
                          {"NOTHING", ""}};
  SnapshotDescription description_;
  std::unique_ptr<SnapshotSource> source_;
  std::string stream_;
};

TEST_F(SnapshotStreamTest, FilesArriveAsTheyWereHoweverTheStreamIsCut) {
  EXPECT_EQ(stream_.size(), source_->bytes());
  EXPECT_EQ(stream_.size() % kSnapshotAlignment, 0u);
  for (const uint64_t step : {1u, 7u, 511u, 65536u, 1000000u}) {
    const absl::Status status = Receive(stream_, step);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Received(), content_);
  }
}

TEST_F(SnapshotStreamTest, SourceCanBeReadFromAnyOffsetInAnyAmount) {
  SeededRandom random(3);
  for (int i = 0; i < 300; ++i) {
    const uint64_t offset = random.Below(stream_.size());
    const uint64_t bytes_max = 1 + random.Below(200000);
    const auto read = source_->Read(offset, bytes_max);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_FALSE(read->empty());
    EXPECT_LT(read->size(), bytes_max + 2 * kSnapshotPieceBytes);
    EXPECT_EQ(*read, stream_.substr(offset, read->size()));
  }
  EXPECT_EQ(*source_->Read(stream_.size(), 100), "");
}

TEST_F(SnapshotStreamTest, ReceiverSaysWhereASenderGoesOn) {
  SnapshotReceiver receiver("to", &files_);
  SeededRandom random(4);
  while (!receiver.complete()) {
    // A connection that is lost after some bytes; the next sender knows the offset only.
    const auto read = source_->Read(receiver.offset(), 1);
    ASSERT_TRUE(read.ok());
    ASSERT_TRUE(receiver.Append(read->substr(0, 1 + random.Below(read->size()))).ok());
  }
  ASSERT_TRUE(receiver.Finish().ok());
  EXPECT_EQ(receiver.description(), description_);
  EXPECT_EQ(Received(), content_);
}

TEST_F(SnapshotStreamTest, EveryFlippedBitIsRefused) {
  // Everywhere in what describes and in the beginning and end of the content; samples of the rest.
  SeededRandom random(5);
  std::vector<uint64_t> offsets;
  const uint64_t dense = EncodeSnapshotHeader(description_).size() + 64;
  for (uint64_t at = 0; at < dense; ++at) offsets.push_back(at);
  for (int i = 0; i < 500; ++i) offsets.push_back(random.Below(stream_.size()));
  for (uint64_t at = stream_.size() - 600; at < stream_.size(); ++at) offsets.push_back(at);
  for (const uint64_t at : offsets) {
    std::string damaged = stream_;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.Below(8)));
    SnapshotReceiver receiver(std::nullopt, &files_);
    const absl::Status appended = receiver.Append(damaged);
    const absl::Status status = appended.ok() ? receiver.Finish() : appended;
    EXPECT_TRUE(absl::IsDataLoss(status) || absl::IsFailedPrecondition(status))
        << "offset " << at << ": " << status;
  }
}

TEST_F(SnapshotStreamTest, AnyPrefixIsCutShortAndAnythingMoreIsRefused) {
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{10}, uint64_t{60}, stream_.size() / 2,
                               stream_.size() - 512, stream_.size() - 1}) {
    EXPECT_TRUE(absl::IsDataLoss(Receive(std::string_view(stream_).substr(0, bytes), 4096)));
  }
  EXPECT_TRUE(absl::IsDataLoss(Receive(stream_ + '\0', 4096)));
}

TEST_F(SnapshotStreamTest, EndOfAnotherSnapshotIsRefused) {
  SnapshotDescription other = description_;
  other.applied = LogIndex(101);
  const std::string header = EncodeSnapshotHeader(other);
  EXPECT_TRUE(absl::IsDataLoss(Receive(header + stream_.substr(header.size()), 4096)));
}

TEST_F(SnapshotStreamTest, FileThatChangedOnTheSendersDiskIsRefused) {
  files_.Overwrite("from/000007.sst", 100000, "y");
  std::string changed;
  while (changed.size() < source_->bytes()) changed += *source_->Read(changed.size(), 1 << 20);
  const absl::Status status = Receive(changed, 4096);
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("000007.sst"));
}

TEST_F(SnapshotStreamTest, NamesThatLeaveTheDirectoryAreRefused) {
  for (const std::string& name : std::vector<std::string>{"../up", "a/b", ".hidden", "", "a b",
                                                          "..", std::string("nul\0nul", 7)}) {
    SnapshotDescription description = description_;
    description.files = {{.name = name, .bytes = 0, .crc = 0}};
    EXPECT_TRUE(absl::IsDataLoss(DecodeSnapshotHeader(EncodeSnapshotHeader(description)).status()))
        << name;
  }
  SnapshotDescription twice = description_;
  twice.files = {{.name = "a"}, {.name = "a"}};
  EXPECT_TRUE(absl::IsDataLoss(DecodeSnapshotHeader(EncodeSnapshotHeader(twice)).status()));
}

TEST_F(SnapshotStreamTest, LaterFormatIsRefusedByName) {
  std::string later = stream_;
  StoreLittle32(later.data() + 8, kSnapshotFormat + 1);
  const absl::Status status = Receive(later, 4096);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("format 2"));
}

TEST_F(SnapshotStreamTest, FullDiskIsTold) {
  SnapshotReceiver receiver("to", &files_);
  files_.FailNextWrite(absl::ResourceExhaustedError("injected: no space"));
  const absl::Status status = receiver.Append(stream_);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(receiver.Append("more"), status);
  EXPECT_EQ(receiver.Finish(), status);
}

TEST_F(SnapshotStreamTest, WhatHasNoRoomIsRefusedBeforeAnythingIsWritten) {
  const uint64_t used = (uint64_t{1} << 62) - files_.FreeBytes("to").value();
  files_.SetCapacity(used + stream_.size() + SnapshotReceiver::kRoomLeftBytes - 1);
  SnapshotReceiver refused("to", &files_);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.Append(stream_)));
  EXPECT_EQ(*files_.List("to"), std::vector<std::string>());
  files_.SetCapacity(used + stream_.size() + SnapshotReceiver::kRoomLeftBytes);
  SnapshotReceiver taken("to", &files_);
  EXPECT_TRUE(taken.Append(stream_).ok());
  EXPECT_TRUE(taken.Finish().ok());
}

// ---------------------------------------------------------------------------------------- install

// A snapshot is received and installed on a disk that loses power after any number of changes. The
// next start finds the state before or the one that arrived, whole, and nothing else.
TEST(StoreDirectoryTest, CrashAnywhereLeavesTheOldStateOrTheNewOne) {
  const char* given = std::getenv("KEELSON_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : SystemSeed();
  std::printf("KEELSON_SEED=%" PRIu64 "\n", seed);
  const Files content = {{"000001.sst", std::string(200000, 'a')}, {"CURRENT", "MANIFEST\n"}};
  const LogPosition position{Term(3), LogIndex(77)};
  int found_old = 0, found_new = 0;
  bool ended = false;
  for (uint64_t run = 0; !ended; ++run) {
    const uint64_t changes = run / 10;  // what survives differs from run to run
    CrashingFileSystem files(seed + run);
    ASSERT_TRUE(files.CreateDirectory("m").ok());
    ASSERT_TRUE(files.CreateDirectory("m/store").ok());
    WriteFile(files, "m/store/OLD", "old");
    ASSERT_TRUE(files.SyncDirectory("m/store").ok());
    ASSERT_TRUE(files.CreateDirectory("from").ok());
    for (const auto& [name, bytes] : content) WriteFile(files, "from/" + name, bytes);
    ASSERT_TRUE(files.SyncDirectory("from").ok());
    SnapshotSource source("from",
                          {.applied = position.index,
                           .term = position.term,
                           .revision = Revision(5),
                           .compacted = Revision(),
                           .files = *DescribeFiles("from", files)},
                          &files);
    const std::string stream = *source.Read(0, uint64_t{1} << 30);
    auto directory = StoreDirectory::Open("m", &files);
    ASSERT_TRUE(directory.ok());

    files.HaltAfter(changes);
    const std::string incoming = directory->NewIncoming();
    SnapshotReceiver receiver(incoming, &files);
    absl::Status status = receiver.Append(stream);
    if (status.ok()) status = receiver.Finish();
    if (status.ok()) status = directory->Install(incoming, position);
    const bool installed = status.ok();
    if (installed) status = directory->Remove("m/store");
    ended = !files.halted();
    files.Halt();
    files.Restart();

    auto after = StoreDirectory::Open("m", &files);
    ASSERT_TRUE(after.ok()) << changes << ": " << after.status();
    ASSERT_TRUE(after->RemoveLeftovers().ok());
    const Files left = Contents(files, after->current());
    if (after->current() == "m/store") {
      ++found_old;
      EXPECT_FALSE(installed) << "after " << changes << " changes the new state was lost";
      EXPECT_EQ(left, (Files{{"OLD", "old"}})) << changes;
      EXPECT_EQ(after->installed(), LogPosition());
    } else {
      ++found_new;
      EXPECT_EQ(left, content) << changes;
      EXPECT_EQ(after->installed(), position);
    }
    // Apart from the pointer there is nothing but the state in use.
    for (const std::string& name : Names(files, "m")) {
      EXPECT_TRUE("m/" + name == after->current() || name == "store.current") << name;
    }
    // The next one gets a place of its own.
    EXPECT_NE(after->NewIncoming(), after->current());
  }
  EXPECT_GE(found_old, 50);
  EXPECT_GE(found_new, 10);
}

TEST(StoreDirectoryTest, DamagedPointerIsRefused) {
  CrashingFileSystem files(1);
  {
    auto directory = StoreDirectory::Open("m", &files);
    ASSERT_TRUE(directory.ok());
    const std::string incoming = directory->NewIncoming();
    ASSERT_TRUE(files.CreateDirectory(incoming).ok());
    ASSERT_TRUE(directory->Install(incoming, {Term(1), LogIndex(5)}).ok());
  }
  const std::string pointer = files.Content("m/store.current");
  for (size_t i = 0; i < pointer.size(); ++i) {
    files.Overwrite("m/store.current", i, std::string(1, static_cast<char>(pointer[i] ^ 4)));
    const absl::Status status = StoreDirectory::Open("m", &files).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("m/store.current"));
    files.Overwrite("m/store.current", 0, pointer);
  }
  EXPECT_EQ(StoreDirectory::Open("m", &files)->installed(), (LogPosition{Term(1), LogIndex(5)}));
}

// ------------------------------------------------------------------------------------- checkpoints

class CheckpointTest : public testing::Test {
 protected:
  CheckpointTest() { store_ = Open("state"); }

  std::unique_ptr<Store> Open(const std::string& name) {
    StoreOptions options;
    options.directory = directory_.File(name);
    options.flush_on_close = false;
    auto store = Store::Open(options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Put(Store& store, const std::string& key, const std::string& value) {
    store.BeginEntry(store.applied() + 1, Term(4));
    EXPECT_TRUE(store.Put(key, value, {}, false).ok());
    store.PutRecord(Table::kCluster, "newest", key);
    store.EndEntry();
    ASSERT_TRUE(store.CommitBatch().ok());
  }
  static std::string Get(const Store& store, const std::string& key) {
    std::string value = "absent";
    RangeQuery query;
    query.range = {key, {}, false};
    EXPECT_TRUE(store
                    .Range(query,
                           [&](std::string_view bytes) {
                             KeyValue kv;
                             EXPECT_TRUE(ParseKeyValue(bytes, kv));
                             value = kv.value;
                           })
                    .ok());
    return value;
  }
  std::shared_ptr<const Checkpoint> Make(const std::string& name) {
    auto made = Checkpoint::Make(*store_, directory_.File(name));
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *made : nullptr;
  }
  // Through the stream into a directory of its own.
  void Carry(const Checkpoint& checkpoint, const std::string& name) {
    const auto source = checkpoint.NewSource();
    SnapshotReceiver receiver(directory_.File(name), &PosixFileSystem());
    while (!receiver.complete()) {
      const auto read = source->Read(receiver.offset(), 1 << 20);
      ASSERT_TRUE(read.ok()) << read.status();
      const absl::Status status = receiver.Append(*read);
      ASSERT_TRUE(status.ok()) << status;
    }
    ASSERT_TRUE(receiver.Finish().ok());
  }

  const TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(CheckpointTest, HoldsWhatWasAppliedAndKnowsHowFarThatIs) {
  for (int i = 0; i < 100; ++i) Put(*store_, "key" + std::to_string(i), "old");
  const auto checkpoint = Make("checkpoint");
  ASSERT_NE(checkpoint, nullptr);
  Put(*store_, "key7", "new");
  EXPECT_EQ(checkpoint->description().applied, LogIndex(100));
  EXPECT_EQ(checkpoint->description().term, Term(4));
  EXPECT_EQ(checkpoint->description().revision, Revision(101));
  EXPECT_EQ(checkpoint->FindClusterRecord("newest"), "key99");
  EXPECT_EQ(checkpoint->FindClusterRecord("other"), std::nullopt);

  Carry(*checkpoint, "copy");
  const auto copy = Open("copy");
  ASSERT_NE(copy, nullptr);
  EXPECT_EQ(copy->applied(), LogIndex(100));
  EXPECT_EQ(copy->revision(), Revision(101));
  EXPECT_EQ(Get(*copy, "key7"), "old");
  EXPECT_EQ(copy->HashKv(Revision(101))->hash, store_->HashKv(Revision(101))->hash);
  Put(*copy, "key7", "new");
  EXPECT_EQ(copy->HashKv(Revision())->hash, store_->HashKv(Revision())->hash);
}

TEST_F(CheckpointTest, OutlivesTheFilesOfTheStoreAndGoesWithItsOwner) {
  for (int i = 0; i < 100; ++i) Put(*store_, "key", std::to_string(i));
  auto checkpoint = Make("checkpoint");
  ASSERT_NE(checkpoint, nullptr);
  store_.reset();
  ASSERT_TRUE(PosixFileSystem().RemoveTree(directory_.File("state")).ok());
  Carry(*checkpoint, "copy");
  EXPECT_EQ(Get(*Open("copy"), "key"), "99");
  EXPECT_TRUE(PosixFileSystem().List(directory_.File("checkpoint")).ok());
  checkpoint.reset();
  EXPECT_TRUE(absl::IsNotFound(PosixFileSystem().List(directory_.File("checkpoint")).status()));
}

TEST_F(CheckpointTest, EmptyStoreHasOneToo) {
  store_->BeginEntry(LogIndex(), Term());
  store_->EndEntry();
  ASSERT_TRUE(store_->CommitBatch().ok());
  const auto checkpoint = Make("checkpoint");
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->description().applied, LogIndex());
  Carry(*checkpoint, "copy");
  EXPECT_EQ(Open("copy")->revision(), Revision(1));
}

TEST_F(CheckpointTest, TakesThePlaceOfAStore) {
  Put(*store_, "a", "1");
  const auto checkpoint = Make("checkpoint");
  ASSERT_NE(checkpoint, nullptr);
  Carry(*checkpoint, "copy");
  ReplaceableStore store(Open("other"));
  Put(store, "a", "before");
  Put(store, "b", "before");
  const auto before = store.Replace(Open("copy"));
  EXPECT_EQ(Get(*before, "b"), "before");
  EXPECT_EQ(Get(store, "a"), "1");
  EXPECT_EQ(Get(store, "b"), "absent");
  EXPECT_EQ(store.applied(), LogIndex(1));
}

TEST_F(CheckpointTest, RecordsOfThisMemberAreChangedWithoutAnEntry) {
  Put(*store_, "a", "1");
  store_->BeginOwn();
  store_->PutRecord(Table::kCluster, "name", "m3");
  store_->EndEntry();
  ASSERT_TRUE(store_->CommitBatch().ok());
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(store_->applied(), LogIndex(1));
  store_.reset();
  store_ = Open("state");
  EXPECT_EQ(store_->applied(), LogIndex(1));
  EXPECT_EQ(store_->applied_term(), Term(4));
  EXPECT_EQ(store_->FindRecord(Table::kCluster, "name"), "m3");
  Put(*store_, "a", "2");
}

TEST_F(CheckpointTest, StateThatBeginsAnewKeepsItsKeysBeyondACompactedGap) {
  Put(*store_, "a", "1");
  Put(*store_, "b", "1");
  store_->BeginOwn();
  store_->BeginAnew(Revision(1000));
  store_->EndEntry();
  ASSERT_TRUE(store_->CommitBatch().ok());
  ASSERT_TRUE(store_->Flush().ok());
  for (int round = 0; round < 2; ++round) {
    store_.reset();
    store_ = Open("state");
    ASSERT_NE(store_, nullptr);
    EXPECT_EQ(store_->applied(), LogIndex(round));
    EXPECT_EQ(store_->revision(), Revision(1000 + round));
    EXPECT_EQ(store_->compacted(), Revision(1000));
    EXPECT_EQ(Get(*store_, "a"), "1");
    EXPECT_EQ(store_->Events(Revision(3), Revision(1000), 1 << 20, 100, [](StoredEvent) {})
                  .status()
                  .code(),
              absl::StatusCode::kOutOfRange);
    ASSERT_TRUE(store_->HashKv(Revision()).ok());
    if (round > 0) break;
    Put(*store_, "b", "2");
    ASSERT_TRUE(store_->Flush().ok());
  }
  while (!*store_->CompactStep(100)) {
  }
  EXPECT_EQ(Get(*store_, "a"), "1");
  EXPECT_EQ(Get(*store_, "b"), "2");
  int events = 0;
  ASSERT_TRUE(
      store_->Events(Revision(1001), Revision(1001), 1 << 20, 100, [&](StoredEvent) { ++events; })
          .ok());
  EXPECT_EQ(events, 1);
}

}  // namespace
}  // namespace keelson::storage
