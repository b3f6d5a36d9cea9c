// RocksEnvironment: the files and the background threads that RocksDB uses, from outside, so that a
// test can run a Store on files that fail, and the place for what the Store does on a thread of its
// own. Production has none: RocksDB's own are used.
#ifndef KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_
#define KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_

namespace rocksdb {
class Env;
}

namespace keelson::storage {

class BackgroundWork;

class RocksEnvironment {
 public:
  virtual ~RocksEnvironment() = default;
  virtual rocksdb::Env* env() = 0;
  // Of the stores that are opened from now on; null: each has a thread of its own. Outlives them.
  virtual BackgroundWork* background() { return nullptr; }
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_
