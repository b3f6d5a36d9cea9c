// RequestPool: threads that make blocking requests for a thread that must not block. Urgent ones go
// first; of each kind in the order they came. A thread begins when there is a request for it.
//
// Thread-safe. It takes whatever it is given: those who give look at `waiting` and hold back.
#ifndef KEELSON_APISERVER_RUNTIME_REQUEST_POOL_H_
#define KEELSON_APISERVER_RUNTIME_REQUEST_POOL_H_

#include <cstddef>
#include <functional>
#include <memory>

namespace keelson::runtime {

class RequestPool {
 public:
  explicit RequestPool(int threads_max);
  // As Stop.
  ~RequestPool();
  RequestPool(const RequestPool&) = delete;
  RequestPool& operator=(const RequestPool&) = delete;

  enum class Urgency { kUrgent, kLater };
  // Runs `request` on one of the threads; nothing may be thrown out of it. Dropped after Stop.
  void Run(Urgency urgency, std::function<void()> request);
  // Not yet begun.
  size_t waiting() const;
  // Drops what is waiting and returns when no request runs any more.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_REQUEST_POOL_H_
