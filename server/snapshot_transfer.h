// SnapshotTransfer: carries whole states between members, each on a TCP connection of its own
// (docs/peer-protocol.md), so that no heartbeat waits behind one. Sending is paced; after a lost
// connection it goes on where the receiver stands, and is given up when that brings nothing for a
// while. The receiver tells its member of a state only when all of it is there, checked and
// durable.
//
// Thread: the worker loop's, which may wait for the disk; Send and Accept from any.
#ifndef KEELSON_SERVER_SNAPSHOT_TRANSFER_H_
#define KEELSON_SERVER_SNAPSHOT_TRANSFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "base/types.h"
#include "http/secure_stream.h"
#include "http/tls.h"
#include "raft/raw_node.h"
#include "raft/types.h"
#include "server/pace.h"
#include "server/url.h"
#include "storage/checkpoint.h"
#include "storage/snapshot_stream.h"

namespace keelson::server {

class SnapshotTransfer {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    NodeId self;
    uint64_t bytes_per_second = 64 << 20;               // of all that is sent together
    absl::Duration step_timeout = absl::Seconds(10);    // for any answer, or a piece to go out
    absl::Duration finish_timeout = absl::Minutes(1);   // for the receiver's disk
    absl::Duration give_up = absl::Seconds(15);         // a sender that gets no further
    absl::Duration age_max = absl::Hours(1);            // a sender, whatever it gets done
    absl::Duration partial_age_max = absl::Minutes(2);  // what arrived of a state, by itself
    absl::Duration retry = absl::Milliseconds(200);
    std::shared_ptr<http::TlsCredentials> tls;  // the worker's own, for https URLs
  };
  // All run on the worker.
  struct Handlers {
    std::function<std::string()> new_incoming;  // a directory that is not there
    std::function<void(const std::string& directory)> remove_incoming;
    // The state of `message` is in `directory`, whole and durable.
    std::function<void(raft::Message message, std::string directory)> on_received;
    std::function<void(std::string)> on_notice;  // a line for the log
  };
  using CheckpointPtr = std::shared_ptr<const storage::Checkpoint>;
  using SendDone = absl::AnyInvocable<void(raft::SnapshotResult)>;

  SnapshotTransfer(asio::io_context* worker, Options options, Handlers handlers);
  SnapshotTransfer(const SnapshotTransfer&) = delete;
  SnapshotTransfer& operator=(const SnapshotTransfer&) = delete;
  ~SnapshotTransfer();

  // Brings `message`, an InstallSnapshot, and the state of `checkpoint` to its receiver at one of
  // `urls`. `done` runs on the worker, not if Stop comes first. Any thread.
  void Send(const raft::Message& message, CheckpointPtr checkpoint, std::vector<Url> urls,
            SendDone done);
  // Takes a connection that a peer opened for a snapshot and that was welcomed. Any thread.
  void Accept(NodeId from, http::SecureStream stream);
  // Worker, or when it has ended.
  void Stop();

 private:
  class Sender;
  class Receiver;
  // A state of which a part has arrived; it outlives the connection.
  struct Partial {
    std::string name;
    std::string directory;
    std::unique_ptr<storage::SnapshotReceiver> stream;
    std::weak_ptr<Receiver> connection;  // the newest one
  };

  void DropPartial();
  void ArmPartialTimer();

  asio::io_context* const worker_;
  const Options options_;
  const Handlers handlers_;
  Pace pace_;
  std::set<std::shared_ptr<Sender>> senders_;
  std::set<std::shared_ptr<Receiver>> receivers_;
  std::optional<Partial> partial_;  // one at a time; a newer one takes its place
  std::string complete_;  // the message of the last one that arrived, should its sender ask again
  uint64_t complete_bytes_ = 0;
  asio::steady_timer partial_timer_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SNAPSHOT_TRANSFER_H_
