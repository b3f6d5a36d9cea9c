// AsioExecutor: the production Executor over an io_context that one thread runs.
#ifndef KEELSON_SERVER_ASIO_EXECUTOR_H_
#define KEELSON_SERVER_ASIO_EXECUTOR_H_

#include <memory>

#include "asio/io_context.hpp"
#include "server/executor.h"

namespace keelson::server {

class AsioExecutor final : public Executor {
 public:
  // `loop` outlives the executor and its timers.
  explicit AsioExecutor(asio::io_context* loop) : loop_(loop) {}
  void Post(Task task) override;
  std::unique_ptr<Timer> NewTimer() override;

 private:
  asio::io_context* const loop_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_ASIO_EXECUTOR_H_
