// LoadLoop: a LoadControl and the loop that comes back to it: soon after somebody began to wait,
// and ten times a second while somebody waits or does not read.
//
// Thread: the server's loop.
#ifndef KEELSON_SERVER_RPC_LOAD_LOOP_H_
#define KEELSON_SERVER_RPC_LOAD_LOOP_H_

#include <memory>

#include "asio/io_context.hpp"
#include "asio/steady_timer.hpp"
#include "base/clock.h"
#include "server/rpc/load_control.h"

namespace keelson::rpc {

class LoadLoop {
 public:
  // REQUIRES: loop and clock outlive this.
  LoadLoop(asio::io_context* loop, const Clock* clock, const LoadLimits& limits);
  ~LoadLoop();

  // Lives as long as somebody has it; once this is gone, nobody comes back to it.
  const std::shared_ptr<LoadControl>& load() const { return load_; }

 private:
  void Wake();
  void ArmSweep();

  asio::io_context* const loop_;
  const Clock* const clock_;
  asio::steady_timer timer_;
  bool pump_posted_ = false;
  bool sweep_armed_ = false;
  // Seen by what was posted and by the load's wake, which may outlive us.
  const std::shared_ptr<LoadLoop*> self_;
  const std::shared_ptr<LoadControl> load_;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_LOAD_LOOP_H_
