// AsyncApi: the API server for what lives on an EventLoop: a call that blocks is made elsewhere,
// and its outcome comes back on the loop.
#ifndef KEELSON_APISERVER_NODE_ASYNC_API_H_
#define KEELSON_APISERVER_NODE_ASYNC_API_H_

#include <deque>
#include <functional>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/node/event_loop.h"
#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/request_pool.h"

namespace keelson::node {

class AsyncApi {
 public:
  using Call = std::function<absl::StatusOr<api::Json>(runtime::ApiClient* client)>;
  using Done = std::function<void(absl::StatusOr<api::Json>)>;
  enum class Urgency { kUrgent, kLater };

  virtual ~AsyncApi() = default;
  // `call` runs on any thread; `done` on the loop, later.
  virtual void Make(Urgency urgency, Call call, Done done) = 0;
  // Runs `turn` on the loop, where it is called, once a call made now would not wait behind others:
  // at once, or later, in the order of asking. What is written then is not old by the time it is
  // sent.
  virtual void WhenFree(std::function<void()> turn) { turn(); }
};

// By a pool of threads.
class PooledApi final : public AsyncApi {
 public:
  PooledApi(runtime::ApiClient* client, EventLoop* loop, int threads)
      : client_(client), loop_(loop), threads_(threads), pool_(threads) {}
  void Make(Urgency urgency, Call call, Done done) override;
  void WhenFree(std::function<void()> turn) override;
  void Stop() { pool_.Stop(); }

 private:
  runtime::ApiClient* const client_;
  EventLoop* const loop_;
  const int threads_;
  // The loop's.
  int under_way_ = 0;
  std::deque<std::function<void()>> turns_;

  runtime::RequestPool pool_;
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_ASYNC_API_H_
