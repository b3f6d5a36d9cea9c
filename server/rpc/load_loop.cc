#include "server/rpc/load_loop.h"

#include <chrono>

#include "asio/post.hpp"

namespace keelson::rpc {
namespace {

constexpr auto kSweepInterval = std::chrono::milliseconds(100);

}  // namespace

LoadLoop::LoadLoop(asio::io_context* loop, const Clock* clock, const LoadLimits& limits)
    : loop_(loop),
      clock_(clock),
      timer_(*loop),
      self_(std::make_shared<LoadLoop*>(this)),
      load_(std::make_shared<LoadControl>(limits, [self = self_] {
        if (*self != nullptr) (*self)->Wake();
      })) {}

LoadLoop::~LoadLoop() { *self_ = nullptr; }

void LoadLoop::Wake() {
  if (!sweep_armed_) ArmSweep();
  if (pump_posted_ || !load_->waiting()) return;
  pump_posted_ = true;
  asio::post(*loop_, [self = self_] {
    if (*self == nullptr) return;
    (*self)->pump_posted_ = false;
    (*self)->load_->Pump();
  });
}

void LoadLoop::ArmSweep() {
  sweep_armed_ = true;
  timer_.expires_after(kSweepInterval);
  timer_.async_wait([self = self_](const asio::error_code& error) {
    if (error || *self == nullptr) return;
    LoadLoop& loop = **self;
    loop.sweep_armed_ = false;
    loop.load_->Sweep(loop.clock_->Now());
    if (loop.load_->busy()) loop.ArmSweep();
  });
}

}  // namespace keelson::rpc
