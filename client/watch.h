// Watch: the changes of a key or a range, in order, each once, across broken connections, dead members
// and changes of leader.
//
// A Watcher goes on from the revision after the last one it handed out: when its stream breaks, or its
// member loses the leader, it opens a new one at another endpoint, for as long as it takes. It ends
// only when it is cancelled or cannot go on: the revisions it needs are compacted (read the range
// again, then watch from there), permission is lacking, the range is empty.
//
// Two ways to listen: a WatchHandler is called on the client's loop (for many watches); a WatchQueue
// is asked by a thread (for one).
#ifndef KEELSON_CLIENT_WATCH_H_
#define KEELSON_CLIENT_WATCH_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::client {

class Core;
class WatchStream;

struct WatchRequest {
  std::string key = {};
  std::string range_end = {};       // as in a RangeRequest; PrefixEnd(key) for a prefix
  int64_t start_revision = 0;  // 0: from the next one
  bool prev_kv = false;
  bool progress_notify = false;
  std::vector<etcdserverpb::WatchCreateRequest::FilterType> filters = {};
  bool fragment = false;  // lets the server cut large responses; they are put together again here
};

struct WatchEnd {
  absl::Status status = {};  // Cancelled: by us. IsCompacted(): compact_revision is the oldest one left
  int64_t compact_revision = 0;
  etcdserverpb::WatchResponse response = {};  // the server's last word, where it had one
};

class WatchHandler {
 public:
  enum class Flow {
    kContinue,
    kPause,  // nothing more until Watcher::Resume; the server is held back by flow control
  };
  virtual ~WatchHandler() = default;
  // Every change from the header's revision + 1 on (or from start_revision on) will be handed out.
  // Called once, also when the stream is opened again later.
  virtual void OnCreated(const etcdserverpb::ResponseHeader& header) {}
  // Events, all of a revision together; or none: progress, everything up to the header's revision was
  // handed out.
  virtual Flow OnResponse(etcdserverpb::WatchResponse response) = 0;
  // Called once, last.
  virtual void OnEnd(const WatchEnd& end) = 0;
};

class Watcher {
 public:
  // The handler must stay until OnEnd was called or the Watcher is gone; the client, until the Watcher
  // is gone.
  Watcher(Core& core, WatchRequest request, WatchHandler* handler);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  // Ends the watch without OnEnd. When it returns no callback is running or will run; called from a
  // callback of this watch, none will run after that one.
  ~Watcher();

  // Ends the watch; OnEnd comes with Cancelled. Thread-safe, as are the others.
  void Cancel();
  void Resume();
  // Asks for an OnResponse without events once everything up to now was handed out. The server may
  // leave such a request unanswered while it is catching up.
  void RequestProgress();

 private:
  const std::shared_ptr<WatchStream> stream_;
};

// A watch with a buffer of bounded length, read by blocking calls.
class WatchQueue {
 public:
  WatchQueue(Core& core, WatchRequest request);
  ~WatchQueue();

  // The next response. DeadlineExceeded when there is none in time; when the watch has ended and all
  // is read, its last status, again and again.
  absl::StatusOr<etcdserverpb::WatchResponse> Next(
      absl::Duration timeout = absl::InfiniteDuration());
  // Waits until the watch exists, and gives the header of the server's answer.
  absl::StatusOr<etcdserverpb::ResponseHeader> WaitCreated(
      absl::Duration timeout = absl::InfiniteDuration());
  // Valid once Next has failed with another code than DeadlineExceeded.
  const WatchEnd& end() const;
  void RequestProgress();
  // Makes Next end with Cancelled. Thread-safe.
  void Cancel();

 private:
  class Buffer;
  const std::unique_ptr<Buffer> buffer_;
  Watcher watcher_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_WATCH_H_
