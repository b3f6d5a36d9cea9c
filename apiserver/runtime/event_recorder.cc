#include "apiserver/runtime/event_recorder.h"

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/runtime/log.h"
#include "base/concat.h"

namespace keelson::runtime {
namespace {

using api::Json;

const Resource kEvents{"", "v1", "events"};
// client-go's numbers.
constexpr size_t kQueueMax = 1000;
constexpr size_t kRemembered = 4096;
constexpr size_t kSimilarMax = 10;
constexpr absl::Duration kSimilarWithin = absl::Minutes(10);
constexpr double kSpamBurst = 25;
constexpr absl::Duration kSpamRefill = absl::Minutes(5);  // for one more
constexpr int kAttemptsMax = 12;
constexpr absl::Duration kRetry = absl::Seconds(1);
// A namespace that takes no events (it is ending, it has gone, it has too many) is not asked again
// so soon: what is told of its objects meanwhile is dropped. By then it may be another one.
constexpr absl::Duration kClosedFor = absl::Seconds(5);
// What still waits when the recorder ends may take so long.
constexpr absl::Duration kFlush = absl::Seconds(2);

// The newest kRemembered entries by key.
template <typename Value>
class Recent {
 public:
  // Made if it is not there.
  Value& At(const std::string& key) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
    entries_.emplace_front(key, Value{});
    places_[key] = entries_.begin();
    if (entries_.size() > kRemembered) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  std::list<std::pair<std::string, Value>> entries_;
  std::unordered_map<std::string, typename std::list<std::pair<std::string, Value>>::iterator>
      places_;
};

// What tells one thing that happened from another, down to the message.
std::string KeyOfSubject(const Json& event) {
  const Json& about = api::MapAt(event, "involvedObject");
  std::string key =
      Concat(api::TextAt(event, "source.component"), "\n", api::TextAt(event, "source.host"));
  for (const char* field : {"kind", "namespace", "name", "uid", "apiVersion"}) {
    Append(&key, "\n", api::TextAt(about, field));
  }
  return key;
}
std::string KeyOfKind(const Json& event) {
  return Concat(KeyOfSubject(event), "\n", api::TextAt(event, "type"), "\n",
                api::TextAt(event, "reason"));
}
std::string KeyOfWhole(const Json& event) {
  return Concat(KeyOfKind(event), "\n", api::TextAt(event, "involvedObject.fieldPath"), "\n",
                api::TextAt(event, "message"));
}

}  // namespace

// The queue, its thread, and what it remembers of what was sent.
class EventRecorder::Sender {
 public:
  Sender(ApiClient* client, const Clock* clock)
      : client_(client), clock_(clock), thread_([this] { Run(); }) {}
  ~Sender() {
    {
      absl::MutexLock lock(&mu_);
      stop_at_ = real_.Now() + kFlush;
      wake_.SignalAll();
    }
    thread_.join();
  }

  // Whether the namespace refuses events, as far as is known.
  bool IsClosed(const std::string& name_space) {
    absl::MutexLock lock(&mu_);
    const auto found = closed_.find(name_space);
    return found != closed_.end() && clock_->Now() < found->second;
  }

  // One is dropped when there is no room, and need not be made. Between this and Send others may
  // take the room: a few more than kQueueMax may wait.
  bool HasRoom() {
    absl::MutexLock lock(&mu_);
    if (queue_.size() < kQueueMax) return true;
    if (++dropped_ % kQueueMax == 1) {
      LogWarning(Concat("events come faster than they can be sent; dropped so far: ", dropped_));
    }
    return false;
  }
  void Send(Json event) {
    absl::MutexLock lock(&mu_);
    queue_.push_back(std::move(event));
    wake_.SignalAll();
  }

 private:
  struct Bucket {
    std::optional<absl::Duration> filled_at;
    double left = kSpamBurst;
  };
  struct Similar {
    std::optional<absl::Duration> last;
    std::set<std::string> messages;
  };
  struct Sent {
    std::string name;  // of the Event; empty: not sent yet
    int64_t count = 0;
  };

  void Run() {
    while (std::optional<Json> event = Next()) {
      // What was queued before the first refusal.
      if (IsClosed(api::NamespaceOf(*event))) continue;
      const std::string key = Aggregate(&*event);
      if (!IsSpam(*event)) Write(key, std::move(*event));
    }
  }

  std::optional<Json> Next() {
    absl::MutexLock lock(&mu_);
    while (queue_.empty() && !stop_at_) wake_.Wait(&mu_);
    if (queue_.empty() || (stop_at_ && real_.Now() > *stop_at_)) return std::nullopt;
    Json event = std::move(queue_.front());
    queue_.pop_front();
    return event;
  }

  // The key by which an event is known; many of a kind are made into one.
  std::string Aggregate(Json* event) {
    Similar& similar = similar_.At(KeyOfKind(*event));
    const absl::Duration now = clock_->Now();
    if (!similar.last || now - *similar.last > kSimilarWithin) similar.messages.clear();
    similar.last = now;
    const std::string message = api::TextAt(*event, "message");
    if (similar.messages.size() + 1 < kSimilarMax || similar.messages.contains(message)) {
      similar.messages.insert(message);
      return KeyOfWhole(*event);
    }
    (*event)["message"] = Concat("(combined from similar events): ", message);
    return KeyOfKind(*event);
  }

  bool IsSpam(const Json& event) {
    Bucket& bucket = buckets_.At(KeyOfSubject(event));
    const absl::Duration now = clock_->Now();
    if (bucket.filled_at) {
      bucket.left += absl::FDivDuration(now - *bucket.filled_at, kSpamRefill);
      bucket.left = std::min(bucket.left, kSpamBurst);
    }
    bucket.filled_at = now;
    if (bucket.left < 1) return true;
    bucket.left -= 1;
    return false;
  }

  void Write(const std::string& key, Json event) {
    Sent& sent = sent_.At(key);
    const std::string name_space = api::NamespaceOf(event);
    for (int attempt = 1;; ++attempt) {
      absl::Status status = absl::NotFoundError("");
      if (!sent.name.empty()) {
        status = client_
                     ->PatchForMetadata(kEvents, name_space, sent.name, PatchType::kStrategicMerge,
                                        {{"count", sent.count + 1},
                                         {"lastTimestamp", event["lastTimestamp"]},
                                         {"message", event["message"]}})
                     .status();
        if (status.ok()) ++sent.count;
      }
      // Not sent before, or too long ago.
      if (api::IsNotFound(status)) {
        const absl::StatusOr<Json> made = client_->CreateForMetadata(kEvents, name_space, event);
        status = made.status();
        if (made.ok()) sent = {api::NameOf(*made), 1};
        if (api::IsForbidden(status) || api::IsNotFound(status)) return Close(name_space);
      }
      if (status.ok()) return;
      if (!absl::IsUnavailable(status) || attempt >= kAttemptsMax || !Pause()) {
        LogDebug(Concat("cannot send an event: ", status.ToString()));
        return;
      }
    }
  }

  void Close(const std::string& name_space) {
    absl::MutexLock lock(&mu_);
    const absl::Duration now = clock_->Now();
    std::erase_if(closed_, [now](const auto& closed) { return closed.second <= now; });
    closed_[name_space] = now + kClosedFor;
  }

  // False: it is time to end.
  bool Pause() {
    absl::MutexLock lock(&mu_);
    const absl::Duration until = real_.Now() + kRetry;
    while (!stop_at_ && real_.Now() < until) {
      wake_.WaitWithTimeout(&mu_, until - real_.Now());
    }
    return !stop_at_;
  }

  ApiClient* const client_;
  const Clock* const clock_;
  const RealClock real_;

  // Of the thread.
  Recent<Similar> similar_;
  Recent<Bucket> buckets_;
  Recent<Sent> sent_;

  absl::Mutex mu_;
  absl::CondVar wake_;
  std::deque<Json> queue_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, absl::Duration> closed_ ABSL_GUARDED_BY(mu_);  // namespace -> until when
  uint64_t dropped_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<absl::Duration> stop_at_ ABSL_GUARDED_BY(mu_);

  std::thread thread_;  // last: it uses all of the above
};

EventRecorder::EventRecorder(ApiClient* client, const Clock* clock, std::string component,
                             std::string host)
    : EventRecorder(std::make_shared<Sender>(client, clock), std::move(component),
                    std::move(host)) {}
EventRecorder::EventRecorder(std::shared_ptr<Sender> sender, std::string component,
                             std::string host)
    : sender_(std::move(sender)), component_(std::move(component)), host_(std::move(host)) {}
EventRecorder::~EventRecorder() = default;

std::unique_ptr<EventRecorder> EventRecorder::As(std::string component) const {
  return As(std::move(component), host_);
}

std::unique_ptr<EventRecorder> EventRecorder::As(std::string component, std::string host) const {
  return std::unique_ptr<EventRecorder>(
      new EventRecorder(sender_, std::move(component), std::move(host)));
}

void EventRecorder::Normal(const Json& about, std::string_view reason, std::string_view message,
                           std::string_view field_path) {
  Record(about, "Normal", reason, message, field_path);
}

void EventRecorder::Warning(const Json& about, std::string_view reason, std::string_view message,
                            std::string_view field_path) {
  Record(about, "Warning", reason, message, field_path);
}

void EventRecorder::Record(const Json& about, std::string_view type, std::string_view reason,
                           std::string_view message, std::string_view field_path) {
  const std::string& name_space = api::NamespaceOf(about);
  if (sender_->IsClosed(name_space) || !sender_->HasRoom()) return;
  const absl::Time now = absl::Now();
  Json subject = {{"kind", api::TextAt(about, "kind")},
                  {"apiVersion", api::TextAt(about, "apiVersion")},
                  {"name", api::NameOf(about)},
                  {"uid", api::UidOf(about)},
                  {"resourceVersion", api::TextAt(about, "metadata.resourceVersion")}};
  if (!name_space.empty()) subject["namespace"] = name_space;
  if (!field_path.empty()) subject["fieldPath"] = field_path;
  Json source = {{"component", component_}};
  if (!host_.empty()) source["host"] = host_;
  sender_->Send(
      {{"apiVersion", "v1"},
       {"kind", "Event"},
       {"metadata",
        {{"name", Concat(api::NameOf(about), ".", absl::StrFormat("%x", absl::ToUnixNanos(now)))},
         {"namespace", name_space.empty() ? "default" : name_space}}},
       {"involvedObject", std::move(subject)},
       {"reason", reason},
       {"message", message},
       {"source", std::move(source)},
       {"firstTimestamp", api::FormatTime(now)},
       {"lastTimestamp", api::FormatTime(now)},
       {"count", 1},
       {"type", type},
       {"eventTime", nullptr},
       {"reportingComponent", component_},
       {"reportingInstance", host_}});
}

}  // namespace keelson::runtime
