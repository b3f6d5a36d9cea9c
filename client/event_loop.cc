#include "client/event_loop.h"

#include <grpc/support/time.h>

#include <utility>

namespace keelson::client {
namespace {

class PostedWork final : public EventLoop::Event {
 public:
  PostedWork(grpc::CompletionQueue* queue, absl::AnyInvocable<void()> work)
      : work_(std::move(work)) {
    alarm_.Set(queue, GrpcTime(absl::ZeroDuration()), this);
  }
  void OnEvent(bool) override {
    work_();
    delete this;
  }

 private:
  absl::AnyInvocable<void()> work_;
  grpc::Alarm alarm_;
};

}  // namespace

gpr_timespec GrpcTime(absl::Duration from_now) {
  if (from_now == absl::InfiniteDuration()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(absl::ToInt64Nanoseconds(from_now), GPR_TIMESPAN));
}

EventLoop::EventLoop() { thread_ = std::thread([this] { Run(); }); }

EventLoop::~EventLoop() {
  queue_.Shutdown();
  thread_.join();
}

void EventLoop::Post(absl::AnyInvocable<void()> work) {
  new PostedWork(&queue_, std::move(work));  // deletes itself when run
}

void EventLoop::Run() {
  void* tag;
  bool ok;
  while (queue_.Next(&tag, &ok)) static_cast<Event*>(tag)->OnEvent(ok);
}

}  // namespace keelson::client
