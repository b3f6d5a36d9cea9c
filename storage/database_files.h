// Looks at the files of a RocksDB database before RocksDB does, for what it would pass over or stop
// the process for: it takes a folder without CURRENT for a new database and removes the data as
// rubbish; it skips a zeroed piece of a MANIFEST with all the changes in it; and it has assertions
// about what a misdirected block can bring.
#ifndef KEELSON_STORAGE_DATABASE_FILES_H_
#define KEELSON_STORAGE_DATABASE_FILES_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "rocksdb/env.h"

namespace keelson::storage {

// OK: there is no database in `directory`, or one whose CURRENT and MANIFEST are whole but for the
// end of the latter, which a crash may tear. DataLoss: names the file, and the offset.
absl::Status CheckDatabaseFiles(rocksdb::Env& env, const std::string& directory);

// The offset of a record of a MANIFEST that is damaged though later blocks hold records; npos:
// there is none.
size_t FindDamageInManifest(std::string_view bytes);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_DATABASE_FILES_H_
