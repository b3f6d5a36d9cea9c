// RocksEnvironment: the files and the background threads that RocksDB uses, from outside, so that a
// test can run a Store on files that fail. Production has none: RocksDB's own are used.
#ifndef KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_
#define KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_

namespace rocksdb {
class Env;
}

namespace keelson::storage {

class RocksEnvironment {
 public:
  virtual ~RocksEnvironment() = default;
  virtual rocksdb::Env* env() = 0;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_ROCKS_ENVIRONMENT_H_
