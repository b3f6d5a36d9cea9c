#include "server/core_watch.h"

#include <utility>

#include "base/check.h"

namespace keelson::server {

CoreWatch::CoreWatch(MemberCore* core, const etcdserverpb::WatchCreateRequest& request,
                     OnResponse on_response, Writable writable)
    : on_response_(std::move(on_response)),
      writable_(std::move(writable)),
      alive_(std::make_shared<int>()),
      timer_(core->NewTimer()),
      stream_(core->watch_hub().Open(this)) {
  stream_->Create(request);
}

CoreWatch::~CoreWatch() = default;

void CoreWatch::Send(ByteChain response) {
  etcdserverpb::WatchResponse parsed;
  KV_CHECK(parsed.ParseFromString(response.Flatten()));
  if (parsed.created() && !parsed.canceled()) return;
  responses_.push_back(std::move(parsed));
  if (responses_.size() == 1) {
    timer_->Arm(absl::ZeroDuration(), [this] { Deliver(); });
  }
}

void CoreWatch::Deliver() {
  // Whoever is called may end this watch.
  const std::weak_ptr<int> alive = alive_;
  const OnResponse on_response = on_response_;
  while (!alive.expired() && !responses_.empty()) {
    const etcdserverpb::WatchResponse response = std::move(responses_.front());
    responses_.pop_front();
    on_response(response);
  }
}

}  // namespace keelson::server
