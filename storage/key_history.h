// KeyHistory: the versions one key has had, as far as the index still knows them. A value; no
// locks. The older ones are kept as the bytes that they are in column family "idx": few keys are
// read at a past revision, and so a history costs little memory and is written and read without a
// loop.
//
// Invariants:
//  1. Versions ascend by (main, sub). A put of version n > 1 follows the put of version n - 1 of
//  the
//     same create revision; a put of version 1 follows a tombstone or nothing; a tombstone follows
//     a put.
//  2. The oldest ones may lie in chunks (column family "hist"); then spilled() is true. All of
//  those
//     are older than all that are held here.
//
//   history  := flags:u8 newest older
//     flags  := 00 | 01 older versions lie in chunks
//     older  := nothing | first step*                 ascending; without the newest
//     newest, first := main:varint sub:varint version:varint [age:varint]
//       version  0: a tombstone, which has no age
//       age      main - create
//     step   := advance:varint [sub:varint]
//       advance  4 * (main - main of the one before) + 2 if a tombstone + 1 if sub is there (not 0)
//       Version and create revision of a put follow from the one before.
//   No main and no version is above kRevisionMax, so that every advance has the 62 bits of a
//   count (store_format.h) at most.
#ifndef KEELSON_STORAGE_KEY_HISTORY_H_
#define KEELSON_STORAGE_KEY_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "base/types.h"
#include "storage/store_format.h"

namespace keelson::storage {

inline constexpr int64_t kRevisionMax = (int64_t{1} << 60) - 1;

struct IndexVersion {
  VersionId id;
  Revision create;
  int64_t version = 0;  // 0: a tombstone
  bool deleted() const { return version == 0; }
  friend bool operator==(const IndexVersion&, const IndexVersion&) = default;
};

class KeyHistory {
 public:
  KeyHistory() = default;

  // Nothing is known of the key.
  bool empty() const { return !newest_.id.main; }
  bool live() const { return !newest_.deleted(); }
  const IndexVersion& newest() const { return newest_; }
  bool spilled() const { return spilled_; }
  size_t older_count() const { return older_count_; }
  size_t older_bytes() const { return older_.size(); }
  // Ascending, without the newest.
  std::vector<IndexVersion> Older() const;

  struct Lookup {
    std::optional<IndexVersion> version;  // the newest at or before the revision, also a tombstone
    bool in_chunks = false;               // it can only lie in chunks
  };
  Lookup At(Revision at) const;

  // REQUIRES: it is newer than all and follows them (invariant 1).
  void Push(const IndexVersion& version);
  // Forgets what was superseded at or before `floor`, and a tombstone before it. True: nothing that
  // lies in chunks is needed any more either; spilled() is false then.
  bool Trim(Revision floor);
  // Forgets the `count` oldest, which lie in chunks from now on.
  void Spill(size_t count);

  // REQUIRES: not empty.
  void AppendTo(std::string& to) const;
  // False: malformed.
  static bool Parse(std::string_view bytes, KeyHistory& history);

 private:
  // Keeps of the older ones those after the first `count`.
  void DropOldest(size_t count);

  IndexVersion newest_;
  std::string older_;
  uint32_t older_count_ = 0;
  bool spilled_ = false;
  Revision last_older_;  // main revision of the last in older_
};

// What KeyHistory::At says of the history in `bytes`, without building it. False: malformed, as far
// as was looked.
bool FindInHistory(std::string_view bytes, Revision at, KeyHistory::Lookup& found);
// A history of its own. REQUIRES: ascending, not empty.
std::string EncodeHistory(absl::Span<const IndexVersion> versions);

// Keys of "hist": one chunk of a key's older versions under the place of the newest of them. The
// value is a history.
//
//   chunk_key := size:be32 key:size main:be64 sub:be64
std::string ChunkKey(std::string_view key, VersionId newest);
bool ParseChunkKey(std::string_view bytes, std::string_view& key, VersionId& newest);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_KEY_HISTORY_H_
