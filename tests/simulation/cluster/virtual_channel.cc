#include "tests/simulation/cluster/virtual_channel.h"

#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace keelson::simulation {
namespace {

using client::CallHeader;
using client::EventLoop;
using client::MessageLite;

constexpr Time kDialTimeout = 2 * kSecond;
constexpr Time kBackOff = 300 * kMillisecond;
constexpr Time kNoticed = 5 * kSecond;  // that a connection is dead
constexpr size_t kWindow = 8;           // messages that were not read

// Beginning with gRPC's words, by which the library knows that nothing was sent.
absl::Status NotConnected(std::string_view why) {
  return absl::UnavailableError(
      absl::StrCat("failed to connect to all addresses; last error: ", std::string(why)));
}

std::string Find(const CallHeader& header, std::string_view name) {
  for (const auto& [of, value] : header.metadata) {
    if (of == name) return value;
  }
  return "";
}

}  // namespace

bool VirtualChannel::Connected() const {
  World& world = runtime_->world();
  return life_ != 0 && world.running(member_) && world.life(member_) == life_;
}

client::Channel::State VirtualChannel::GetState(bool connect) {
  if (Connected()) return State::kReady;
  if (runtime_->world().now() < failing_until_) return State::kFailing;
  if (connect) Connect([](const absl::Status&) {});
  return State::kUnknown;
}

void VirtualChannel::Connect(std::function<void(absl::Status)> then) {
  if (Connected()) return then(absl::OkStatus());
  if (runtime_->world().now() < failing_until_) return then(NotConnected("it has just failed"));
  waiting_.push_back(std::move(then));
  if (std::exchange(connecting_, true)) return;
  World& world = runtime_->world();
  world.scheduler().After(2 * world.Delay(), [self = weak_from_this(), alive = runtime_->alive()] {
    const auto channel = self.lock();
    if (channel && !alive.expired()) channel->TryOnce();
  });
}

void VirtualChannel::TryOnce() {
  World& world = runtime_->world();
  if (!world.Carries(member_, runtime_->connection())) {
    return world.scheduler().After(kDialTimeout,
                                   [self = weak_from_this(), alive = runtime_->alive()] {
                                     const auto channel = self.lock();
                                     if (channel && !alive.expired())
                                       channel->OnTried(NotConnected("connection timed out"));
                                   });
  }
  if (!world.running(member_)) return OnTried(NotConnected("connection refused"));
  life_ = world.life(member_);
  OnTried(absl::OkStatus());
}

void VirtualChannel::OnTried(absl::Status status) {
  connecting_ = false;
  if (!status.ok()) failing_until_ = runtime_->world().now() + kBackOff;
  for (const auto& then : std::exchange(waiting_, {})) then(status);
}

// A call on its way, from the wish for it to its end. Lives as long as something may come.
class VirtualChannel::Flight : public std::enable_shared_from_this<Flight> {
 public:
  Flight(VirtualChannel* channel, std::string method, const CallHeader& header)
      : channel_(channel->shared_from_this()),
        runtime_(channel->runtime_),
        alive_(runtime_->alive()),
        method_(std::move(method)),
        token_(Find(header, "token")),
        has_leader_(!Find(header, "hasleader").empty()),
        time_left_(header.time_left) {}

  std::function<void()> on_begun;  // there is a connection
  std::function<void(std::string)> on_message;
  std::function<void(absl::Status)> on_end;

  void Begin(std::string request) {
    if (time_left_ != absl::InfiniteDuration()) {
      EndAfter(std::max<Time>(absl::ToInt64Nanoseconds(time_left_), 0),
               absl::DeadlineExceededError("Deadline Exceeded"));
    }
    channel_->Connect([self = shared_from_this(), request](const absl::Status& status) {
      if (self->over_ || self->alive_.expired()) return;
      if (!status.ok()) return self->End(status);
      self->Send(request);
    });
  }
  // What goes after the request.
  void Write(std::string message) {
    if (over_ || runtime_->ended()) return;
    World& world = runtime_->world();
    // Behind the call itself.
    const Time when = std::max(world.now(), sent_ + world.options().network_max + kMillisecond);
    world.scheduler().At(when, [self = shared_from_this(), message = std::move(message)] {
      if (!self->over_ && !self->alive_.expired()) self->call_->ClientSend(message);
    });
  }
  void SetReading(bool reading) {
    if (call_ != nullptr && !over_) call_->SetReading(reading);
  }
  void Cancel() { End(absl::CancelledError("CANCELLED")); }
  bool over() const { return over_; }
  // Whoever made it has gone.
  void Forget() {
    on_begun = nullptr;
    on_message = nullptr;
    on_end = nullptr;
    Cancel();
  }

 private:
  void Send(const std::string& request) {
    World& world = runtime_->world();
    call_ =
        world.NewCall(channel_->member_, method_, {runtime_->connection(), token_, has_leader_});
    const std::weak_ptr<Flight> weak = weak_from_this();
    call_->on_message = [weak](std::string message) {
      const auto self = weak.lock();
      if (self && self->on_message && !self->over_) self->on_message(std::move(message));
    };
    call_->on_end = [weak](const absl::Status& status) {
      if (const auto self = weak.lock()) self->End(status);
    };
    sent_ = world.now();
    if (!world.Carries(channel_->member_, runtime_->connection())) {
      EndAfter(kNoticed, absl::UnavailableError("keepalive watchdog timeout"));
    }
    world.Call(call_, channel_->member_, request);
    if (on_begun) on_begun();
  }
  void EndAfter(Time delay, absl::Status status) {
    runtime_->world().scheduler().After(delay,
                                        [self = shared_from_this(), status = std::move(status)] {
                                          if (!self->alive_.expired()) self->End(status);
                                        });
  }
  void End(const absl::Status& status) {
    if (std::exchange(over_, true)) return;
    if (call_ != nullptr && !runtime_->ended()) call_->ClientCancel();
    if (on_end) on_end(status);
  }

  const std::shared_ptr<VirtualChannel> channel_;
  VirtualRuntime* const runtime_;  // while alive_
  const std::weak_ptr<int> alive_;
  const std::string method_, token_;
  const bool has_leader_;
  const absl::Duration time_left_;
  std::shared_ptr<SimulatedCall> call_;  // null: there is no connection yet
  Time sent_ = 0;
  bool over_ = false;
};

// ------------------------------------------------------------------------------------------ calls

absl::Status VirtualChannel::Call(const char* method, const CallHeader& header,
                                  const MessageLite& request, MessageLite* response) {
  struct Answer {
    absl::Mutex mutex;
    bool there = false;
    std::string body;
    absl::Status status = absl::CancelledError("the simulation is over");
  };
  const auto answer = std::make_shared<Answer>();
  if (runtime_->ended()) return answer->status;
  const auto flight = std::make_shared<Flight>(this, method, header);
  flight->on_message = [answer](std::string message) { answer->body = std::move(message); };
  flight->on_end = [answer, runtime = runtime_](absl::Status status) {
    {
      absl::MutexLock lock(&answer->mutex);
      answer->status = std::move(status);
      answer->there = true;
    }
    runtime->Changed();
  };
  flight->Begin(request.SerializeAsString());
  {
    absl::MutexLock lock(&answer->mutex);
    runtime_->Await(answer->mutex, absl::Condition(&answer->there), absl::InfiniteDuration());
  }
  flight->Forget();
  if (answer->status.ok()) {
    KV_CHECK(response->ParseFromString(answer->body)) << method;
  }
  return answer->status;
}

class VirtualChannel::Pending final : public client::PendingCall {
 public:
  Pending(VirtualChannel* channel, const char* method, const CallHeader& header,
          std::string request, MessageLite* response, absl::Status* status)
      : loop_(channel->runtime_->loop()),
        flight_(std::make_shared<Flight>(channel, method, header)),
        request_(std::move(request)),
        response_(response),
        status_(status) {}
  ~Pending() override { flight_->Forget(); }

  void Start(EventLoop::Event* event) override {
    flight_->on_message = [this](const std::string& message) {
      KV_CHECK(response_->ParseFromString(message));
    };
    flight_->on_end = [this, event](absl::Status status) {
      *status_ = std::move(status);
      loop_.Post([event] { event->OnEvent(true); });
    };
    flight_->Begin(std::move(request_));
  }
  void Cancel() override { flight_->Cancel(); }

 private:
  EventLoop& loop_;
  const std::shared_ptr<Flight> flight_;
  std::string request_;
  MessageLite* const response_;
  absl::Status* const status_;
};

std::unique_ptr<client::PendingCall> VirtualChannel::Prepare(const char* method,
                                                             const CallHeader& header,
                                                             const MessageLite& request,
                                                             MessageLite* response,
                                                             absl::Status* status) {
  return std::make_unique<Pending>(this, method, header, request.SerializeAsString(), response,
                                   status);
}

// ---------------------------------------------------------------------------------------- streams

class VirtualChannel::Stream final : public client::StreamCall {
 public:
  Stream(VirtualChannel* channel, const char* method, const CallHeader& header,
         EventLoop::Event* started)
      : loop_(channel->runtime_->loop()),
        flight_(std::make_shared<Flight>(channel, method, header)),
        started_(started) {
    flight_->on_begun = [this] { Come(started_, true); };
    flight_->on_message = [this](std::string message) {
      messages_.push_back(std::move(message));
      if (messages_.size() >= kWindow) flight_->SetReading(false);
      Serve();
    };
    flight_->on_end = [this](absl::Status status) {
      status_ = std::move(status);
      Come(started_, false);
      Serve();
    };
    flight_->Begin("");
  }
  ~Stream() override { flight_->Forget(); }

  void Read(MessageLite* to, EventLoop::Event* event) override {
    to_ = to;
    read_ = event;
    Serve();
  }
  void Write(const MessageLite& message, EventLoop::Event* event) override {
    const bool goes = !flight_->over();
    if (goes) flight_->Write(message.SerializeAsString());
    Come(event, goes);
  }
  void Finish(absl::Status* status, EventLoop::Event* event) override {
    finish_status_ = status;
    finish_ = event;
    Serve();
  }
  void Cancel() override { flight_->Cancel(); }

 private:
  void Come(EventLoop::Event*& event, bool ok) {
    EventLoop::Event* const of = std::exchange(event, nullptr);
    if (of != nullptr) loop_.Post([of, ok] { of->OnEvent(ok); });
  }
  void Serve() {
    if (read_ != nullptr && !messages_.empty()) {
      KV_CHECK(to_->ParseFromString(messages_.front()));
      messages_.pop_front();
      Come(read_, true);
      if (messages_.size() < kWindow / 2) flight_->SetReading(true);
    }
    if (!flight_->over()) return;
    if (messages_.empty()) Come(read_, false);
    if (finish_ != nullptr) *finish_status_ = status_;
    Come(finish_, true);
  }

  EventLoop& loop_;
  const std::shared_ptr<Flight> flight_;
  EventLoop::Event* started_;  // null: it has come; the same of the others
  EventLoop::Event* read_ = nullptr;
  EventLoop::Event* finish_ = nullptr;
  MessageLite* to_ = nullptr;
  absl::Status* finish_status_ = nullptr;
  std::deque<std::string> messages_;
  absl::Status status_;
};

std::unique_ptr<client::StreamCall> VirtualChannel::Open(const char* method,
                                                         const CallHeader& header,
                                                         EventLoop::Event* started) {
  return std::make_unique<Stream>(this, method, header, started);
}

class VirtualChannel::Blocking final : public client::BlockingStream {
 public:
  Blocking(VirtualChannel* channel, const char* method, const CallHeader& header)
      : runtime_(channel->runtime_), flight_(std::make_shared<Flight>(channel, method, header)) {
    const auto locked = [this](auto change) {
      {
        absl::MutexLock lock(&mutex_);
        change();
      }
      runtime_->Changed();
    };
    flight_->on_begun = [this, locked] { locked([this] { begun_ = true; }); };
    flight_->on_message = [this, locked](std::string message) {
      locked([&] { messages_.push_back(std::move(message)); });
    };
    flight_->on_end = [this, locked](absl::Status status) {
      locked([&] {
        over_ = true;
        status_ = std::move(status);
      });
    };
    flight_->Begin("");
  }
  ~Blocking() override { flight_->Forget(); }

  bool Write(const MessageLite& message) override {
    {
      absl::MutexLock lock(&mutex_);
      const auto ready = [this] { return begun_ || over_; };
      runtime_->Await(mutex_, absl::Condition(&ready), absl::InfiniteDuration());
      if (over_ || !begun_) return false;
    }
    flight_->Write(message.SerializeAsString());
    return true;
  }
  void WritesDone() override {}
  bool Read(MessageLite* to) override {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this] { return !messages_.empty() || over_; };
    runtime_->Await(mutex_, absl::Condition(&ready), absl::InfiniteDuration());
    if (messages_.empty()) return false;
    KV_CHECK(to->ParseFromString(messages_.front()));
    messages_.pop_front();
    return true;
  }
  absl::Status Finish() override {
    absl::MutexLock lock(&mutex_);
    runtime_->Await(mutex_, absl::Condition(&over_), absl::InfiniteDuration());
    return over_ ? status_ : absl::CancelledError("the simulation is over");
  }
  void Cancel() override { flight_->Cancel(); }

 private:
  VirtualRuntime* const runtime_;
  absl::Mutex mutex_;
  bool begun_ = false;
  bool over_ = false;
  std::deque<std::string> messages_;
  absl::Status status_;
  const std::shared_ptr<Flight> flight_;
};

std::unique_ptr<client::BlockingStream> VirtualChannel::OpenBlocking(const char* method,
                                                                     const CallHeader& header) {
  return std::make_unique<Blocking>(this, method, header);
}

}  // namespace keelson::simulation
