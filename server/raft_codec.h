// The wire form of raft messages (docs/peer-protocol.md) and the translation between raft's entries
// and the log's records. Decoding takes bytes of a peer: anything malformed is refused, nothing is
// assumed.
#ifndef KEELSON_SERVER_RAFT_CODEC_H_
#define KEELSON_SERVER_RAFT_CODEC_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/shared_bytes.h"
#include "raft/raw_node.h"
#include "raft/types.h"
#include "server/snapshots.h"
#include "storage/raft_log.h"

namespace keelson::server {

// Appends the encoding of `message`; payloads of 1 KiB and more are pieces of their own and not
// copied.
ByteChain EncodeRaftMessage(const raft::Message& message);
// Entries' payloads are slices of `bytes`. nullopt: malformed.
std::optional<raft::Message> DecodeRaftMessage(const SharedBytes& bytes);

// A membership as it is stored (Table::kCluster, kConfStateKey).
std::string EncodeConfState(const raft::ConfState& conf);
// nullopt: malformed, or no legal membership.
std::optional<raft::ConfState> DecodeConfState(std::string_view bytes);

storage::LogAppend ToLogAppend(raft::LogWrite write);
raft::HardState ToHardState(const storage::LogState& state);

// The raft core's view of the log.
class RaftLogView final : public raft::LogView {
 public:
  // `snapshots` may be null. `on_unreadable` hears of entries that should be there and cannot be
  // read, from inside of a call.
  RaftLogView(const storage::RaftLog* log, Snapshots* snapshots,
              std::function<void(const absl::Status&)> on_unreadable)
      : log_(log), snapshots_(snapshots), on_unreadable_(std::move(on_unreadable)) {}
  LogIndex FirstIndex() const override { return log_->FirstIndex(); }
  LogIndex LastIndex() const override { return log_->LastIndex(); }
  std::optional<Term> TermAt(LogIndex index) const override { return log_->TermAt(index); }
  absl::StatusOr<std::vector<raft::Entry>> Entries(LogIndex begin, LogIndex end,
                                                   uint64_t bytes_max) const override;
  absl::StatusOr<raft::Snapshot> TakeSnapshot() const override;

 private:
  const storage::RaftLog* const log_;
  Snapshots* const snapshots_;
  const std::function<void(const absl::Status&)> on_unreadable_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_RAFT_CODEC_H_
