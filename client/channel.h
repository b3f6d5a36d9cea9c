// Channel: the way to one server, as the client's logic sees it: whether it is worth trying, and
// calls on it, by the path of their method. It comes from the client's Runtime, connects when first
// used, and again by itself. Thread-safe.
//
// What fails ends with an absl::Status of gRPC's code and message; JudgeFailure (client/retry.h)
// goes by both.
//
// Internal to client/, and to whoever brings a Runtime.
#ifndef KEELSON_CLIENT_CHANNEL_H_
#define KEELSON_CLIENT_CHANNEL_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/event_loop.h"
#include "google/protobuf/message_lite.h"

namespace keelson::client {

using google::protobuf::MessageLite;

// What goes before the first message.
struct CallHeader {
  std::vector<std::pair<std::string, std::string>> metadata;
  absl::Duration time_left = absl::InfiniteDuration();  // then it ends with DeadlineExceeded
};

// A call with one answer. Goes after its event has come, if it was started.
class PendingCall {
 public:
  virtual ~PendingCall() = default;
  // `event` comes with true when the answer is there, and may come before this returns.
  virtual void Start(EventLoop::Event* event) = 0;
  virtual void Cancel() = 0;
};

// A stream of messages in both directions, on the loop. One read and one write at a time; Finish
// once, when a read or the start has come back with false.
class StreamCall {
 public:
  virtual ~StreamCall() = default;
  virtual void Read(MessageLite* to, EventLoop::Event* event) = 0;
  virtual void Write(const MessageLite& message, EventLoop::Event* event) = 0;
  virtual void Finish(absl::Status* status, EventLoop::Event* event) = 0;
  virtual void Cancel() = 0;
};

// The same for a thread that waits. False: the stream is over, and Finish tells why.
class BlockingStream {
 public:
  virtual ~BlockingStream() = default;
  virtual bool Write(const MessageLite& message) = 0;
  virtual void WritesDone() = 0;
  virtual bool Read(MessageLite* to) = 0;
  virtual absl::Status Finish() = 0;
  virtual void Cancel() = 0;
};

class Channel {
 public:
  enum class State : uint8_t { kReady, kUnknown, kFailing };

  virtual ~Channel() = default;
  // `connect`: it also begins to connect, if it has not yet, to be ready when it is needed.
  virtual State GetState(bool connect) = 0;
  virtual absl::Status Call(const char* method, const CallHeader& header,
                            const MessageLite& request, MessageLite* response) = 0;
  // `response` and `status` are filled in before the call's event comes.
  virtual std::unique_ptr<PendingCall> Prepare(const char* method, const CallHeader& header,
                                               const MessageLite& request, MessageLite* response,
                                               absl::Status* status) = 0;
  // `started` comes with false when there is no stream.
  virtual std::unique_ptr<StreamCall> Open(const char* method, const CallHeader& header,
                                           EventLoop::Event* started) = 0;
  virtual std::unique_ptr<BlockingStream> OpenBlocking(const char* method,
                                                       const CallHeader& header) = 0;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_CHANNEL_H_
