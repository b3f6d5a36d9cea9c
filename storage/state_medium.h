// StateMedium: what a member's states lie on and how they are opened, from outside. Production has
// RocksStates(): stores on RocksDB, on the real disk. A test has states in memory, or the real ones
// on a disk that fails.
//
// Threads: any.
#ifndef KEELSON_STORAGE_STATE_MEDIUM_H_
#define KEELSON_STORAGE_STATE_MEDIUM_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "storage/file_system.h"
#include "storage/store.h"

namespace keelson::storage {

// What the closed store in a directory says of itself, without being opened as one.
struct StoredState {
  LogIndex applied;
  Term term;
  Revision revision;
  Revision compacted;
  std::map<std::string, std::string> cluster;  // the records of Table::kCluster
};

class StateMedium {
 public:
  virtual ~StateMedium() = default;
  // The disk that the states are on.
  virtual FileSystem& files() = 0;
  // As Store::Open.
  virtual absl::StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options) = 0;
  // DataLoss: damaged, or no store.
  virtual absl::StatusOr<StoredState> ReadStored(const std::string& directory) = 0;
};

StateMedium& RocksStates();

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STATE_MEDIUM_H_
