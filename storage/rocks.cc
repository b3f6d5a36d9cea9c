#include "storage/rocks.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/rate_limiter.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"
#include "rocksdb/utilities/stackable_db.h"
#include "storage/database_files.h"
#include "storage/info_log.h"
#include "storage/rocks_environment.h"

namespace keelson::storage {
namespace {

constexpr char kRevFamily[] = "rev";
constexpr char kIndexFamily[] = "idx";
constexpr char kHistoryFamily[] = "hist";
// Few threads use it; more shards would be too small for the blocks of indexes.
constexpr int kBlockCacheShardBits = 3;
constexpr size_t kWritePieceBytes = 256 << 10;
constexpr int64_t kRefillPeriodUs = 10'000;

// Shares of the memory budget: an eighth for a memtable of "rev", half of that for one of "idx",
// twice because the ones before may still be on their way to disk, and a quarter for the cache of
// blocks, indexes and filters (docs/architecture.md).
uint64_t MemtableBytes(const StoreOptions& options) {
  return std::max<uint64_t>(std::min(options.memory_budget_bytes / 8, options.flush_bytes),
                            64 << 10);
}
uint64_t BlockCacheBytes(const StoreOptions& options) { return options.memory_budget_bytes / 4; }

bool HasLz4() {
  const auto supported = rocksdb::GetSupportedCompressions();
  return std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
}

rocksdb::DBOptions DatabaseOptions(const StoreOptions& options,
                                   std::shared_ptr<rocksdb::EventListener> listener) {
  rocksdb::DBOptions db;
  if (options.environment != nullptr) {
    db.env = options.environment->env();
  } else {
    db.info_log = std::make_shared<InfoLog>(options.directory + "/LOG");
  }
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.atomic_flush = true;  // data and applied index reach disk together or not at all
  db.allow_concurrent_memtable_write = false;  // one writer
  db.max_background_jobs = 2;
  db.max_open_files = 1024;
  // In small pieces, evenly: a sync of the raft log takes as long as what was handed to the disk
  // before it (docs/performance.md).
  db.bytes_per_sync = db.writable_file_max_buffer_size = kWritePieceBytes;
  db.rate_limiter.reset(rocksdb::NewGenericRateLimiter(
      static_cast<int64_t>(options.background_bytes_per_second), kRefillPeriodUs));
  db.avoid_unnecessary_blocking_io = true;
  db.avoid_flush_during_shutdown = !options.flush_on_close;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  if (listener != nullptr) db.listeners.push_back(std::move(listener));
  return db;
}

rocksdb::BlockBasedTableOptions TableOptions(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  return table;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const StoreOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = MemtableBytes(options);
  family.max_write_buffer_number = 3;
  family.level0_file_num_compaction_trigger = 8;
  family.target_file_size_base = 32 << 20;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(cache)));
  return family;
}

// Single keys are looked up in it, very often ones that do not exist.
rocksdb::ColumnFamilyOptions IndexOptions(const StoreOptions& options,
                                          const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family = FamilyOptions(options, cache);
  family.write_buffer_size = std::max<uint64_t>(family.write_buffer_size / 2, 64 << 10);
  family.memtable_whole_key_filtering = true;
  family.memtable_prefix_bloom_size_ratio = 0.05;
  family.level_compaction_dynamic_level_bytes = true;
  // Its files overlap and are merged, with low priority: it is let fall behind before apply waits.
  family.level0_slowdown_writes_trigger = 40;
  family.level0_stop_writes_trigger = 60;
  rocksdb::BlockBasedTableOptions table = TableOptions(cache);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // In pieces, or a filter (a megabyte a file) would not stay in its share of the cache.
  table.partition_filters = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.pin_top_level_index_and_filter = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

// An iterator of RocksDB 7.8 that looks for range deletions passes over a file that it cannot read,
// without an error, when it comes to it from the one before. We have no range deletions.
class Database final : public rocksdb::StackableDB {
 public:
  using StackableDB::NewIterator;
  using StackableDB::StackableDB;
  rocksdb::Iterator* NewIterator(const rocksdb::ReadOptions& options,
                                 rocksdb::ColumnFamilyHandle* family) override {
    rocksdb::ReadOptions read = options;
    read.ignore_range_deletions = true;
    return StackableDB::NewIterator(read, family);
  }
  // Not among what StackableDB passes on.
  rocksdb::Status Resume() override { return db_->Resume(); }
};

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status, const char* what) {
  if (status.ok()) return absl::OkStatus();
  // RocksDB puts what it says of several files on lines of their own.
  std::string said = status.ToString();
  absl::StripTrailingAsciiWhitespace(&said);
  const std::string message = absl::StrCat(what, ": ", absl::StrReplaceAll(said, {{"\n", "; "}}));
  // A file that another names is not there.
  if (status.IsCorruption() || status.IsPathNotFound()) return absl::DataLossError(message);
  if (status.IsIncomplete() || status.IsBusy() || status.IsTryAgain()) {
    return absl::UnavailableError(message);
  }
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

absl::StatusOr<std::unique_ptr<Rocks>> Rocks::Open(
    const StoreOptions& options, std::shared_ptr<rocksdb::EventListener> listener) {
  KV_RETURN_IF_ERROR(PrepareDatabaseFiles(
      options.environment != nullptr ? *options.environment->env() : *rocksdb::Env::Default(),
      options.directory));
  const auto cache = rocksdb::NewLRUCache(BlockCacheBytes(options), kBlockCacheShardBits);
  rocksdb::ColumnFamilyOptions meta = FamilyOptions(options, cache);
  rocksdb::ColumnFamilyOptions rev = FamilyOptions(options, cache);
  rocksdb::ColumnFamilyOptions idx = IndexOptions(options, cache);
  rocksdb::ColumnFamilyOptions hist = FamilyOptions(options, cache);
  meta.write_buffer_size = hist.write_buffer_size = idx.write_buffer_size;
  meta.compression = rocksdb::kNoCompression;
  // Its keys only ascend: an insert that begins where the last one ended costs no search.
  rev.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  rev.compression = idx.compression = hist.compression =
      HasLz4() ? rocksdb::kLZ4Compression : rocksdb::kSnappyCompression;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, meta},
      {kRevFamily, rev},
      {kIndexFamily, idx},
      {kHistoryFamily, hist}};
  rocksdb::Env::Default()->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
  rocksdb::Env::Default()->LowerThreadPoolIOPriority(rocksdb::Env::LOW);
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(options, std::move(listener)),
                                                   options.directory, families, &handles, &db);
  KV_RETURN_IF_ERROR(FromRocks(status, "cannot open the state store"));
  auto rocks = std::make_unique<Rocks>();
  rocks->db = std::make_unique<Database>(db);
  rocks->meta = handles[0];
  rocks->rev = handles[1];
  rocks->idx = handles[2];
  rocks->hist = handles[3];
  return rocks;
}

absl::Status Rocks::LinkFiles(const std::string& directory) {
  rocksdb::Checkpoint* made = nullptr;
  KV_RETURN_IF_ERROR(FromRocks(rocksdb::Checkpoint::Create(db.get(), &made),
                               "cannot make a checkpoint of the state store"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  return FromRocks(checkpoint->CreateCheckpoint(directory),
                   "cannot make a checkpoint of the state store");
}

Rocks::~Rocks() {
  if (db == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families()) {
    db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  // What was not flushed is replayed from the raft log.
  db->Close().PermitUncheckedError();
}

uint64_t Rocks::Property(rocksdb::ColumnFamilyHandle* family, const std::string& name) const {
  uint64_t value = 0;
  db->GetIntProperty(family, name, &value);
  return value;
}

uint64_t Rocks::UnflushedBytes() const {
  uint64_t total = 0;
  for (rocksdb::ColumnFamilyHandle* family : families()) {
    total += Property(family, rocksdb::DB::Properties::kCurSizeAllMemTables);
  }
  return total;
}

uint64_t Rocks::SizeOnDisk() const {
  uint64_t total = UnflushedBytes();
  for (rocksdb::ColumnFamilyHandle* family : families()) {
    total += Property(family, rocksdb::DB::Properties::kTotalSstFilesSize);
  }
  return total;
}

// Each change of a key replaces its record in the index, and what was replaced is in the files
// until RocksDB merges them. It tells how many records there are, and the index how many count; its
// own estimate, by the ranges of the files, is too low as long as few were merged.
uint64_t Rocks::IndexSizeInUse(int64_t keys) const {
  const double records =
      static_cast<double>(Property(idx, rocksdb::DB::Properties::kEstimateNumKeys));
  const double counted = static_cast<double>(std::max<int64_t>(keys, 0));
  const double files =
      static_cast<double>(Property(idx, rocksdb::DB::Properties::kLiveSstFilesSize));
  return std::max(static_cast<uint64_t>(records <= counted ? files : files * counted / records),
                  Property(idx, rocksdb::DB::Properties::kEstimateLiveDataSize));
}

// Of what is in memory, only `rev` counts: the others' is the same records written again and again.
uint64_t Rocks::SizeInUse(int64_t keys) const {
  uint64_t total = Property(rev, rocksdb::DB::Properties::kCurSizeAllMemTables);
  for (rocksdb::ColumnFamilyHandle* family : {meta, rev, hist}) {
    total += Property(family, rocksdb::DB::Properties::kLiveSstFilesSize);
  }
  return total + IndexSizeInUse(keys);
}

}  // namespace keelson::storage
