// The wire form of raft messages (docs/peer-protocol.md) and the translation between raft's entries
// and the log's records. Decoding takes bytes of a peer: anything malformed is refused, nothing is
// assumed.
#ifndef KEELSON_SERVER_RAFT_CODEC_H_
#define KEELSON_SERVER_RAFT_CODEC_H_

#include <optional>
#include <string>

#include "base/shared_bytes.h"
#include "raft/raw_node.h"
#include "raft/types.h"
#include "storage/raft_log.h"

namespace keelson::server {

// Appends the encoding of `message`; payloads of 1 KiB and more are pieces of their own and not
// copied.
ByteChain EncodeRaftMessage(const raft::Message& message);
// Entries' payloads are slices of `bytes`. nullopt: malformed.
std::optional<raft::Message> DecodeRaftMessage(const SharedBytes& bytes);

storage::LogAppend ToLogAppend(raft::LogWrite write);
raft::HardState ToHardState(const storage::LogState& state);

// The raft core's view of the log.
class RaftLogView final : public raft::LogView {
 public:
  explicit RaftLogView(const storage::RaftLog* log) : log_(log) {}
  LogIndex FirstIndex() const override { return log_->FirstIndex(); }
  LogIndex LastIndex() const override { return log_->LastIndex(); }
  std::optional<Term> TermAt(LogIndex index) const override { return log_->TermAt(index); }
  absl::StatusOr<std::vector<raft::Entry>> Entries(LogIndex begin, LogIndex end,
                                                   uint64_t bytes_max) const override;
  // The log is never cut off, so nobody needs one.
  absl::StatusOr<raft::Snapshot> TakeSnapshot() const override {
    return absl::UnavailableError("raft log: no snapshot");
  }

 private:
  const storage::RaftLog* const log_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RAFT_CODEC_H_
