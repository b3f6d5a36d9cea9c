#include "tests/simulation/cluster/call.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "server/errors.h"
#include "server/load_lanes.h"

namespace keelson::simulation {
namespace {

constexpr size_t kUnsentListed = 4 << 10;  // as in the server

}  // namespace

SimulatedCall::~SimulatedCall() {
  LeaveLoad();
  DropUnsent();
}

bool SimulatedCall::Carried() {
  if (dead_) return false;
  if (link_->Carries(member_, caller_.connection)) return true;
  dead_ = true;
  link_->scheduler().After(kNoticed, [self = shared_from_this()] {
    self->End(absl::UnavailableError("the connection is dead"));
    self->DropUnsent();
    if (self->executor_ == nullptr) return;
    self->executor_->Post([self] { self->MemberCancel(); });
  });
  return false;
}

void SimulatedCall::MemberCancel() {
  if (!std::exchange(open_, false)) return;
  cancelled_ = true;
  if (!begun_) LeaveLoad();
  DropHeld();
  DropUnsent();
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
  if (!Carried()) return;
  Scheduler& scheduler = link_->scheduler();
  to_member_ = std::max(to_member_, scheduler.now() + link_->Delay());
  scheduler.At(to_member_, [self = shared_from_this(), message = std::move(message)] {
    if (!self->open_) return;
    if (!self->begun_) return self->early_.push_back(message);
    self->executor_->Post([self, message] {
      if (self->open_ && self->receiver_) self->receiver_->OnMessage(SharedBytes(message));
    });
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
  taken_ += message.size();
  TakeUnsent(message.size());
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

void SimulatedCall::Begin(const Service& service, std::string request) {
  if (!open_) return;
  service_ = service;
  executor_ = service.executor;
  request_ = std::move(request);
  const rpc::Lane lane = server::LaneOfMethod(method_).Of(request_);
  switch (service_.load->Enter(this, lane, request_.size(), service_.clock->Now())) {
    case rpc::LoadControl::Entry::kRuns:
      return RunHandler();
    case rpc::LoadControl::Entry::kWaits:
      return;
    case rpc::LoadControl::Entry::kRefused:
      return OnRefused();
  }
}

// As the server's calls do it (server/rpc/served_call.cc).
void SimulatedCall::RunHandler() {
  begun_ = true;
  const std::shared_ptr<rpc::Call> self = shared_from_this();
  SharedBytes request(std::exchange(request_, {}));
  if (const auto* unary = std::get_if<rpc::UnaryHandler>(service_.handler)) {
    return (*unary)(self, std::move(request));
  }
  if (const auto* bidi = std::get_if<rpc::BidiHandler>(service_.handler)) {
    receiver_ = (*bidi)(self);
    for (const std::string& message : std::exchange(early_, {})) {
      if (open_ && receiver_) receiver_->OnMessage(SharedBytes(message));
    }
  } else {
    receiver_ = std::get<rpc::ServerStreamHandler>(*service_.handler)(self, std::move(request));
    if (lane() != rpc::Lane::kStream && open_) service_.load->Leave(this);
  }
  if (!open_) DropReceiver();  // it was finished from within
}

void SimulatedCall::OnRefused() {
  link_->OnCallRefused();
  Finish(server::ErrTooManyRequests());
}

void SimulatedCall::OnShed() {
  link_->OnCallShed();
  ToClient([this] { End(absl::UnavailableError("the stream was reset: it is not read")); });
  executor_->Post([self = shared_from_this()] { self->MemberCancel(); });
}

void SimulatedCall::OnUncongested() {
  if (open_ && receiver_) receiver_->OnWritable();
}

bool SimulatedCall::congested() {
  return open_ && service_.load->Congested(this, service_.clock->Now());
}

size_t& SimulatedCall::LaneUnsent() { return service_.load->unsent(lane())->queued_bytes; }

void SimulatedCall::Hold(size_t bytes) {
  if (!open_) return;
  held_bytes_ += bytes;
  LaneUnsent() += bytes;
}

void SimulatedCall::DropHeld() {
  if (executor_ != nullptr) LaneUnsent() -= std::exchange(held_bytes_, 0);
}

void SimulatedCall::TakeUnsent(size_t bytes) {
  const size_t counted = std::min(counted_unsent_, bytes * queue_scale_);
  if (executor_ == nullptr) return;
  counted_unsent_ -= counted;
  LaneUnsent() -= counted;
  if (!open_ && counted_unsent_ == 0) service_.load->UnlistUnsent(this);
}

void SimulatedCall::DropUnsent() {
  if (executor_ == nullptr) return;
  LaneUnsent() -= std::exchange(counted_unsent_, 0);
  service_.load->UnlistUnsent(this);
}

void SimulatedCall::LeaveLoad() {
  if (executor_ == nullptr) return;
  service_.load->Leave(this);
  DropHeld();
}

void SimulatedCall::Break() {
  if (executor_ == nullptr && !open_) return;
  LeaveLoad();
  DropUnsent();
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
  counted_unsent_ += bytes.size() * queue_scale_;
  LaneUnsent() += bytes.size() * queue_scale_;
  if (queued_bytes() >= kUnsentListed) service_.load->ListUnsent(this, service_.clock->Now());
  above_ = above_ || queued_bytes() > kHighWater;
  ToClient([this, bytes = std::move(bytes)] { Deliver(bytes); });
}

void SimulatedCall::Finish(const absl::Status& status) {
  LeaveLoad();
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
