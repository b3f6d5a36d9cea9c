// PeerTransport: framed messages between members over TCP (docs/peer-protocol.md). Each member
// dials each other one and sends on that connection; what arrives comes on those it accepted. A
// member that is not known here is heard all the same, if it belongs to the cluster: this one may
// have been away while it joined, and can learn of it only by what it sends. It introduces itself
// with its URLs, for there is nobody else to ask. While
// a write is under way everything else is gathered for the next one. Nothing is resent: a lost
// connection loses what was queued, and raft is told. Under https URLs all of it is within TLS.
//
// A peer is believed only after its hello named this cluster and this member; frames are bounded
// and carry a checksum; a connection that sends anything else is closed.
//
// Thread: the loop's.
#ifndef KEELSON_SERVER_PEER_TRANSPORT_H_
#define KEELSON_SERVER_PEER_TRANSPORT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "base/clock.h"
#include "base/duration_histogram.h"
#include "base/shared_bytes.h"
#include "base/types.h"
#include "http/secure_stream.h"
#include "http/tls.h"
#include "server/node.h"
#include "server/url.h"

namespace keelson::server {

// What a member asks another one outside of raft. Reaches the wire: do not renumber.
enum class PeerRequestKind : uint8_t {
  kLeaseRenew = 1,      // answer: the TTL, as Lessor::Renew gives it
  kLeaseRemaining = 2,  // answer: Lessor::Remaining, or -1
  kStateHash = 3,       // of any member; answer: its rolling hash at the index, if it holds that
  kReadiness = 4,       // answer: Reconfigurator::Readiness
  kApplied = 5,         // of any member; answer: its applied index
};

struct PeerRequest {
  PeerRequestKind kind = PeerRequestKind::kLeaseRenew;
  uint64_t id = 0;  // of the lease, of the member; of kStateHash: the index
  LeaseId lease() const { return LeaseId(static_cast<int64_t>(id)); }
};

// nullopt: the other member is not the leader, cannot be reached, or did not answer in time.
using PeerAnswer = std::optional<int64_t>;

class PeerTransport final : public RaftTransport {
 public:
  struct Options {
    uint64_t cluster_id = 0;
    NodeId self;
    std::string own_urls;  // as others reach this member, by commas
    const Clock* clock = nullptr;
    uint64_t frame_bytes_max = 512 << 20;
    uint64_t queued_bytes_max = 64 << 20;  // to one peer; raft messages beyond are dropped
    bool reuse_port = false;               // listen beside other processes
    absl::Duration redial_min = absl::Milliseconds(20);
    absl::Duration redial_max = absl::Milliseconds(500);
    absl::Duration request_timeout = absl::Seconds(5);
    std::shared_ptr<http::TlsCredentials> tls;  // for https URLs; null where there are none
  };
  struct Handlers {
    std::function<void(raft::Message)> on_raft_message;
    std::function<void(NodeId)> on_unreachable;
    // `respond` may be called later.
    std::function<void(PeerRequest, absl::AnyInvocable<void(PeerAnswer)> respond)> on_request;
    // A peer brings a snapshot; the connection is welcomed and nothing of it read.
    std::function<void(NodeId from, http::SecureStream stream)> on_snapshot_connection;
    std::function<bool(NodeId)> was_removed;
    // A peer says that this member was removed from the cluster.
    std::function<void()> on_removed;
    // What one that is about to join is told: an encoded MemberListResponse.
    std::function<std::string()> describe_members;
    std::function<void(std::string)> on_notice;  // a line for the log
  };

  PeerTransport(asio::io_context* loop, Options options, Handlers handlers);
  ~PeerTransport() override;

  // Accepts peers on host:port, under TLS if it is an https URL. Error: "listen tcp 127.0.0.1:2380:
  // bind: address already in use".
  absl::Status Listen(const Url& url);
  // `peer` is a member, reached at one of `urls`: dials it, in turn, or goes on where it is
  // connected already. REQUIRES: `urls` is not empty.
  void SetPeer(NodeId peer, std::vector<Url> urls);
  // It is no member any more: its connections end.
  void RemovePeer(NodeId peer);
  std::vector<NodeId> Peers() const;
  // How long the connection to it stands; zero: there is none.
  absl::Duration ConnectedFor(NodeId peer) const;
  // Where it is reached; empty: it is no peer.
  std::vector<Url> UrlsOf(NodeId peer) const;
  void Stop();

  // What was counted of a peer since the start; it stays when the peer goes.
  struct PeerStatistics {
    bool active = false;       // the connection on which we send stands
    uint64_t disconnects = 0;  // of it
    uint64_t sent_bytes = 0;
    uint64_t received_bytes = 0;
    uint64_t sent_failures = 0;      // messages that were not taken
    uint64_t received_failures = 0;  // connections ended and messages ignored for what they held
    DurationHistogram round_trip{absl::Microseconds(100), 16};  // as the system measures it
  };
  const std::map<NodeId, PeerStatistics>& statistics() const { return statistics_; }

  bool Send(const raft::Message& message) override;
  void Ask(NodeId peer, const PeerRequest& request, absl::AnyInvocable<void(PeerAnswer)> done);

 private:
  class Outgoing;
  class Incoming;
  class Listener;

  void Dispatch(NodeId from, uint8_t channel, const SharedBytes& payload);
  void OnPeerRequest(NodeId from, std::string_view payload);
  void OnPeerAnswer(std::string_view payload);
  void ExpireRequest(uint64_t id);
  void OnIntroduction(NodeId from, std::string_view payload);
  void NoticeRefusal(NodeId from, uint8_t code);

  asio::io_context* const loop_;
  const Options options_;
  const Handlers handlers_;
  std::shared_ptr<int> alive_;
  std::map<NodeId, PeerStatistics> statistics_;
  std::map<NodeId, std::shared_ptr<Outgoing>> peers_;
  std::set<std::shared_ptr<Incoming>> incoming_;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::map<NodeId, uint8_t> refused_;  // who was refused last, and why; told once
  uint64_t last_request_ = 0;
  struct Waiting;
  std::map<uint64_t, std::unique_ptr<Waiting>> waiting_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PEER_TRANSPORT_H_
