#include "apiserver/registry/watch_cache.h"

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/container/btree_map.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json_parse.h"
#include "apiserver/api/object.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/registry/stored_text.h"
#include "base/concat.h"
#include "client/client.h"
#include "client/ops.h"

namespace keelson::registry {

using api::Json;

Json Entry::Parse() const {
  std::optional<Json> object = ReadText(json.view());
  return object ? *std::move(object) : Json::object();
}

Json Entry::ParseMetadata() const {
  const api::SplitText split = api::WithoutManagedFields(json.view());
  std::optional<Json> metadata =
      api::PartsOf(split.managed.empty() ? json.view() : split.rest, {"metadata"});
  if (!metadata) return Parse();
  if (!split.managed.empty()) {
    api::Make(*metadata, "metadata.managedFields") = api::RawJson(split.managed);
  }
  return *std::move(metadata);
}

std::shared_ptr<const Json> Entry::Dom() const {
  absl::MutexLock lock(&mutex_);
  if (dom_ == nullptr) dom_ = std::make_shared<const Json>(Parse());
  return dom_;
}

std::shared_ptr<const Json> Entry::Selectable(const api::Kind& kind) const {
  absl::MutexLock lock(&mutex_);
  if (selectable_ != nullptr) return selectable_;
  std::vector<std::string_view> paths = {"metadata.name", "metadata.namespace", "metadata.labels"};
  for (const api::FieldLabel& field : kind.field_labels) paths.emplace_back(field.path);
  std::optional<Json> part = api::PartsOf(json.view(), paths);
  if (!part) part = Parse();
  selectable_ = std::make_shared<const Json>(*std::move(part));
  return selectable_;
}

bool Entry::IsSelected(const api::Kind& kind, const api::LabelSelector& labels,
                       const api::FieldSelector& fields) const {
  const auto wanted_name = fields.Required("metadata.name");
  if (wanted_name && *wanted_name != name) return false;
  const bool only_name = wanted_name && fields.size() == 1;
  if (labels.everything() && (fields.everything() || only_name)) return true;
  const auto matches = [&](const Json& object) {
    return labels.Matches(api::LabelsOf(object)) && fields.Matches(object);
  };
  return kind.stored_as == nullptr ? matches(*Selectable(kind))
                                   : matches(kind.from_stored(Parse()));
}

EntryPtr MakeEntry(const api::Kind& kind, std::string_view key, std::string_view stored,
                   int64_t revision) {
  absl::StatusOr<std::string> text = ServedText(stored, revision);
  if (!text.ok()) return nullptr;
  const size_t slash = kind.namespaced ? key.find('/') : std::string_view::npos;
  const bool in_space = slash != std::string_view::npos;
  return std::make_shared<Entry>(std::string(in_space ? key.substr(0, slash) : ""),
                                 std::string(in_space ? key.substr(slash + 1) : key), revision,
                                 *std::move(text));
}

// Loads on a thread of its own, then follows a watch; begins anew when the store has compacted what
// it would need.
class WatchCache::Impl {
 public:
  Impl(client::Client* store, const api::Kind& kind, Options options)
      : store_(store),
        kind_(kind),
        options_(options),
        prefix_(kind.StorageKey("", "")),
        thread_([this] { Run(); }) {}

  ~Impl() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    thread_.join();
  }

  bool WaitFor(int64_t revision, absl::Duration timeout) {
    const absl::Time deadline = absl::Now() + timeout;
    absl::MutexLock lock(&mutex_);
    const auto reached = [this, revision]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return (ready_ && revision_ >= revision) || stopped_;
    };
    // A request for progress goes unanswered while the watch is catching up: it is made again.
    while (!reached()) {
      if (ready_ && watcher_ != nullptr) watcher_->RequestProgress();
      const absl::Time again = std::min(deadline, absl::Now() + absl::Milliseconds(200));
      if (mutex_.AwaitWithDeadline(absl::Condition(&reached), again)) break;
      if (absl::Now() >= deadline) return false;
    }
    return !stopped_;
  }
  bool ready() const {
    absl::ReaderMutexLock lock(&mutex_);
    return ready_;
  }
  int64_t revision() const {
    absl::ReaderMutexLock lock(&mutex_);
    return revision_;
  }
  size_t size() const {
    absl::ReaderMutexLock lock(&mutex_);
    return entries_.size();
  }

  EntryPtr Get(std::string_view name_space, std::string_view name) const {
    absl::ReaderMutexLock lock(&mutex_);
    const auto found = entries_.find(MapKey(name_space, name));
    return found == entries_.end() ? nullptr : found->second;
  }

  Snapshot List(std::string_view name_space, std::string_view after, size_t limit) const {
    Snapshot snapshot;
    const std::string begin = name_space.empty() ? std::string() : Concat(name_space, '/');
    absl::ReaderMutexLock lock(&mutex_);
    if (begin.empty() && after.empty() && limit == 0) snapshot.entries.reserve(entries_.size());
    auto at =
        after.empty() ? entries_.lower_bound(begin) : entries_.upper_bound(std::string(after));
    for (; at != entries_.end() && at->first.compare(0, begin.size(), begin) == 0; ++at) {
      if (limit != 0 && snapshot.entries.size() == limit) {
        snapshot.more = true;
        ++snapshot.remaining;
        continue;
      }
      snapshot.entries.push_back(at->second);
    }
    snapshot.revision = revision_;
    snapshot.next = first_position_ + events_.size();
    return snapshot;
  }

  absl::StatusOr<uint64_t> PositionAfter(int64_t revision) const {
    absl::ReaderMutexLock lock(&mutex_);
    if (revision < window_begin_) {
      return api::Expired(Concat("too old resource version: ", revision, " (", window_begin_, ")"));
    }
    const auto behind = std::upper_bound(
        events_.begin(), events_.end(), revision,
        [](int64_t wanted, const Dated& dated) { return wanted < dated.event.revision; });
    return first_position_ + static_cast<uint64_t>(behind - events_.begin());
  }

  uint64_t position() const {
    absl::ReaderMutexLock lock(&mutex_);
    return first_position_ + events_.size();
  }

  absl::Status Read(uint64_t* position, size_t most, std::vector<CacheEvent>* events,
                    int64_t* revision) const {
    absl::ReaderMutexLock lock(&mutex_);
    if (*position < first_position_) {
      return api::Expired(Concat("too old resource version: ", window_begin_));
    }
    const uint64_t end = first_position_ + events_.size();
    while (*position < end && events->size() < most) {
      events->push_back(events_[*position - first_position_].event);
      ++*position;
    }
    if (*position == end) {
      *revision = revision_;
    } else {
      // Of one revision there may be many changes, when a lease ends.
      *revision = events_[*position - first_position_].event.revision - 1;
    }
    return absl::OkStatus();
  }

  uint64_t Subscribe(std::function<void()> on_more) {
    absl::MutexLock lock(&subscribers_mutex_);
    subscribers_.emplace(++last_subscriber_, std::move(on_more));
    return last_subscriber_;
  }
  void Unsubscribe(uint64_t id) {
    absl::MutexLock lock(&subscribers_mutex_);
    subscribers_.erase(id);
  }
  void RequestProgress() {
    absl::ReaderMutexLock lock(&mutex_);
    if (watcher_ != nullptr) watcher_->RequestProgress();
  }

 private:
  struct Dated {
    CacheEvent event;
    absl::Time time;
    size_t bytes;
  };

  // Told by the watch; on the client's thread.
  class Handler final : public client::WatchHandler {
   public:
    explicit Handler(Impl* cache) : cache_(cache) {}
    Flow OnResponse(etcdserverpb::WatchResponse response) override {
      cache_->Apply(response);
      return Flow::kContinue;
    }
    void OnEnd(const client::WatchEnd& end) override { cache_->OnWatchEnd(); }

   private:
    Impl* const cache_;
  };

  static std::string MapKey(std::string_view name_space, std::string_view name) {
    return name_space.empty() ? std::string(name) : Concat(name_space, '/', name);
  }

  EntryPtr EntryOf(const mvccpb::KeyValue& kv) const {
    return MakeEntry(kind_, std::string_view(kv.key()).substr(prefix_.size()), kv.value(),
                     kv.mod_revision());
  }

  void Run() {
    absl::Duration pause = absl::Milliseconds(100);
    while (true) {
      const absl::StatusOr<int64_t> loaded = Load();
      if (loaded.ok()) {
        pause = absl::Milliseconds(100);
        Handler handler(this);
        client::WatchRequest request{.key = prefix_,
                                     .range_end = client::PrefixEnd(prefix_),
                                     .start_revision = *loaded + 1,
                                     .progress_notify = true};
        auto watcher = std::make_unique<client::Watcher>(store_->core(), request, &handler);
        mutex_.Lock();
        watcher_ = watcher.get();
        watch_ended_ = false;
        ready_ = true;
        const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
          return stopped_ || watch_ended_;
        };
        mutex_.Await(absl::Condition(&over));
        watcher_ = nullptr;
        const bool stopped = stopped_;
        mutex_.Unlock();
        watcher.reset();
        if (stopped) return;
        continue;
      }
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), pause)) return;
      pause = std::min(pause * 2, absl::Seconds(5));
    }
  }

  // Reads all there is, at one revision, in place of what the cache holds.
  absl::StatusOr<int64_t> Load() {
    constexpr int64_t kPageKeys = 1000;
    absl::btree_map<std::string, EntryPtr> entries;
    etcdserverpb::RangeRequest request;
    request.set_key(prefix_);
    request.set_range_end(client::PrefixEnd(prefix_));
    const absl::StatusOr<int64_t> revision = store_->kv().Scan(
        request, kPageKeys, [&](const etcdserverpb::RangeResponse& page) -> absl::Status {
          absl::ReaderMutexLock lock(&mutex_);
          if (stopped_) return absl::CancelledError("stopped");
          for (const mvccpb::KeyValue& kv : page.kvs()) {
            EntryPtr entry = EntryOf(kv);
            if (entry == nullptr) continue;
            std::string key = MapKey(entry->name_space, entry->name);
            entries.emplace_hint(entries.end(), std::move(key), std::move(entry));
          }
          return absl::OkStatus();
        });
    if (!revision.ok()) return revision.status();
    {
      absl::MutexLock lock(&mutex_);
      entries_ = std::move(entries);
      // A gap that no watcher may pass unseen: positions go on behind it.
      first_position_ += events_.size() + 1;
      events_.clear();
      events_bytes_ = 0;
      window_begin_ = *revision;
      revision_ = *revision;
    }
    TellSubscribers();
    return *revision;
  }

  void Apply(const etcdserverpb::WatchResponse& response) {
    {
      absl::MutexLock lock(&mutex_);
      const absl::Time now = absl::Now();
      for (const mvccpb::Event& event : response.events()) ApplyEvent(event, now);
      // A watch that is catching up gets the store's revision with events of older ones; only what
      // comes without events says that there are none up to it.
      if (response.events().empty()) {
        revision_ = std::max(revision_, response.header().revision());
      }
      Shrink(now);
    }
    TellSubscribers();
  }

  void ApplyEvent(const mvccpb::Event& event, absl::Time now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const mvccpb::KeyValue& kv = event.kv();
    if (kv.key().size() < prefix_.size()) return;
    std::string key = kv.key().substr(prefix_.size());
    const auto found = entries_.find(key);
    EntryPtr before = found == entries_.end() ? nullptr : found->second;
    CacheEvent change{.type = CacheEvent::Type::kDeleted,
                      .revision = kv.mod_revision(),
                      .now = nullptr,
                      .before = before};
    revision_ = std::max(revision_, kv.mod_revision());
    if (event.type() == mvccpb::Event::PUT) {
      change.now = EntryOf(kv);
      if (change.now == nullptr) return;
      change.type = before == nullptr ? CacheEvent::Type::kAdded : CacheEvent::Type::kModified;
      entries_[std::move(key)] = change.now;
    } else {
      if (before == nullptr) return;
      change.now = std::make_shared<Entry>(before->name_space, before->name, kv.mod_revision(),
                                           WithRevision(before->json.view(), kv.mod_revision()));
      entries_.erase(found);
    }
    const size_t bytes = change.now->json.size();
    events_bytes_ += bytes;
    events_.push_back({std::move(change), now, bytes});
  }

  void Shrink(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    while (events_.size() > options_.events_min &&
           (events_.size() > options_.events_max || events_bytes_ > options_.bytes_max ||
            events_.front().time < now - options_.age_max)) {
      window_begin_ = events_.front().event.revision;
      events_bytes_ -= events_.front().bytes;
      events_.pop_front();
      ++first_position_;
    }
  }

  void OnWatchEnd() {
    absl::MutexLock lock(&mutex_);
    watch_ended_ = true;
  }

  void TellSubscribers() {
    absl::MutexLock lock(&subscribers_mutex_);
    for (const auto& [id, on_more] : subscribers_) on_more();
  }

  client::Client* const store_;
  const api::Kind& kind_;
  const Options options_;
  const std::string prefix_;

  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool ready_ ABSL_GUARDED_BY(mutex_) = false;
  bool watch_ended_ ABSL_GUARDED_BY(mutex_) = false;
  client::Watcher* watcher_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int64_t revision_ ABSL_GUARDED_BY(mutex_) = 0;
  // Keys as in the store, without the prefix.
  absl::btree_map<std::string, EntryPtr> entries_ ABSL_GUARDED_BY(mutex_);
  std::deque<Dated> events_ ABSL_GUARDED_BY(mutex_);  // ordered by revision
  size_t events_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t first_position_ ABSL_GUARDED_BY(mutex_) = 1;  // of events_.front(); only grows
  // Changes up to this revision are not, or no longer, in events_.
  int64_t window_begin_ ABSL_GUARDED_BY(mutex_) = 0;

  absl::Mutex subscribers_mutex_ ABSL_ACQUIRED_AFTER(mutex_);
  std::map<uint64_t, std::function<void()>> subscribers_ ABSL_GUARDED_BY(subscribers_mutex_);
  uint64_t last_subscriber_ ABSL_GUARDED_BY(subscribers_mutex_) = 0;

  std::thread thread_;
};

WatchCache::WatchCache(client::Client* store, const api::Kind& kind, Options options)
    : kind_(kind), impl_(std::make_unique<Impl>(store, kind, options)) {}
WatchCache::~WatchCache() = default;

bool WatchCache::WaitFor(int64_t revision, absl::Duration timeout) {
  return impl_->WaitFor(revision, timeout);
}
bool WatchCache::ready() const { return impl_->ready(); }
int64_t WatchCache::revision() const { return impl_->revision(); }
EntryPtr WatchCache::Get(std::string_view name_space, std::string_view name) const {
  return impl_->Get(name_space, name);
}
WatchCache::Snapshot WatchCache::List(std::string_view name_space, std::string_view after,
                                      size_t limit) const {
  return impl_->List(name_space, after, limit);
}
uint64_t WatchCache::position() const { return impl_->position(); }
absl::StatusOr<uint64_t> WatchCache::PositionAfter(int64_t revision) const {
  return impl_->PositionAfter(revision);
}
absl::Status WatchCache::Read(uint64_t* position, size_t most, std::vector<CacheEvent>* events,
                              int64_t* revision) const {
  return impl_->Read(position, most, events, revision);
}
uint64_t WatchCache::Subscribe(std::function<void()> on_more) {
  return impl_->Subscribe(std::move(on_more));
}
void WatchCache::Unsubscribe(uint64_t id) { impl_->Unsubscribe(id); }
void WatchCache::RequestProgress() { impl_->RequestProgress(); }
size_t WatchCache::size() const { return impl_->size(); }

}  // namespace keelson::registry
