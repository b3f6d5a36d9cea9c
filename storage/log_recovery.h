// Reads the segments of a raft log when it is opened: what the log holds, where it ends, whether it
// is damaged. Changes nothing on disk except that it zeroes a torn tail.
#ifndef KEELSON_STORAGE_LOG_RECOVERY_H_
#define KEELSON_STORAGE_LOG_RECOVERY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/log_table.h"
#include "storage/raft_log.h"
#include "storage/segment_pool.h"

namespace keelson::storage {

struct RecoveredLog {
  LogIdentity identity;
  LogState state;
  std::vector<std::shared_ptr<Segment>> segments;  // by sequence; the last is written on
  uint64_t end = 0;                                // of the records in the last segment
  uint64_t synced = 0;  // all before it in the last segment is known to be on disk
};

// Fills `table`. NotFound: no segments. DataLoss: damaged, the message names file and offset.
absl::StatusOr<RecoveredLog> RecoverLog(const RaftLogOptions& options, LogTable& table);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_LOG_RECOVERY_H_
