// MemoryStore: a Store that is the same in every run, for simulations: no threads, no clock, no
// chance, and everything it does to its disk in an order that its caller alone decides. It answers
// by the StoreModel and passes the same contract as the store on RocksDB, with the same bytes in
// events, hashes and rolling hashes of state.
//
// What CommitBatch has taken is in an image of keys and values, as in RocksDB's memtables, and is
// lost with a crash; Flush writes the image into one file, whole, and puts it in the place of the
// one before. Versions that are compacted stay in memory, unreadable.
//
//   <directory>/state := count:le32 (size:le32 bytes){2 count} crc:le32     keys and values
//
// Threads: one.
#ifndef KEELSON_STORAGE_MEMORY_STORE_H_
#define KEELSON_STORAGE_MEMORY_STORE_H_

#include <memory>
#include <string>

#include "storage/file_system.h"
#include "storage/state_medium.h"
#include "storage/store.h"

namespace keelson::storage {

// Of StoreOptions, `directory` alone means anything here. `files` outlives the medium, and the
// medium its stores.
class MemoryStates final : public StateMedium {
 public:
  explicit MemoryStates(FileSystem& files) : files_(files) {}
  FileSystem& files() override { return files_; }
  absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options) override;
  absl::StatusOr<StoredState> ReadStored(const std::string& directory) override;

 private:
  FileSystem& files_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_MEMORY_STORE_H_
