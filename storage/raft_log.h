// RaftLog: the durable raft log and hard state, in segment files of our own
// (docs/on-disk-format.md). Segments are zero-filled in advance and recycled; every record carries
// a checksum salted with its segment; one group of appends is one write and at most one sync.
//
// Recovery: a torn tail (what was written after the last sync, never acknowledged) is cut off; a
// LogAppend is found whole or not at all. Damage before anything that is known to have been synced
// is DataLoss and the log does not open. A failed write or sync poisons the log: every later call
// returns the same error; nothing is retried. A full disk is no failure: the append is refused
// whole, and may be repeated.
//
// Threads: Append and TruncatePrefix on one writer thread; all const functions on any thread. An
// append is visible to readers when it returns.
#ifndef KEELSON_STORAGE_RAFT_LOG_H_
#define KEELSON_STORAGE_RAFT_LOG_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "base/duration_histogram.h"
#include "base/random.h"
#include "base/shared_bytes.h"
#include "base/types.h"
#include "storage/file_system.h"

namespace keelson::storage {

struct LogRecord {
  Term term;
  LogIndex index;
  uint8_t type = 0;  // of the layer above; not looked at
  SharedBytes data;
};

struct LogState {
  Term term;
  NodeId vote;
  LogIndex commit;
  friend bool operator==(const LogState&, const LogState&) = default;
};

// A position in a log.
struct LogPosition {
  Term term;
  LogIndex index;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

struct LogAppend {
  // Set: before the rest, every entry is dropped and the log goes on after this one, which a
  // snapshot holds. Found after a crash together with the rest, or not at all. REQUIRES: must_sync.
  std::optional<LogPosition> reset = {};
  std::optional<LogState> state = {};
  // Consecutive; the first may replace the tail from its index on.
  std::vector<LogRecord> records = {};
  bool must_sync = false;
};

// Whose log this is; written into every segment and checked at open.
struct LogIdentity {
  uint64_t cluster_id = 0;
  NodeId member_id;
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

struct RaftLogOptions {
  std::string directory;
  uint64_t segment_bytes = 64 << 20;
  uint64_t cache_bytes_max = 32 << 20;  // newest records kept in memory for readers
  bool unsafe_no_sync = false;          // etcd's --unsafe-no-fsync
  bool background_thread = true;        // false: the next segment is made within Append
  FileSystem* file_system = nullptr;    // null: PosixFileSystem()
  Random* random = nullptr;             // salts of segments; null: from the system's entropy
};

class RaftLog {
 public:
  // Makes an empty log. AlreadyExists: the directory holds one.
  static absl::StatusOr<std::unique_ptr<RaftLog>> Create(const RaftLogOptions& options,
                                                         const LogIdentity& identity);
  // NotFound: there is no log. DataLoss: damaged, the message names file and offset.
  static absl::StatusOr<std::unique_ptr<RaftLog>> Open(const RaftLogOptions& options);
  static bool Exists(const std::string& directory, FileSystem* file_system = nullptr);

  virtual ~RaftLog() = default;

  virtual const LogIdentity& identity() const = 0;

  // Carries out the appends in order as one group: one gathered write, then one sync if any of them
  // asks for it (or an earlier unsynced one must become durable with it). Returns when that is
  // done. ResourceExhausted: the disk is full and nothing was appended; the next call must begin
  // with the same appends.
  virtual absl::Status Append(absl::Span<const LogAppend> group) = 0;
  // Drops whole segments that hold nothing at or after `first_kept`. The log may keep more.
  // REQUIRES: first_kept <= LastIndex() + 1.
  virtual absl::Status TruncatePrefix(LogIndex first_kept) = 0;
  // The log becomes empty, goes on after `last` and has `state`: all of it or, after a crash, none.
  absl::Status Reset(const LogPosition& last, const LogState& state);

  virtual LogState state() const = 0;
  // First index held; LastIndex() + 1 when none is. An empty log has first 1, last 0.
  virtual LogIndex FirstIndex() const = 0;
  virtual LogIndex LastIndex() const = 0;
  // Also for FirstIndex() - 1, as long as it is known; nullopt otherwise.
  virtual std::optional<Term> TermAt(LogIndex index) const = 0;
  // Records in [begin, end), at least one, cut when they pass `bytes_max`. OutOfRange: begin <
  // FirstIndex(). DataLoss: a record does not match its checksum.
  virtual absl::StatusOr<std::vector<LogRecord>> Read(LogIndex begin, LogIndex end,
                                                      uint64_t bytes_max) const = 0;
  virtual uint64_t SizeOnDisk() const = 0;

  // How long its writes and syncs took, and how much was written. Any thread.
  struct Times {
    DurationHistogram write{absl::Milliseconds(1), 14};
    DurationHistogram sync{absl::Milliseconds(1), 14};
    std::atomic<uint64_t> written_bytes = 0;  // another thread reads it; only grows
  };
  const Times& times() const { return times_; }

 protected:
  Times times_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_RAFT_LOG_H_
