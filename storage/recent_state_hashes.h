// RecentStateHashes: the rolling hashes (state_hash.h) after the newest entries, in memory, and of
// the newest of them on disk, so that a member that restarts can still say what it had where
// another one stands.
//
// On disk they are a ring of records: each batch takes the next slot for what it adds. Thread: the
// apply thread.
#ifndef KEELSON_STORAGE_RECENT_STATE_HASHES_H_
#define KEELSON_STORAGE_RECENT_STATE_HASHES_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace keelson::storage {

// One slot: hashes after the entries that end with `last`, oldest first.
//   last:le64 hash:le64+
struct StateHashRun {
  LogIndex last;
  std::vector<uint64_t> hashes;
  friend bool operator==(const StateHashRun&, const StateHashRun&) = default;
};
std::string EncodeStateHashRun(const StateHashRun& run);
// False: malformed; more hashes than there are entries up to `last` and the state before the first
// are, too, and a `last` that no entry can follow.
bool ParseStateHashRun(std::string_view bytes, StateHashRun& run);

class RecentStateHashes {
 public:
  static constexpr size_t kHeld = 1 << 16;  // in memory
  static constexpr size_t kSlots = 64;
  static constexpr size_t kRunMax = 256;  // hashes in a slot

  // After the entry `index`. One that does not follow the one before (a state began anew) begins
  // anew.
  void Add(LogIndex index, uint64_t hash);
  // nullopt: not held.
  std::optional<uint64_t> Find(LogIndex index) const;

  struct Record {
    uint8_t slot;
    StateHashRun run;
  };
  // What was added since the last call, or the newest of it; nullopt: nothing.
  std::optional<Record> TakeRecord();
  // Forgets all, in memory and on disk: the slots to be deleted.
  std::vector<uint8_t> Clear();

  // At open: each record there is, in any order; false: malformed. Then where the state stands; the
  // result is the hash there, nullopt when no record tells.
  bool LoadRecord(uint8_t slot, std::string_view bytes);
  std::optional<uint64_t> FinishLoad(LogIndex applied);

 private:
  void Push(LogIndex index, uint64_t hash);

  LogIndex first_;
  std::deque<uint64_t> hashes_;
  size_t unsaved_ = 0;  // the newest of hashes_
  uint8_t next_slot_ = 0;
  std::map<uint8_t, LogIndex> slots_;        // in use, with the last index of each
  std::map<LogIndex, StateHashRun> loaded_;  // while loading, by `last`
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RECENT_STATE_HASHES_H_
