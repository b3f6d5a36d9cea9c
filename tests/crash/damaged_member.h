// DamagedMember: the files of a small member, raft log and store, that can be damaged, opened as a
// member opens them, and compared with what they held. The damage has one of these outcomes, and
// anything else is a failure of the test.
#ifndef KEELSON_TESTS_CRASH_DAMAGED_MEMBER_H_
#define KEELSON_TESTS_CRASH_DAMAGED_MEMBER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/random.h"
#include "storage/crashing_file_system.h"
#include "storage/crashing_rocks.h"
#include "storage/raft_log.h"
#include "storage/store.h"
#include "tests/crash/world.h"

namespace keelson::storage {

enum class Outcome : uint8_t {
  kUnharmed,   // all is there
  kTailCut,    // the log ends before the damage, after which nothing tells of it; all else is there
  kRefused,    // it does not open
  kReadFails,  // it opens, and says of a read or of an entry to replay that the data is damaged
  kWrong,      // never
};
const char* Name(Outcome outcome);

struct Result {
  Outcome outcome = Outcome::kUnharmed;
  std::string text;  // the error, or what is wrong
};

// Bytes of a file that are not what they were.
struct Damage {
  std::string path;
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;
};

class DamagedMember {
 public:
  struct Options {
    uint64_t seed = 1;
    uint64_t entries = 250;
    uint64_t flush_every = 30;  // entries
    bool orderly_end = true;    // else killed, after everything was synced
    bool truncate_log = true;   // behind what the store has on disk
    uint64_t segment_bytes = 8 << 10;
  };
  explicit DamagedMember(const Options& options);

  // The undamaged files. Also makes them what is on the disk again.
  const std::map<std::string, std::string>& Restore();
  const std::map<std::string, std::string>& files() const { return image_; }
  // Paths that end so, in order.
  std::vector<std::string> Files(const std::string& prefix, const std::string& suffix = {}) const;
  CrashingFileSystem& disk() { return disk_; }

  // Opens what is on the disk, replays, reads everything; then flushes, closes, and does it again:
  // nothing damaged may come to light late, or spread. What the end of the log may have lost
  // follows from where the damage is; without one, it is the last append.
  Result Open(const std::optional<Damage>& damage = std::nullopt);
  // A place in the last segment: of the record of an entry, and of what comes after all records.
  struct Place {
    std::string path;
    uint64_t begin = 0, end = 0;
  };
  Place PlaceOf(LogIndex index) const;
  // From that of the entry to the end of its append.
  Place PlaceOfAppend(LogIndex index) const;
  Place Rest() const;
  LogIndex last() const { return LogIndex(entries_.size()); }
  // The first entry whose record is in the last segment.
  LogIndex FirstOfLastSegment() const;

 private:
  void Build(const Options& options);
  Result OpenOnce(LogIndex floor);
  absl::Status CheckLogCoversStore() const;
  absl::Status Replay(World& world);
  World WorldAt(LogIndex index) const;
  void Close();
  void FindRecords();
  // The last entry that must be there in spite of the damage.
  LogIndex Floor(const std::optional<Damage>& damage) const;

  SeededRandom random_;
  CrashingFileSystem disk_;
  CrashingRocks rocks_;
  RaftLogOptions log_options_;
  StoreOptions store_options_;
  std::vector<std::pair<Term, std::string>> entries_;  // from index 1 on
  std::map<LogIndex, LogState> appends_;               // last entry and state of each
  struct Record {
    uint64_t begin, end, synced;
    LogIndex index;  // the last entry after it
    bool entry;
    bool ends_append;
  };
  std::string last_segment_;
  std::vector<Record> records_;  // of the last segment
  std::map<std::string, std::string> image_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<RaftLog> log_;
};

}  // namespace keelson::storage

#endif  // KEELSON_TESTS_CRASH_DAMAGED_MEMBER_H_
