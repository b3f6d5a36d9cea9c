#include "apiserver/http/watch_stream.h"

#include <atomic>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/random/random.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/table.h"
#include "apiserver/registry/registry.h"
#include "apiserver/registry/stored_text.h"
#include "asio/post.hpp"
#include "asio/steady_timer.hpp"
#include "base/concat.h"

namespace keelson::apiserver {

using api::Json;
using registry::CacheEvent;
using registry::EntryPtr;

namespace {

constexpr size_t kQueuedBytesMax = 256 << 10;
constexpr size_t kEventsAtOnce = 64;
constexpr absl::Duration kBookmarkInterval = absl::Minutes(1);

const SharedBytes& Opening(std::string_view type) {
  static const auto* const openings = [] {
    auto* made = new std::map<std::string, SharedBytes, std::less<>>;
    for (const char* name : {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"}) {
      made->emplace(name, SharedBytes(Concat("{\"type\":\"", name, "\",\"object\":")));
    }
    return made;
  }();
  return openings->find(type)->second;
}

ByteChain Line(std::string_view type, SharedBytes object) {
  static const auto* const closing = new SharedBytes(std::string("}\n"));
  ByteChain line(Opening(type));
  line.Append(std::move(object));
  line.Append(*closing);
  return line;
}

}  // namespace

class WatchStreams::One final : public http::StreamHandler,
                                public std::enable_shared_from_this<One> {
 public:
  One(WatchStreams* streams, Tap* tap, http::Stream* stream, WatchPlan plan)
      : tap_(tap), stream_(stream), plan_(std::move(plan)), timer_(*streams->loop_) {}

  void Begin();
  void Pump();
  void End();

  void OnData(std::string_view bytes) override { stream_->Consume(bytes.size()); }
  void OnEnd() override {}
  void OnWritable() override { Pump(); }
  void OnClientClosed() override { End(); }
  void OnClose(http::CloseReason reason) override;

 private:
  bool Writable() const {
    return stream_ != nullptr && !ended_ && stream_->queued_bytes() < kQueuedBytesMax;
  }
  void WaitForTimer();
  void Send(const CacheEvent& event);
  void SendBookmark(int64_t revision, bool initial_end);
  void Fail(const absl::Status& status);
  bool Matches(const registry::Entry& entry) const;
  SharedBytes Encode(const registry::Entry& entry);

  Tap* const tap_;
  http::Stream* stream_;
  WatchPlan plan_;
  size_t initial_sent_ = 0;
  bool ended_ = false;
  bool columns_sent_ = false;
  asio::steady_timer timer_;
  absl::Time end_ = absl::InfiniteFuture();
  absl::Time next_bookmark_ = absl::InfiniteFuture();
};

// The open watches of one cache, which is asked to tell of changes once for all of them.
class WatchStreams::Tap {
 public:
  Tap(asio::io_context* loop, registry::WatchCache* cache)
      : cache_(cache), state_(std::make_shared<State>()) {
    state_->tap = this;
    subscription_ = cache_->Subscribe([loop, state = state_] {
      if (state->told.exchange(true)) return;
      asio::post(*loop, [state] {
        state->told = false;
        if (state->tap != nullptr) state->tap->PumpAll();
      });
    });
  }
  ~Tap() {
    cache_->Unsubscribe(subscription_);
    state_->tap = nullptr;
  }

  void Add(std::shared_ptr<One> one) { open_.insert(std::move(one)); }
  void Remove(const std::shared_ptr<One>& one) { open_.erase(one); }
  void PumpAll() {
    // A watch may end, and leave the set, while it is pumped.
    const std::vector<std::shared_ptr<One>> open(open_.begin(), open_.end());
    for (const auto& one : open) one->Pump();
  }
  void EndAll() {
    const std::vector<std::shared_ptr<One>> open(open_.begin(), open_.end());
    for (const auto& one : open) one->End();
  }
  registry::WatchCache* cache() { return cache_; }
  size_t size() const { return open_.size(); }

 private:
  struct State {
    std::atomic<bool> told = false;  // a call is on its way: the subscriber's thread and the loop
    Tap* tap = nullptr;              // of the loop's thread
  };
  registry::WatchCache* const cache_;
  const std::shared_ptr<State> state_;
  uint64_t subscription_ = 0;
  std::set<std::shared_ptr<One>> open_;
};

void WatchStreams::One::Begin() {
  // Spread, so that watches that began together do not all come again together.
  static thread_local absl::BitGen chance;
  end_ = absl::Now() + plan_.timeout;
  if (plan_.bookmarks) {
    next_bookmark_ = absl::Now() + kBookmarkInterval * absl::Uniform(chance, 0.75, 1.25);
  }
  stream_->SendHeaders(
      200, {{"content-type", "application/json"}, {"cache-control", "no-cache, private"}},
      http::EndStream::kNo);
  WaitForTimer();
  Pump();
}

void WatchStreams::One::WaitForTimer() {
  const absl::Time next = std::min(end_, next_bookmark_);
  timer_.expires_after(
      absl::ToChronoNanoseconds(std::max(next - absl::Now(), absl::ZeroDuration())));
  timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
    if (error || self->ended_ || self->stream_ == nullptr) return;
    const absl::Time now = absl::Now();
    if (now >= self->end_) {
      self->End();
      return;
    }
    if (now >= self->next_bookmark_) {
      self->next_bookmark_ = now + kBookmarkInterval;
      // One that is behind gets the revision it has come to with its events.
      self->plan_.cache->RequestProgress();
      if (self->initial_sent_ == self->plan_.initial.size()) {
        self->SendBookmark(self->plan_.revision, /*initial_end=*/false);
      }
    }
    self->WaitForTimer();
  });
}

void WatchStreams::One::Pump() {
  while (Writable() && initial_sent_ < plan_.initial.size()) {
    stream_->SendData(Line("ADDED", Encode(*plan_.initial[initial_sent_])));
    plan_.initial[initial_sent_++].reset();
  }
  if (!Writable() || initial_sent_ < plan_.initial.size()) return;
  if (plan_.initial_events_end) {
    plan_.initial_events_end = false;
    SendBookmark(plan_.revision, /*initial_end=*/true);
  }
  std::vector<CacheEvent> events;
  do {
    events.clear();
    int64_t revision = 0;
    const absl::Status read = plan_.cache->Read(&plan_.position, kEventsAtOnce, &events, &revision);
    if (!read.ok()) {
      Fail(read);
      return;
    }
    for (const CacheEvent& event : events) Send(event);
    plan_.revision = std::max(plan_.revision, revision);
  } while (!events.empty() && Writable());
}

bool WatchStreams::One::Matches(const registry::Entry& entry) const {
  if (!plan_.name_space.empty() && entry.name_space != plan_.name_space) return false;
  return entry.IsSelected(*plan_.kind, plan_.labels, plan_.fields);
}

void WatchStreams::One::Send(const CacheEvent& event) {
  const bool now = event.type != CacheEvent::Type::kDeleted && Matches(*event.now);
  const bool before = event.before != nullptr && Matches(*event.before);
  if (!now && !before) return;
  if (now) {
    stream_->SendData(Line(before ? "MODIFIED" : "ADDED", Encode(*event.now)));
    return;
  }
  // Gone, or no longer selected: the last state that was, under the revision of the change.
  if (event.type == CacheEvent::Type::kDeleted) {
    stream_->SendData(Line("DELETED", Encode(*event.now)));
    return;
  }
  const registry::Entry last(event.before->name_space, event.before->name, event.revision,
                             registry::WithRevision(event.before->json.view(), event.revision));
  stream_->SendData(Line("DELETED", Encode(last)));
}

SharedBytes WatchStreams::One::Encode(const registry::Entry& entry) {
  if (plan_.form.form == Form::kObject && plan_.kind->stored_as == nullptr) return entry.json;
  if (plan_.form.form == Form::kMetadata && plan_.kind->stored_as == nullptr) {
    return SharedBytes(
        registry::Dump(api::PartialMetadata(entry.ParseMetadata(), plan_.form.version)));
  }
  const Json object = registry::Registry::InVersion(*plan_.kind, entry.Parse());
  if (plan_.form.form == Form::kObject) return SharedBytes(registry::Dump(object));
  if (plan_.form.form == Form::kMetadata) {
    return SharedBytes(registry::Dump(api::PartialMetadata(object, plan_.form.version)));
  }
  const api::TableOptions options{.version = plan_.form.version,
                                  .include_object = plan_.include_object,
                                  .with_columns = !std::exchange(columns_sent_, true)};
  return SharedBytes(registry::Dump(api::TableOf(*plan_.kind, object, options)));
}

void WatchStreams::One::SendBookmark(int64_t revision, bool initial_end) {
  if (stream_ == nullptr || ended_) return;
  Json object = {{"apiVersion", plan_.kind->api_version()},
                 {"kind", plan_.kind->kind},
                 {"metadata", {{"resourceVersion", std::to_string(revision)}}}};
  if (initial_end) {
    object["metadata"]["annotations"] = {{"k8s.io/initial-events-end", "true"}};
  }
  if (plan_.form.form == Form::kTable) {
    object = api::TableOf(*plan_.kind, object,
                          {.version = plan_.form.version,
                           .include_object = "Object",
                           .with_columns = !std::exchange(columns_sent_, true)});
  }
  stream_->SendData(Line("BOOKMARK", SharedBytes(registry::Dump(object))));
}

void WatchStreams::One::Fail(const absl::Status& status) {
  if (stream_ == nullptr || ended_) return;
  stream_->SendData(Line("ERROR", SharedBytes(registry::Dump(api::StatusObject(status)))));
  End();
}

void WatchStreams::One::End() {
  if (stream_ == nullptr || ended_) return;
  ended_ = true;
  timer_.cancel();
  stream_->End({});
}

void WatchStreams::One::OnClose(http::CloseReason reason) {
  const std::shared_ptr<One> self = shared_from_this();
  stream_ = nullptr;
  timer_.cancel();
  tap_->Remove(self);
}

WatchStreams::WatchStreams(asio::io_context* loop) : loop_(loop) {}
WatchStreams::~WatchStreams() = default;

WatchStreams::Tap& WatchStreams::TapOf(registry::WatchCache* cache) {
  std::unique_ptr<Tap>& tap = taps_[cache];
  if (tap == nullptr) tap = std::make_unique<Tap>(loop_, cache);
  return *tap;
}

std::shared_ptr<http::StreamHandler> WatchStreams::Start(http::Stream* stream, WatchPlan plan) {
  Tap& tap = TapOf(plan.cache);
  auto one = std::make_shared<One>(this, &tap, stream, std::move(plan));
  tap.Add(one);
  one->Begin();
  if (ended_) one->End();
  return one;
}

void WatchStreams::EndAll() {
  ended_ = true;
  for (const auto& [cache, tap] : taps_) tap->EndAll();
}

size_t WatchStreams::size() const {
  size_t open = 0;
  for (const auto& [cache, tap] : taps_) open += tap->size();
  return open;
}

}  // namespace keelson::apiserver
