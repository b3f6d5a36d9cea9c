// Looks at the files of a RocksDB database before RocksDB does, for what it would pass over, refuse
// or stop the process for: it takes a folder without CURRENT for a new database and removes the
// data as rubbish; it skips a zeroed piece of a MANIFEST with all the changes in it; it has
// assertions about what a misdirected block can bring; and it refuses a MANIFEST whose last write a
// power failure has torn so that a later part of it is there and an earlier one is not.
#ifndef KEELSON_STORAGE_DATABASE_FILES_H_
#define KEELSON_STORAGE_DATABASE_FILES_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/env.h"

namespace keelson::storage {

// Cuts the torn end off the MANIFEST; the store is then the one before, and its applied index tells
// from where the raft log goes on. OK: there is no database in `directory`, or one whose CURRENT
// and MANIFEST are whole. DataLoss: names the file, and the offset. Other errors: of a call that
// failed.
absl::Status PrepareDatabaseFiles(rocksdb::Env& env, const std::string& directory);

struct ManifestState {
  size_t valid_bytes = 0;  // before the first record that is not valid
  // What follows is more than the last write torn: later writes are there.
  bool damaged = false;
};
ManifestState LookAtManifest(std::string_view bytes);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_DATABASE_FILES_H_
