// What clients do by the client library: watches, leases that are kept, sessions, locks, elections.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "client/election.h"
#include "client/errors.h"
#include "client/mutex.h"
#include "client/session.h"
#include "tests/simulation/cluster/adversary.h"
#include "tests/simulation/cluster/service_steps.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

using checkers::LeaseHistory;
using checkers::WatchAnswer;

// Writes down what a watch hands out.
class WatchRecorder final : public client::WatchHandler {
 public:
  WatchRecorder(Client& client, size_t history, int64_t next)
      : client_(client), history_(history), next_(next) {}

  void OnCreated(const etcdserverpb::ResponseHeader& header) override {
    etcdserverpb::WatchResponse created;
    *created.mutable_header() = header;
    created.set_created(true);
    Record(AnswerOf(created));
  }
  Flow OnResponse(etcdserverpb::WatchResponse response) override {
    WatchAnswer answer = AnswerOf(response);
    client_.world().counters().Add(Reached::kWatchEvents, answer.events.size());
    if (answer.events.empty()) client_.world().counters().Add(Reached::kWatchBookmarks);
    Record(std::move(answer));
    paused_ = !client_.stopped() && client_.dice().Percent(5);
    return paused_ ? Flow::kPause : Flow::kContinue;
  }
  void OnEnd(const client::WatchEnd& end) override {
    ended_ = true;
    if (end.compact_revision == 0) return;
    WatchAnswer compacted;
    compacted.revision = end.response.header().revision();
    compacted.cancelled = true;
    compacted.compact_revision = end.compact_revision;
    Record(std::move(compacted));
    client_.world().counters().Add(Reached::kWatchCompacted);
  }

  bool ended() const { return ended_; }
  bool TakePaused() { return std::exchange(paused_, false); }
  int64_t next() const { return next_; }

 private:
  void Record(WatchAnswer answer) {
    next_ = ResumeAfter(answer, next_);
    client_.histories().watches[history_].streams.back().answers.push_back(std::move(answer));
  }

  Client& client_;
  const size_t history_;
  int64_t next_;
  bool ended_ = false;
  bool paused_ = false;
};

// Writes down the renewals of a lease. When one was sent is not told: after the one before was
// answered.
class RenewalRecorder final : public client::LeaseListener {
 public:
  RenewalRecorder(Client& client, LeaseHistory& lease)
      : client_(client), lease_(lease), sent_(client.now()) {}

  void OnRenewed(const etcdserverpb::LeaseKeepAliveResponse&) override {
    lease_.renewals.push_back({.sent = sent_, .answered = client_.now()});
    sent_ = client_.now();
    client_.world().counters().Add(Reached::kLeasesRenewed);
  }
  void OnLost(const absl::Status& why) override {
    lost_ = true;
    if (client::IsLeaseNotFound(why)) lease_.known_gone = client_.now();
  }
  bool lost() const { return lost_; }

 private:
  Client& client_;
  LeaseHistory& lease_;
  Time sent_;
  bool lost_ = false;
};

Coroutine<> OpenSession(Client& client, std::unique_ptr<client::Session>& session, int64_t ttl) {
  co_await client.library()->Do([&] {
    auto opened = client::Session::Open(client.library()->client(), {.ttl_seconds = ttl});
    if (opened.ok()) session = *std::move(opened);
  });
}

Coroutine<bool> SyncEndpoints(Client& client) {
  absl::Status status;
  co_await client.library()->Do([&] { status = client.library()->client().SyncEndpoints(); });
  co_return status.ok();
}

// Until when the holder of a session that has not been lost by now may count on it, whatever the
// members' clocks say.
Time HeldUntil(Client& client, int64_t ttl, Time granted) {
  const auto margin = static_cast<Time>(static_cast<double>(ttl * kSecond) * 2 * Adversary::kDrift);
  return std::max(granted, client.now() - margin);
}

}  // namespace

Coroutine<> FollowByLibrary(Client& client, Watched what, size_t history, int64_t next) {
  World& world = client.world();
  int known = world.members();
  while (true) {
    client.histories().watches[history].streams.push_back(
        {.start_revision = next, .answers = {}, .moves = true});
    WatchRecorder recorder(client, history, next);
    client::WatchRequest request;
    request.key = what.key;
    request.range_end = what.end;
    request.start_revision = next;
    request.progress_notify = true;
    request.fragment = true;
    if (what.no_puts) request.filters.push_back(etcdserverpb::WatchCreateRequest::NOPUT);
    if (what.no_deletes) request.filters.push_back(etcdserverpb::WatchCreateRequest::NODELETE);
    world.counters().Add(Reached::kWatchStreams);
    {
      client::Watcher watcher(client.library()->core(), std::move(request), &recorder);
      bool given_up = false;
      while (!recorder.ended() && !given_up) {
        co_await client.Sleep(client.dice().Skewed(kMillisecond, 2 * kSecond));
        if (recorder.TakePaused()) watcher.Resume();
        if (client.dice().Percent(10) || client.stopped()) watcher.RequestProgress();
        // It may come to know none who is there otherwise.
        if (world.members() != known && co_await SyncEndpoints(client)) known = world.members();
        given_up = !client.stopped() && client.dice().Percent(3);
      }
    }
    next = recorder.next();
    world.counters().Add(Reached::kWatchResumes);
    co_await client.Sleep(client.dice().Skewed(kMillisecond, kSecond));
  }
}

Coroutine<bool> RenewByLibrary(Client& client, LeaseHistory& lease) {
  LeaseHistory::Renewal renewal;
  renewal.sent = client.now();
  absl::Status status;
  co_await client.library()->Do(
      [&] { status = client.library()->client().lease().KeepAliveOnce(lease.id).status(); });
  renewal.answered = client.now();
  if (client::IsLeaseNotFound(status)) {
    lease.known_gone = client.now();
    co_return false;
  }
  if (status.ok()) {
    client.world().counters().Add(Reached::kLeasesRenewed);
  } else {
    renewal.sent = 0;  // it may have been renewed, so it may live longer; nothing says that it does
  }
  lease.renewals.push_back(renewal);
  co_return true;
}

Coroutine<bool> KeepByLibrary(Client& client, LeaseHistory& lease, Time time) {
  const Time until = client.now() + time;
  {
    RenewalRecorder recorder(client, lease);
    client::LeaseKeeper keeper(client.library()->core(), lease.id, &recorder);
    while (client.now() < until && !client.stopped() && !recorder.lost()) {
      co_await client.Sleep(client.dice().Between(kSecond / 20, kSecond / 2));
    }
  }
  // One may be on its way.
  lease.renewals.push_back({.sent = 0, .answered = client.now() + kSecond});
  co_return lease.known_gone == checkers::kNever;
}

Coroutine<> LockByLibrary(Client& client) {
  const int64_t ttl = client.dice().Between(2, 6);
  std::unique_ptr<client::Session> session;
  co_await OpenSession(client, session, ttl);
  if (session == nullptr) co_return;
  checkers::Ownership ownership;
  ownership.client = client.number();
  ownership.asked = client.now();
  client::Mutex mutex(*session, "lock/l");
  absl::Status status;
  co_await client.library()->Do([&] { status = mutex.Lock(absl::Seconds(8)); });
  if (!status.ok()) co_return;
  ownership.granted = ownership.until = client.now();
  ownership.token = mutex.token();
  client.histories().lock_grants.push_back(
      {client.number(), mutex.key(), mutex.header().revision()});
  client.world().counters().Add(Reached::kLocksGranted);
  client.world().counters().Add(Reached::kLibraryLocks);
  // Cut off, it must let go in time: somebody else gets the lock when its lease has ended.
  if (client.dice().Percent(30)) {
    const Time alone = client.dice().Between(ttl, 3 * ttl) * kSecond;
    client.world().SetAlone(&client, true);
    for (const Time end = client.now() + alone; client.now() < end && client.world().faulty;) {
      co_await client.Sleep(kSecond / 5);
      if (!session->status().ok()) break;
      ownership.until = HeldUntil(client, ttl, ownership.granted);
    }
    client.world().SetAlone(&client, false);
    client.world().counters().Add(Reached::kHoldersAlone);
  }
  for (uint64_t n = client.dice().Below(4); n > 0; --n) {
    if (!co_await RaiseCounter(client, mutex.key(), ownership.token)) break;
    co_await client.Sleep(client.dice().Skewed(kMillisecond, 2 * kSecond));
    if (session->status().ok()) ownership.until = HeldUntil(client, ttl, ownership.granted);
  }
  client.histories().locks.push_back(ownership);
  if (client.dice().Percent(20)) co_return;  // its lease ends it
  co_await client.library()->Do(
      [&] { status = client.dice().Percent(70) ? mutex.Unlock() : session->Close(); });
}

Coroutine<> CampaignByLibrary(Client& client) {
  const int64_t ttl = client.dice().Between(2, 6);
  std::unique_ptr<client::Session> session;
  co_await OpenSession(client, session, ttl);
  if (session == nullptr) co_return;
  checkers::Ownership term;
  term.client = client.number();
  term.asked = client.now();
  client::Election election(*session, "election/e");
  const std::string value = client.Unique();
  absl::Status status;
  co_await client.library()->Do([&] { status = election.Campaign(value, absl::Seconds(8)); });
  if (!status.ok()) co_return;
  term.granted = term.until = client.now();
  term.token = election.token();
  client.world().counters().Add(Reached::kElectionsWon);
  co_await client.Sleep(client.dice().Skewed(kMillisecond, 2 * kSecond));
  if (session->status().ok()) term.until = HeldUntil(client, ttl, term.granted);
  client.histories().terms.push_back(term);
  if (client.dice().Percent(30)) co_return;
  co_await client.library()->Do([&] { status = election.Resign(); });
}

Coroutine<> ObserveByLibrary(Client& client) {
  client::LeaderObserver observer(client.library()->client(), "election/e");
  const size_t at = client.histories().observations.size();
  client.histories().observations.push_back({.client = client.number(), .tokens = {}});
  const auto over = std::make_shared<bool>(false);
  client.world().scheduler().After(client.dice().Between(kSecond, 20 * kSecond), [over, &observer] {
    if (!*over) observer.Cancel();
  });
  co_await client.library()->Do([&] {
    while (true) {
      const auto next = observer.Next();
      if (!next.ok()) break;
      client.histories().observations[at].tokens.push_back(next->kvs(0).create_revision());
    }
    *over = true;
  });
}

}  // namespace keelson::simulation
