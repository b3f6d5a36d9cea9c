// CoreWatch: a watch for this member's own code: what a client would get on a stream, as messages.
// Responses come in tasks of their own, never from inside of the hub, so that whoever gets one may
// end the watch.
//
// Thread: the executor's.
#ifndef KEELSON_SERVER_CORE_WATCH_H_
#define KEELSON_SERVER_CORE_WATCH_H_

#include <deque>
#include <functional>
#include <memory>

#include "proto/etcd/rpc.pb.h"
#include "server/member_core.h"
#include "server/watch_hub.h"

namespace keelson::server {

class CoreWatch final : private WatchSink {
 public:
  // Events, or the end of the watch (canceled: what it needs is compacted). Not the answer to its
  // creation.
  using OnResponse = std::function<void(const etcdserverpb::WatchResponse&)>;
  // False: no more can be taken now; OnWritable says when it can.
  using Writable = std::function<bool()>;

  // `core` outlives the watch.
  CoreWatch(MemberCore* core, const etcdserverpb::WatchCreateRequest& request,
            OnResponse on_response, Writable writable = nullptr);
  CoreWatch(const CoreWatch&) = delete;
  CoreWatch& operator=(const CoreWatch&) = delete;
  // No response comes after that.
  ~CoreWatch() override;

  void OnWritable() { stream_->OnWritable(); }

 private:
  void Send(ByteChain response) override;
  bool writable() const override { return writable_ == nullptr || writable_(); }
  void Deliver();

  const OnResponse on_response_;
  const Writable writable_;
  std::shared_ptr<int> alive_;
  std::unique_ptr<Timer> timer_;
  std::deque<etcdserverpb::WatchResponse> responses_;
  std::unique_ptr<WatchHub::Stream> stream_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_CORE_WATCH_H_
