// WatchHub: brings every change to every watcher, once, in order (etcd's watch guarantees: ordered,
// unique, reliable, atomic per revision; facts 4.10).
//
// A watcher is synced, and then gets events as they are applied; or it lags, and then catches up by
// reading the revisions it lacks from the store, a bounded piece at a time, together with other
// laggards. A stream whose client does not read makes its watchers lag; nothing is queued for it
// beyond a limit, and nothing of the apply path waits for it.
//
// An event is encoded once and its bytes are shared by all watchers.
//
// Thread: apply.
#ifndef KEELSON_SERVER_WATCH_HUB_H_
#define KEELSON_SERVER_WATCH_HUB_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/random.h"
#include "base/shared_bytes.h"
#include "base/types.h"
#include "proto/etcd/rpc.pb.h"
#include "server/executor.h"
#include "server/key_matcher.h"
#include "server/responses.h"
#include "storage/store.h"

namespace keelson::server {

// Where the responses of one Watch stream go.
class WatchSink {
 public:
  virtual ~WatchSink() = default;
  virtual void Send(ByteChain response) = 0;
  // False: the client does not keep up; its watchers lag until WatchHub::OnWritable.
  virtual bool writable() const = 0;
};

struct WatchHubOptions {
  absl::Duration progress_interval = absl::Minutes(10);
  uint64_t fragment_bytes = 1572864 + 524288;
  int64_t catch_up_revisions = 1000;  // one piece of history (etcd's number)
  uint64_t catch_up_bytes = 1 << 20;
  size_t catch_up_watchers = 256;  // that take part in one piece
  // Events that wait to be sent, counted once for every watcher that gets them: what a group of
  // entries means to ten thousand watchers of one key is sent in parts.
  size_t collected_max = 64 << 10;
};

class WatchHub {
 public:
  class Stream;

  // `header` gives the header of an answer now. All arguments outlive the hub.
  WatchHub(WatchHubOptions options, storage::Store* store, Executor* executor, Random* random,
           std::function<Header()> header);
  ~WatchHub();

  // A stream of watchers; its destruction ends them. `sink` outlives it.
  std::unique_ptr<Stream> Open(WatchSink* sink);

  // The changes of a group of applied entries, in order; `revision` is the store's after them. What
  // the hub calls the present is the last revision it was told, not the store's, which runs ahead
  // inside a group.
  void OnEvents(absl::Span<const storage::StoredEvent> events, Revision revision);

  // The store is another one, of a later state: everybody catches up from it, or is told that what
  // it needs is compacted.
  void OnStoreReplaced();

  size_t watcher_count() const { return watcher_count_; }
  size_t stream_count() const { return streams_.size(); }
  // Watchers that catch up from the store, as far as their streams take data.
  size_t lagging_count() const { return lagging_.size(); }
  uint64_t events_sent() const { return events_sent_; }

 private:
  struct Watcher;
  struct SharedEvent;

  Header CurrentHeader() const;
  void Deliver(Watcher* watcher, Revision last);
  // Sends what was collected of events through `last`.
  void DeliverTouched(Revision last);
  void DropCollected(Watcher* watcher);
  void Collect(Watcher* watcher, SharedEvent& event);
  void MakeLag(Watcher* watcher);
  void MakeSynced(Watcher* watcher);
  void ScheduleCatchUp();
  void CatchUp();
  void CancelCompacted(Watcher* watcher);
  void OnProgressTimer();
  void Remove(Watcher* watcher);

  const WatchHubOptions options_;
  storage::Store* const store_;
  Executor* const executor_;
  const std::function<Header()> header_;
  std::shared_ptr<int> alive_;  // posted tasks outlive us

  Revision revision_;
  KeyMatcher<Watcher*> synced_;
  // By the next revision each needs and its number; watchers of streams that are not writable are
  // not in it. Nothing is in the order of addresses, which differs from run to run.
  std::map<std::pair<Revision, uint64_t>, Watcher*> lagging_;
  std::vector<Watcher*> touched_;  // those with events collected in the group under way
  size_t collected_ = 0;           // events of all of them
  bool catch_up_scheduled_ = false;
  size_t watcher_count_ = 0;
  uint64_t events_sent_ = 0;
  uint64_t last_number_ = 0;             // of a watcher or stream
  std::map<uint64_t, Stream*> streams_;  // by number
  std::unique_ptr<Timer> progress_timer_;
};

class WatchHub::Stream {
 public:
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void Create(const etcdserverpb::WatchCreateRequest& request);
  // The answer to a request for a watcher that there is not going to be.
  void Refuse(std::string reason);
  void Cancel(int64_t watch_id);
  // etcd's manual progress request: answered only when all watchers of the stream are synced.
  void RequestProgress();
  // The sink takes data again.
  void OnWritable();

 private:
  friend class WatchHub;
  Stream(WatchHub* hub, WatchSink* sink, uint64_t number);

  WatchHub* const hub_;
  WatchSink* const sink_;
  const uint64_t number_;
  std::map<int64_t, std::unique_ptr<Watcher>> watchers_;
  int64_t next_id_ = 0;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_WATCH_HUB_H_
