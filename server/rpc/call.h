// Call: one gRPC call as a handler sees it: bytes in, bytes out. Messages are raw protobuf bytes
// without the five-byte prefix; an answer may be a chain of shared pieces, which are sent without
// being copied together. Status codes are gRPC's, which absl::StatusCode equals by number.
//
// Thread: all calls of a connection, and all callbacks, run on that connection's executor (the core
// loop on a small machine). A Call may be kept and finished later; after the client went away its
// methods do nothing.
#ifndef KEELSON_SERVER_RPC_CALL_H_
#define KEELSON_SERVER_RPC_CALL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/shared_bytes.h"

namespace keelson::rpc {

// When a call reached its stages, by the server's Clock; zero: it has not, or there is no such
// stage. A handler writes down its own.
struct CallTimes {
  absl::Duration arrived = {};   // the request was whole
  absl::Duration begun = {};     // its handler ran: it had waited for room before
  absl::Duration granted = {};   // a read: the leader had confirmed what is the newest
  absl::Duration applying = {};  // a command: its group was committed by a quorum
  absl::Duration applied = {};   // … and was in the store
  absl::Duration finished = {};  // the answer was handed over
  absl::Duration closed = {};    // … and sent
};

class Call {
 public:
  virtual ~Call() = default;

  // "/package.Service/Method".
  virtual std::string_view method() const = 0;
  // The first value of a request header (lower-case name; "-bin" values decoded); nullopt when
  // absent.
  virtual std::optional<std::string_view> metadata(std::string_view name) const = 0;
  // By the server's Clock; nullopt when the client gave none.
  virtual std::optional<absl::Duration> deadline() const = 0;
  // The common name of the client's certificate, where the connection has verified one and clients
  // are told apart by it; what a client merely says of itself is never in here.
  virtual std::optional<std::string_view> peer_common_name() const { return std::nullopt; }
  // "address:port" of the other end, for logs.
  virtual std::string peer() const = 0;

  // Sends one message of the answer. Unary: exactly once, before Finish(OkStatus()).
  virtual void Send(ByteChain message) = 0;
  // Ends the call. Only the first one counts.
  virtual void Finish(const absl::Status& status) = 0;
  // Bytes accepted by Send that are still waiting for the client or the network. A stream handler
  // that finds this high stops producing until OnWritable.
  virtual size_t queued_bytes() const = 0;
  // The server has more unsent answers of this kind than it may: a stream handler is to produce no
  // more until OnWritable. Asked anew each time.
  virtual bool congested() { return false; }
  // What the handler has of the answer so far, `bytes` more than before, counts as unsent until the
  // call is finished. For answers that take more than one turn of the loop to make.
  virtual void Hold(size_t bytes) {}
  // nullptr: nobody asks for them.
  virtual CallTimes* times() { return nullptr; }
  // True once the client cancelled, its connection broke or the deadline passed.
  virtual bool cancelled() const = 0;
  // Runs at most once, when the call ends without our Finish: cancelled, connection lost, deadline
  // passed (the deadline's status is sent by the layer below). The callback is dropped at Finish.
  // It must not keep the call alive by itself (use a weak_ptr), or the two keep each other.
  virtual void OnCancel(std::function<void()> callback) = 0;
};

// What a stream of requests is delivered to. Owned by the call, destroyed when it ends.
class StreamReceiver {
 public:
  virtual ~StreamReceiver() = default;
  virtual void OnMessage(SharedBytes message) = 0;
  // The client will send no more; the call goes on until finished.
  virtual void OnHalfClose() = 0;
  // The call ended without our Finish. No callback comes after it.
  virtual void OnCancel() = 0;
  // queued_bytes() fell below the low-water mark after having been above the high-water mark, or
  // congested() no longer holds.
  virtual void OnWritable() {}
};

using UnaryHandler = std::function<void(std::shared_ptr<Call> call, SharedBytes request)>;
using ServerStreamHandler =
    std::function<std::unique_ptr<StreamReceiver>(std::shared_ptr<Call> call, SharedBytes request)>;
using BidiHandler = std::function<std::unique_ptr<StreamReceiver>(std::shared_ptr<Call> call)>;
using Handler = std::variant<UnaryHandler, ServerStreamHandler, BidiHandler>;

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_CALL_H_
