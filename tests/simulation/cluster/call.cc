#include "tests/simulation/cluster/call.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace keelson::simulation {

bool SimulatedCall::Carried() {
  if (dead_) return false;
  if (link_->Carries(member_)) return true;
  dead_ = true;
  link_->scheduler().After(kNoticed, [self = shared_from_this()] {
    self->End(absl::UnavailableError("the connection is dead"));
    if (self->executor_ == nullptr) return;
    self->executor_->Post([self] { self->MemberCancel(); });
  });
  return false;
}

void SimulatedCall::MemberCancel() {
  if (!std::exchange(open_, false)) return;
  cancelled_ = true;
  if (receiver_) receiver_->OnCancel();
  if (on_cancel_) std::exchange(on_cancel_, nullptr)();
  DropReceiver();
}

void SimulatedCall::ToClient(std::function<void()> step) {
  if (!Carried()) return;
  Scheduler& scheduler = link_->scheduler();
  to_client_ = std::max(to_client_, scheduler.now() + link_->Delay());
  scheduler.At(to_client_, [self = shared_from_this(), step = std::move(step)] { step(); });
}

void SimulatedCall::ToMember(std::function<void()> step) {
  if (!Carried()) return;
  Scheduler& scheduler = link_->scheduler();
  to_member_ = std::max(to_member_, scheduler.now() + link_->Delay());
  scheduler.At(to_member_, [self = shared_from_this(), step = std::move(step)] {
    if (!self->open_ || self->executor_ == nullptr) return;
    self->executor_->Post([self, step] {
      if (self->open_) step();
    });
  });
}

// ------------------------------------------------------------------------------------- client's
// end

void SimulatedCall::ClientSend(std::string message) {
  ToMember([this, message = std::move(message)] {
    if (receiver_) receiver_->OnMessage(SharedBytes(message));
  });
}

void SimulatedCall::ClientCancel() {
  client_open_ = false;
  on_message = nullptr;
  on_end = nullptr;
  ToMember([this] { MemberCancel(); });
}

void SimulatedCall::SetReading(bool reading) {
  reading_ = reading;
  while (reading_ && !held_.empty()) {
    std::string message = std::move(held_.front());
    held_.erase(held_.begin());
    Deliver(std::move(message));
  }
}

void SimulatedCall::Deliver(std::string message) {
  if (!reading_) {
    held_.push_back(std::move(message));
    return;
  }
  queued_ -= message.size();
  NoticeDrained();
  if (client_open_ && on_message) on_message(std::move(message));
}

void SimulatedCall::NoticeDrained() {
  if (!above_ || queued_bytes() > kHighWater / 2 || executor_ == nullptr || !open_) return;
  above_ = false;
  executor_->Post([self = shared_from_this()] {
    if (self->open_ && self->receiver_) self->receiver_->OnWritable();
  });
}

void SimulatedCall::End(absl::Status status) {
  if (!std::exchange(client_open_, false)) return;
  on_message = nullptr;
  if (on_end) std::exchange(on_end, nullptr)(std::move(status));
}

// ------------------------------------------------------------------------------------- member's
// end

void SimulatedCall::Begin(const rpc::Handler& handler, server::Executor* executor,
                          std::string request) {
  if (!open_) return;
  executor_ = executor;
  const std::shared_ptr<rpc::Call> self = shared_from_this();
  if (const auto* unary = std::get_if<rpc::UnaryHandler>(&handler)) {
    (*unary)(self, SharedBytes(std::move(request)));
  } else if (const auto* stream = std::get_if<rpc::ServerStreamHandler>(&handler)) {
    receiver_ = (*stream)(self, SharedBytes(std::move(request)));
  } else {
    receiver_ = std::get<rpc::BidiHandler>(handler)(self);
  }
  if (!open_) DropReceiver();  // it was finished from within
}

void SimulatedCall::Break() {
  if (executor_ == nullptr && !open_) return;
  open_ = false;
  cancelled_ = true;
  on_cancel_ = nullptr;
  receiver_.reset();
  executor_ = nullptr;
  ToClient([this] { End(absl::UnavailableError("the connection was lost")); });
}

void SimulatedCall::Send(ByteChain message) {
  if (!open_) return;
  std::string bytes(message.Flatten());
  queued_ += bytes.size();
  above_ = above_ || queued_bytes() > kHighWater;
  ToClient([this, bytes = std::move(bytes)] { Deliver(bytes); });
}

void SimulatedCall::Finish(const absl::Status& status) {
  if (!std::exchange(open_, false)) return;
  on_cancel_ = nullptr;
  ToClient([this, status] { End(status); });
  DropReceiver();
}

// Not from inside of its own methods. Posted tasks keep the call, and with it the receiver, until
// then; what does not run is dropped with the executor.
void SimulatedCall::DropReceiver() {
  if (executor_ == nullptr || !receiver_) return;
  executor_->Post([self = shared_from_this()] { self->receiver_.reset(); });
}

}  // namespace keelson::simulation
