// EtcdHasher: the hash of HashKV as etcd defines it: CRC-32C of the bucket's name, then of each
// change its key and value in etcd's own bytes. A change at or before the compacted revision counts
// if it is live at the revision asked for; a deletion there never does. Where no key at all is live,
// etcd has nothing to compare with and hashes what its compaction left: what was live at the
// compacted revision. Internal to storage/.
#ifndef KEELSON_STORAGE_ETCD_HASH_H_
#define KEELSON_STORAGE_ETCD_HASH_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "storage/key_index.h"
#include "storage/store_format.h"

namespace keelson::storage {

class EtcdHasher {
 public:
  struct Options {
    Revision at;
    Revision compacted;
    bool nothing_live = false;  // no key at all, at `at`
  };
  // `index` outlives the hasher.
  EtcdHasher(const Options& options, const KeyIndex& index);

  // The record of "rev" at `id`; all up to `at` in order.
  absl::Status Add(VersionId id, std::string_view record);
  uint32_t hash() const { return crc_; }

 private:
  absl::StatusOr<bool> Counts(VersionId id, bool tombstone, std::string_view key) const;

  const Options options_;
  const KeyIndex& index_;
  uint32_t crc_;
  std::string bytes_;  // of the change under way
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_ETCD_HASH_H_
