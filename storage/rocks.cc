#include "storage/rocks.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/listener.h"
#include "rocksdb/rate_limiter.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"

namespace keelson::storage {
namespace {

constexpr char kRevFamily[] = "rev";

// Shares of the memory budget; the rest is for iterators, table readers and the newest versions.
uint64_t MemtableBytes(const StoreOptions& options) {
  return std::max<uint64_t>(std::min(options.memory_budget_bytes / 6, options.flush_bytes),
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
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.atomic_flush = true;  // data and applied index reach disk together or not at all
  db.allow_concurrent_memtable_write = false;  // one writer
  db.max_background_jobs = 2;
  db.max_open_files = 1024;
  db.bytes_per_sync = 1 << 20;
  db.rate_limiter.reset(
      rocksdb::NewGenericRateLimiter(static_cast<int64_t>(options.background_bytes_per_second)));
  db.avoid_unnecessary_blocking_io = true;
  db.avoid_flush_during_shutdown = !options.flush_on_close;
  db.stats_dump_period_sec = 0;
  db.stats_persist_period_sec = 0;
  db.info_log_level = rocksdb::WARN_LEVEL;
  db.max_log_file_size = 4 << 20;
  db.keep_log_file_num = 4;
  if (listener != nullptr) db.listeners.push_back(std::move(listener));
  return db;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const StoreOptions& options,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions family;
  family.write_buffer_size = MemtableBytes(options);
  family.max_write_buffer_number = 3;
  family.level0_file_num_compaction_trigger = 8;
  family.target_file_size_base = 32 << 20;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  family.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return family;
}

}  // namespace

absl::Status FromRocks(const rocksdb::Status& status, const char* what) {
  if (status.ok()) return absl::OkStatus();
  const std::string message = absl::StrCat(what, ": ", status.ToString());
  if (status.IsCorruption()) return absl::DataLossError(message);
  if (status.IsIncomplete() || status.IsBusy() || status.IsTryAgain()) {
    return absl::UnavailableError(message);
  }
  if (status.IsNotFound()) return absl::NotFoundError(message);
  if (status.IsNoSpace()) return absl::ResourceExhaustedError(message);
  return absl::InternalError(message);
}

absl::StatusOr<std::unique_ptr<Rocks>> Rocks::Open(
    const StoreOptions& options, std::shared_ptr<rocksdb::EventListener> listener) {
  const auto cache = rocksdb::NewLRUCache(BlockCacheBytes(options));
  rocksdb::ColumnFamilyOptions meta = FamilyOptions(options, cache);
  rocksdb::ColumnFamilyOptions rev = FamilyOptions(options, cache);
  meta.compression = rocksdb::kNoCompression;
  // Its keys only ascend: an insert that begins where the last one ended costs no search.
  rev.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(1));
  rev.compression = HasLz4() ? rocksdb::kLZ4Compression : rocksdb::kSnappyCompression;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, meta}, {kRevFamily, rev}};
  rocksdb::Env::Default()->LowerThreadPoolCPUPriority(rocksdb::Env::LOW);
  rocksdb::Env::Default()->LowerThreadPoolIOPriority(rocksdb::Env::LOW);
  rocksdb::DB* db = nullptr;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const rocksdb::Status status = rocksdb::DB::Open(DatabaseOptions(options, std::move(listener)),
                                                   options.directory, families, &handles, &db);
  KV_RETURN_IF_ERROR(FromRocks(status, "cannot open the state store"));
  auto rocks = std::make_unique<Rocks>();
  rocks->db.reset(db);
  rocks->meta = handles[0];
  rocks->rev = handles[1];
  return rocks;
}

Rocks::~Rocks() {
  if (db == nullptr) return;
  for (rocksdb::ColumnFamilyHandle* family : families()) {
    db->DestroyColumnFamilyHandle(family).PermitUncheckedError();
  }
  // What was not flushed is replayed from the raft log.
  db->Close().PermitUncheckedError();
}

}  // namespace keelson::storage
