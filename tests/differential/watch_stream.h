// WatchStream: one watch stream to one server. A thread of its own takes what comes: of each
// watcher the events in order, so that the two servers can be compared however they cut them into
// answers; and it looks at what every stream must keep to.
#ifndef KEELSON_TESTS_DIFFERENTIAL_WATCH_STREAM_H_
#define KEELSON_TESTS_DIFFERENTIAL_WATCH_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "proto/etcd/rpc.grpc.pb.h"

namespace keelson::differential {

class WatchStream {
 public:
  // One thing that a watcher was told: an event, or its end.
  struct Told {
    mvccpb::Event event;
    bool canceled = false;
    int64_t compact_revision = 0;
    std::string reason;
  };

  WatchStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& token);
  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;
  ~WatchStream();

  void Send(const etcdserverpb::WatchRequest& request);
  // The next answer to a create request; nothing when none comes in time or the stream has ended.
  std::optional<etcdserverpb::WatchResponse> TakeCreated(absl::Duration timeout);
  // The revision of the next answer to a progress request.
  std::optional<int64_t> TakeProgress(absl::Duration timeout);
  void ForgetProgress();

  // Waits until `watcher` was told more than `known` things; how many there are now.
  size_t WaitTold(int64_t watcher, size_t known, absl::Duration timeout);
  std::vector<int64_t> Watchers() const;
  size_t CountTold(int64_t watcher) const;
  // REQUIRES: i < CountTold(watcher).
  Told GetTold(int64_t watcher, size_t i) const;
  // What the stream did that no watch stream may; empty: nothing.
  std::string Violation() const;
  uint64_t fragments() const;
  // How the stream ended; empty while it has not.
  std::string End() const;

 private:
  void Read();
  void Take(etcdserverpb::WatchResponse response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeEvents(etcdserverpb::WatchResponse& response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::ClientContext context_;
  std::unique_ptr<etcdserverpb::Watch::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<etcdserverpb::WatchRequest, etcdserverpb::WatchResponse>>
      stream_;
  mutable absl::Mutex mutex_;
  std::deque<etcdserverpb::WatchResponse> created_ ABSL_GUARDED_BY(mutex_);
  std::deque<int64_t> progress_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, std::vector<Told>> told_ ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, int64_t> complete_until_ ABSL_GUARDED_BY(mutex_);  // watcher -> revision
  std::string violation_ ABSL_GUARDED_BY(mutex_);
  std::string end_ ABSL_GUARDED_BY(mutex_);
  uint64_t fragments_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread reader_;
};

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_WATCH_STREAM_H_
