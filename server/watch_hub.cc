#include "server/watch_hub.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/planted_bug.h"
#include "server/proto_writer.h"

namespace keelson::server {
namespace {

using etcdserverpb::WatchCreateRequest;
using etcdserverpb::WatchResponse;

constexpr int64_t kNoWatchId = -1;
constexpr int kEventsField = 11;  // of WatchResponse

// mvccpb.Event as one element of WatchResponse.events.
SharedBytes EncodeEvent(const storage::StoredEvent& event, std::string_view previous) {
  std::string encoded;
  encoded.reserve(event.kv.size() + previous.size() + 16);
  ProtoWriter writer(&encoded);
  writer.Uint(1, event.kind == storage::EventKind::kDelete ? 1 : 0);
  writer.Message(2, event.kv.view());
  if (!previous.empty()) writer.Message(3, previous);
  std::string element;
  element.reserve(encoded.size() + 8);
  ProtoWriter(&element).Message(kEventsField, encoded);
  return SharedBytes(std::move(element));
}

ByteChain Encode(const WatchResponse& response) { return ByteChain(response.SerializeAsString()); }

}  // namespace

struct WatchHub::Watcher {
  Stream* stream;
  uint64_t number;  // in the order of creation
  int64_t id;
  std::string begin, end;
  storage::KeyRange range;  // views into begin and end
  bool with_previous;
  bool fragment;
  bool progress_notify;
  bool drop_puts;
  bool drop_deletes;
  Revision next;  // the first revision it has not been given
  bool synced = false;
  bool idle = true;                       // nothing sent since the last progress interval
  std::vector<SharedBytes> events;        // collected, not sent
  std::vector<Revision> event_revisions;  // of `events`, for fragments
};

// An event on its way to several watchers; what they share is made once.
struct WatchHub::SharedEvent {
  const storage::StoredEvent& event;
  const storage::Store& store;
  SharedBytes plain;
  SharedBytes with_previous;

  const SharedBytes& Encoded(bool want_previous) {
    if (want_previous && event.previous) {
      if (with_previous.empty()) {
        // Absent when compaction took it meanwhile, as in etcd.
        auto previous = store.Version(event.key, Previous());
        with_previous = EncodeEvent(event, previous.ok() ? previous->view() : std::string_view());
      }
      return with_previous;
    }
    if (plain.empty()) plain = EncodeEvent(event, {});
    return plain;
  }

  // As in etcd, what was there before the whole revision; a txn can put a key and delete it again.
  Revision Previous() const {
    if (event.previous < event.revision) return event.previous;
    const auto before = store.Find(event.key, event.revision - 1);
    return before.ok() && before->has_value() ? (*before)->mod_revision : Revision();
  }
};

WatchHub::WatchHub(WatchHubOptions options, storage::Store* store, Executor* executor,
                   Random* random, std::function<Header()> header)
    : options_(options),
      store_(store),
      executor_(executor),
      header_(std::move(header)),
      alive_(std::make_shared<int>()),
      revision_(store->revision()),
      progress_timer_(executor->NewTimer()) {
  // Up to a tenth later, so that the streams of a cluster do not beat together (etcd).
  const double jitter = static_cast<double>(random->Below(1000)) / 10000;
  progress_timer_->Arm(options_.progress_interval * (1 + jitter), [this] { OnProgressTimer(); });
}

WatchHub::~WatchHub() = default;

std::unique_ptr<WatchHub::Stream> WatchHub::Open(WatchSink* sink) {
  std::unique_ptr<Stream> stream(new Stream(this, sink, ++last_number_));
  streams_.emplace(stream->number_, stream.get());
  return stream;
}

// -------------------------------------------------------------------------------------------
// stream

WatchHub::Stream::Stream(WatchHub* hub, WatchSink* sink, uint64_t number)
    : hub_(hub), sink_(sink), number_(number) {}

WatchHub::Stream::~Stream() {
  for (auto& [id, watcher] : watchers_) hub_->Remove(watcher.get());
  hub_->streams_.erase(number_);
}

void WatchHub::Stream::Refuse(std::string reason) {
  WatchResponse response;
  FillHeader(hub_->CurrentHeader(), response.mutable_header());
  response.set_watch_id(kNoWatchId);
  response.set_created(true);
  response.set_canceled(true);
  response.set_cancel_reason(std::move(reason));
  sink_->Send(Encode(response));
}

void WatchHub::Stream::Create(const WatchCreateRequest& request) {
  const std::string_view key = request.key().empty() ? std::string_view("\0", 1) : request.key();
  const storage::KeyRange wire = storage::KeyRange::FromWire(key, request.range_end());
  if (!wire.single() && !wire.open_end && wire.end <= wire.begin) {
    return Refuse("mvcc: watcher range is empty");
  }
  if (request.start_revision() < 0) {
    return Refuse("etcdserver: mvcc: required revision has been compacted");
  }
  int64_t id = request.watch_id();
  if (id == 0) {
    while (watchers_.contains(next_id_)) ++next_id_;
    id = next_id_++;
  } else if (watchers_.contains(id)) {
    return Refuse("mvcc: duplicate watch ID provided on the WatchStream");
  }

  auto owned = std::make_unique<Watcher>();
  Watcher* watcher = owned.get();
  watcher->stream = this;
  watcher->number = ++hub_->last_number_;
  watcher->id = id;
  watcher->begin = std::string(wire.begin);
  watcher->end = std::string(wire.end);
  watcher->range = {watcher->begin, watcher->end, wire.open_end};
  watcher->with_previous = request.prev_kv();
  watcher->fragment = request.fragment();
  watcher->progress_notify = request.progress_notify();
  const auto filters = request.filters();
  watcher->drop_puts =
      std::find(filters.begin(), filters.end(), WatchCreateRequest::NOPUT) != filters.end();
  watcher->drop_deletes =
      std::find(filters.begin(), filters.end(), WatchCreateRequest::NODELETE) != filters.end();
  const Revision current = hub_->revision_;
  watcher->next = request.start_revision() > 0 ? Revision(request.start_revision()) : current + 1;
  watchers_.emplace(id, std::move(owned));
  ++hub_->watcher_count_;

  WatchResponse created;
  FillHeader(hub_->CurrentHeader(), created.mutable_header());
  created.set_watch_id(id);
  created.set_created(true);
  sink_->Send(Encode(created));
  if (watcher->next > current) {
    hub_->MakeSynced(watcher);
  } else {
    hub_->MakeLag(watcher);
  }
}

void WatchHub::Stream::Cancel(int64_t watch_id) {
  const auto it = watchers_.find(watch_id);
  if (it == watchers_.end()) return;
  hub_->Remove(it->second.get());
  watchers_.erase(it);
  WatchResponse response;
  FillHeader(hub_->CurrentHeader(), response.mutable_header());
  response.set_watch_id(watch_id);
  response.set_canceled(true);
  sink_->Send(Encode(response));
}

void WatchHub::Stream::RequestProgress() {
  const Revision current = hub_->revision_;
  if (watchers_.empty()) return;
  for (const auto& [id, watcher] : watchers_) {
    if (!watcher->synced && !KV_PLANTED("progress-before-synced")) return;
    if (watcher->next > current + 1 && !KV_PLANTED("progress-before-start")) return;
  }
  WatchResponse response;
  FillHeader(hub_->CurrentHeader(), response.mutable_header());
  response.set_watch_id(kNoWatchId);
  sink_->Send(Encode(response));
}

void WatchHub::Stream::OnWritable() {
  for (auto& [id, watcher] : watchers_) {
    if (watcher->synced || KV_PLANTED("watch-stranded-when-slow")) continue;
    hub_->lagging_.try_emplace({watcher->next, watcher->number}, watcher.get());
  }
  hub_->ScheduleCatchUp();
}

// ----------------------------------------------------------------------------------------------
// hub

void WatchHub::Remove(Watcher* watcher) {
  if (watcher->synced) {
    synced_.Remove(watcher->range, watcher);
  } else {
    lagging_.erase({watcher->next, watcher->number});
  }
  std::erase(touched_, watcher);
  --watcher_count_;
}

void WatchHub::MakeLag(Watcher* watcher) {
  if (watcher->synced) {
    synced_.Remove(watcher->range, watcher);
    watcher->synced = false;
  }
  if (!watcher->stream->sink_->writable()) return;  // OnWritable brings it back
  lagging_.try_emplace({watcher->next, watcher->number}, watcher);
  ScheduleCatchUp();
}

void WatchHub::MakeSynced(Watcher* watcher) {
  watcher->synced = true;
  synced_.Add(watcher->range, watcher);
}

void WatchHub::Collect(Watcher* watcher, SharedEvent& event) {
  if (event.event.revision < watcher->next && !KV_PLANTED("future-watch-gets-old")) return;
  if (event.event.kind == storage::EventKind::kPut ? watcher->drop_puts : watcher->drop_deletes) {
    return;
  }
  if (watcher->events.empty()) touched_.push_back(watcher);
  ++collected_;
  watcher->events.push_back(event.Encoded(watcher->with_previous));
  watcher->event_revisions.push_back(event.event.revision);
}

Header WatchHub::CurrentHeader() const {
  Header header = header_();
  header.revision = revision_;
  return header;
}

void WatchHub::DropCollected(Watcher* watcher) {
  watcher->events.clear();
  watcher->event_revisions.clear();
}

void WatchHub::OnEvents(absl::Span<const storage::StoredEvent> events, Revision revision) {
  Revision last;
  for (const storage::StoredEvent& event : events) {
    if (synced_.empty()) break;
    // A revision is sent whole.
    const bool split = KV_PLANTED("watch-revision-cut") && collected_ > 0;
    if (split || (collected_ >= options_.collected_max && event.revision != last)) {
      revision_ = last;
      DeliverTouched(last);
    }
    last = event.revision;
    SharedEvent shared{event, *store_, {}, {}};
    synced_.ForEach(event.key, [&](Watcher* watcher) { Collect(watcher, shared); });
  }
  revision_ = revision;
  DeliverTouched(last);
}

void WatchHub::DeliverTouched(Revision last) {
  collected_ = 0;
  for (Watcher* watcher : std::exchange(touched_, {})) {
    if (watcher->stream->sink_->writable()) {
      Deliver(watcher, last);
    } else {
      // What was collected is read again from the store when the client reads on.
      watcher->next =
          std::max(watcher->next,
                   KV_PLANTED("watch-slow-loses") ? last + 1 : watcher->event_revisions.front());
      DropCollected(watcher);
      MakeLag(watcher);
    }
  }
}

// Sends what was collected; everything up to `last` has then been given to the watcher.
void WatchHub::Deliver(Watcher* watcher, Revision last) {
  KV_FAILPOINT(beforeSendWatchResponse);
  Header header = CurrentHeader();
  header.revision = std::max(header.revision, last);
  size_t i = 0;
  const size_t count = watcher->events.size();
  events_sent_ += count;
  while (i < count) {
    size_t bytes = watcher->events[i].size();
    size_t end = i + 1;
    while (end < count &&
           (!watcher->fragment || bytes + watcher->events[end].size() <= options_.fragment_bytes)) {
      bytes += watcher->events[end++].size();
    }
    std::string head;
    AppendHeader(header, head);
    ProtoWriter writer(&head);
    writer.Int(2, watcher->id);
    writer.Bool(7, end < count);
    ByteChain response(std::move(head));
    for (; i < end; ++i) response.Append(std::move(watcher->events[i]));
    watcher->stream->sink_->Send(std::move(response));
  }
  watcher->events.clear();
  watcher->event_revisions.clear();
  watcher->next = std::max(watcher->next, last + 1);
  watcher->idle = false;
}

void WatchHub::ScheduleCatchUp() {
  if (catch_up_scheduled_ || lagging_.empty()) return;
  catch_up_scheduled_ = true;
  executor_->Post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    catch_up_scheduled_ = false;
    CatchUp();
  });
}

// One piece of history, from the revision that the last of the laggards needs; all laggards that
// need something of the piece take part in the same scan. The loop goes on between pieces.
void WatchHub::CatchUp() {
  KV_FAILPOINT(beforeSyncWatchers);
  while (!lagging_.empty() && lagging_.begin()->first.first < store_->compacted()) {
    Watcher* const watcher = lagging_.begin()->second;
    if (KV_PLANTED("watch-compaction-unsaid")) {
      lagging_.erase(lagging_.begin());
      watcher->next = store_->compacted();
      MakeLag(watcher);
      continue;
    }
    CancelCompacted(watcher);
  }
  if (lagging_.empty()) return;
  const Revision first = lagging_.begin()->first.first;
  const Revision current = revision_;
  KeyMatcher<Watcher*> matcher;
  std::vector<Watcher*> pass;
  for (const auto& [place, watcher] : lagging_) {
    if (place.first - first >= options_.catch_up_revisions ||
        pass.size() == options_.catch_up_watchers) {
      break;
    }
    pass.push_back(watcher);
    matcher.Add(watcher->range, watcher);
  }
  Revision end = current + 1;
  if (first <= current) {
    auto scanned = store_->Events(
        first, current, options_.catch_up_bytes, options_.catch_up_revisions,
        [&](storage::StoredEvent event) {
          SharedEvent shared{event, *store_, {}, {}};
          matcher.ForEach(event.key, [&](Watcher* watcher) { Collect(watcher, shared); });
        });
    if (!scanned.ok()) {
      // Compacted between the check and the scan cannot be on one thread; an unreadable store stops
      // the member on its next write. Leave the laggards where they are.
      touched_.clear();
      collected_ = 0;
      for (Watcher* watcher : pass) DropCollected(watcher);
      return;
    }
    end = *scanned;
  }
  touched_.clear();
  collected_ = 0;
  for (Watcher* watcher : pass) {
    lagging_.erase({watcher->next, watcher->number});
    if (!watcher->stream->sink_->writable()) {
      DropCollected(watcher);
      MakeLag(watcher);
      continue;
    }
    if (!watcher->events.empty()) Deliver(watcher, end - 1);
    watcher->next = std::max(watcher->next, end);
    if (watcher->next > current) {
      MakeSynced(watcher);
    } else {
      MakeLag(watcher);
    }
  }
  ScheduleCatchUp();
}

void WatchHub::CancelCompacted(Watcher* watcher) {
  WatchResponse response;
  FillHeader(CurrentHeader(), response.mutable_header());
  response.mutable_header()->set_revision(0);
  response.set_watch_id(watcher->id);
  response.set_canceled(true);
  response.set_compact_revision(store_->compacted().value());
  Stream* const stream = watcher->stream;
  stream->sink_->Send(Encode(response));
  Remove(watcher);
  stream->watchers_.erase(watcher->id);
}

void WatchHub::OnStoreReplaced() {
  const Revision told = std::exchange(revision_, store_->revision());
  for (const auto& [number, stream] : streams_) {
    for (const auto& [id, watcher] : stream->watchers_) {
      DropCollected(watcher.get());
      // That of a synced one stands still as long as nothing concerns it. What it was told of is
      // behind it, also when it is compacted now.
      if (watcher->synced && !KV_PLANTED("watch-position-kept")) {
        watcher->next = std::max(watcher->next, told + 1);
      }
      if (KV_PLANTED("watch-replayed-after-snapshot") && watcher->synced) {
        MakeLag(watcher.get());
        lagging_.erase({watcher->next, watcher->number});
        watcher->next = store_->compacted() + 1;
        MakeLag(watcher.get());
      }
      if (watcher->synced && watcher->next <= revision_) MakeLag(watcher.get());
    }
  }
  touched_.clear();
  ScheduleCatchUp();
}

void WatchHub::OnProgressTimer() {
  for (const auto& [number, stream] : streams_) {
    for (auto& [id, watcher] : stream->watchers_) {
      const bool idle = std::exchange(watcher->idle, true);
      if (!watcher->progress_notify || !idle || !watcher->synced || watcher->next > revision_ + 1 ||
          !stream->sink_->writable()) {
        continue;
      }
      WatchResponse response;
      FillHeader(CurrentHeader(), response.mutable_header());
      response.set_watch_id(id);
      stream->sink_->Send(Encode(response));
    }
  }
  progress_timer_->Arm(options_.progress_interval, [this] { OnProgressTimer(); });
}

}  // namespace keelson::server
