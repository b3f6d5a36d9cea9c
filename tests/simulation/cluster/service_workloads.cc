// Workloads of watches, leases, locks, elections and objects.
#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/etcd/election.pb.h"
#include "proto/etcd/lock.pb.h"
#include "tests/simulation/cluster/adversary.h"
#include "tests/simulation/cluster/service_steps.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

using checkers::KvOperation;
using checkers::LeaseHistory;
using checkers::Outcome;
using checkers::WatchAnswer;

constexpr char kCounter[] = "fence/counter";

}  // namespace

WatchAnswer AnswerOf(const etcdserverpb::WatchResponse& response) {
  WatchAnswer answer;
  answer.revision = response.header().revision();
  answer.created = response.created();
  answer.cancelled = response.canceled();
  answer.compact_revision = response.compact_revision();
  answer.fragment = response.fragment();
  for (const mvccpb::Event& event : response.events()) {
    answer.events.push_back({event.type() == mvccpb::Event::DELETE, ToKeyVersion(event.kv())});
  }
  return answer;
}

Watched DrawWatched(Dice& dice) {
  const std::string all(1, '\0');
  static const std::vector<std::pair<std::string, std::string>> kRanges = {
      {"r", "s"}, {"r0", ""}, {"list/", "list0"}, {"lease/", "lease0"}, {"bank/", "bank0"}};
  Watched watched{all, all};
  if (dice.Percent(60)) {
    const auto& [key, end] = dice.Pick(kRanges);
    watched.key = key;
    watched.end = end;
  }
  watched.no_puts = dice.Percent(10);
  watched.no_deletes = !watched.no_puts && dice.Percent(10);
  return watched;
}

int64_t ResumeAfter(const WatchAnswer& answer, int64_t next) {
  if (answer.cancelled) return std::max(next, answer.compact_revision);
  if (answer.created) return next > 0 ? next : answer.revision + 1;
  if (!answer.events.empty()) {
    const int64_t last = answer.events.back().kv.mod_revision;
    return std::max(next, answer.fragment ? last : last + 1);
  }
  return std::max(next, answer.revision + 1);
}

Coroutine<bool> RaiseCounter(Client& client, std::string lock_key, int64_t token) {
  const KvOperation get = co_await client.Get(kCounter);
  if (get.outcome != Outcome::kOk) co_return true;
  checkers::GuardedUpdate update;
  update.client = client.number();
  update.token = token;
  if (!get.responses[0].kvs.empty()) {
    update.read = std::strtoll(get.responses[0].kvs[0].value.c_str(), nullptr, 10);
  }
  update.written = update.read + 1;
  KvOperation txn;
  checkers::Comparison fence;
  fence.key = lock_key;
  fence.target = checkers::Comparison::Target::kCreate;
  fence.number = token;
  txn.compare.push_back(fence);
  checkers::Request put;
  put.kind = checkers::Request::Kind::kPut;
  put.key = kCounter;
  // The token makes it known in the store's history, whatever becomes of the answer.
  put.value = absl::StrCat(update.written, " ", update.read, " ", token, " ", client.number());
  txn.success.push_back(put);
  txn = co_await client.Run(std::move(txn));
  if (txn.outcome == Outcome::kOk && txn.succeeded) {
    client.world().counters().Add(Reached::kFencedUpdates);
  }
  co_return txn.outcome != Outcome::kUnknown;
}

namespace {

// A stream as a client sees it.
struct Stream {
  std::shared_ptr<SimulatedCall> call;
  std::deque<std::string> messages;
  bool over = false;
  Future<bool> changed;
};

std::shared_ptr<Stream> OpenStream(Client& client, int member, const std::string& method,
                                   std::string request) {
  auto stream = std::make_shared<Stream>();
  stream->call = client.world().NewCall(member, method, client.caller());
  const std::weak_ptr<Stream> weak = stream;
  stream->call->on_message = [weak](std::string message) {
    const auto of = weak.lock();
    if (!of) return;
    of->messages.push_back(std::move(message));
    of->changed.Set(true);
  };
  stream->call->on_end = [weak, &client](const absl::Status& status) {
    client.OnEnd(status);
    const auto of = weak.lock();
    if (!of) return;
    of->over = true;
    of->changed.Set(true);
  };
  client.world().Call(stream->call, member, std::move(request));
  return stream;
}

std::shared_ptr<Stream> OpenStream(Client& client, const std::string& method, std::string request) {
  return OpenStream(client, client.member(), method, std::move(request));
}

// The next message; nullopt: none came in time, or the stream is over.
Coroutine<std::optional<std::string>> Next(Client& client, std::shared_ptr<Stream> stream,
                                           Time timeout) {
  if (stream->messages.empty() && !stream->over) {
    Future<bool> changed;
    stream->changed = changed;
    client.world().scheduler().After(timeout, [changed] { changed.Set(false); });
    co_await changed;
  }
  if (stream->messages.empty()) co_return std::nullopt;
  std::string message = std::move(stream->messages.front());
  stream->messages.pop_front();
  co_return message;
}

// It was cancelled for who has asked, and not for a compaction.
bool IsRefusal(Client& client, const etcdserverpb::WatchResponse& response) {
  if (!response.canceled() || response.compact_revision() > 0 || client.user().empty())
    return false;
  client.OnEnd(absl::UnauthenticatedError(response.cancel_reason()));
  return true;
}

std::shared_ptr<Stream> OpenWatch(Client& client, int member, const Watched& what, int64_t start) {
  auto stream = OpenStream(client, member, "/etcdserverpb.Watch/Watch", "");
  etcdserverpb::WatchRequest request;
  auto* const create = request.mutable_create_request();
  create->set_key(what.key);
  create->set_range_end(what.end);
  create->set_start_revision(start);
  create->set_progress_notify(true);
  create->set_fragment(true);
  if (what.no_puts) create->add_filters(etcdserverpb::WatchCreateRequest::NOPUT);
  if (what.no_deletes) create->add_filters(etcdserverpb::WatchCreateRequest::NODELETE);
  // Behind the call itself.
  client.world().scheduler().After(
      client.world().options().network_max + kMillisecond,
      [call = stream->call, bytes = request.SerializeAsString()] { call->ClientSend(bytes); });
  client.world().counters().Add(Reached::kWatchStreams);
  return stream;
}

void AskProgress(const std::shared_ptr<Stream>& stream) {
  etcdserverpb::WatchRequest request;
  request.mutable_progress_request();
  stream->call->ClientSend(request.SerializeAsString());
}

enum class Patience { kOrdinary, kEndless };

// Listens until the stream ends, or breaks it off. A watcher that has seen only a part of a
// revision goes on with the whole of it.
Coroutine<int64_t> FollowStream(Client& client, std::shared_ptr<Stream> stream, size_t history,
                                int64_t next, Patience patience) {
  World& world = client.world();
  auto& answers = client.histories().watches[history].streams.back().answers;
  const bool patient = patience == Patience::kEndless;
  while (!stream->over || !stream->messages.empty()) {
    const bool listens = patient && !answers.empty();
    const std::optional<std::string> message =
        co_await Next(client, stream, listens ? kSecond / 2 : 3 * kSecond);
    const bool ending = client.stopped();
    const bool calm = ending || patient;  // it stays with its stream
    if (!message) {
      // Nothing is heard of it: the connection may be gone. (After a while a client gives up.)
      if (answers.empty() || (!calm && client.dice().Percent(30))) break;
      AskProgress(stream);
      continue;
    }
    etcdserverpb::WatchResponse response;
    if (!response.ParseFromString(*message)) {
      world.Broken("an answer can be parsed");
      break;
    }
    if (IsRefusal(client, response)) break;
    WatchAnswer answer = AnswerOf(response);
    world.counters().Add(Reached::kWatchEvents, answer.events.size());
    if (answer.events.empty() && !answer.created && !answer.cancelled) {
      world.counters().Add(Reached::kWatchBookmarks);
    }
    next = ResumeAfter(answer, next);
    const bool cancelled = answer.cancelled;
    answers.push_back(std::move(answer));
    if (cancelled) {
      world.counters().Add(Reached::kWatchCompacted);
      break;
    }
    if (ending) continue;
    if (!calm && client.dice().Percent(3)) break;
    if (client.dice().Percent(10)) AskProgress(stream);
    if (client.dice().Percent(5)) {
      stream->call->SetReading(false);
      const Time longest = world.options().has(Feature::k_overload) ? 20 * kSecond : 3 * kSecond;
      const Time left = std::max<Time>(client.stops() - client.now(), kMillisecond);
      co_await client.Sleep(std::min(client.dice().Skewed(kMillisecond, longest), left));
      stream->call->SetReading(true);
    }
  }
  stream->call->ClientCancel();
  co_return next;
}

etcdserverpb::LeaseGrantRequest GrantOf(int64_t id, int64_t ttl) {
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_id(id);
  grant.set_ttl(ttl);
  return grant;
}

// A lease of `ttl` seconds; an id of 0: it is not known to be there.
Coroutine<LeaseHistory> Grant(Client& client, int64_t ttl) {
  LeaseHistory lease;
  LeaseHistory::Renewal renewal;
  renewal.sent = client.now();
  const auto id = static_cast<int64_t>(client.dice().Next() >> 2) + 1;
  const etcdserverpb::LeaseGrantRequest request = GrantOf(id, ttl);
  CallResult result = co_await client.Call("/etcdserverpb.Lease/LeaseGrant", request);
  etcdserverpb::LeaseGrantResponse response;
  if (!result.status.ok() || !response.ParseFromString(result.body)) co_return lease;
  renewal.answered = client.now();
  lease.id = response.id();
  lease.ttl = response.ttl() * kSecond;
  lease.renewals.push_back(renewal);
  co_return lease;
}

// One renewal, by a stream of its own. False: the lease is gone.
Coroutine<bool> Renew(Client& client, LeaseHistory& lease, Time patience = 4 * kSecond) {
  if (client.library() != nullptr) co_return co_await RenewByLibrary(client, lease);
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease.id);
  auto stream = OpenStream(client, "/etcdserverpb.Lease/LeaseKeepAlive", "");
  co_await client.Sleep(client.world().options().network_max + kMillisecond);
  LeaseHistory::Renewal renewal;
  renewal.sent = client.now();
  stream->call->ClientSend(request.SerializeAsString());
  const std::optional<std::string> message = co_await Next(client, stream, patience);
  stream->call->ClientCancel();
  renewal.answered = client.now();
  etcdserverpb::LeaseKeepAliveResponse response;
  if (!message || !response.ParseFromString(*message)) {
    // It may have been renewed, so it may live longer; nothing says that it does.
    renewal.sent = 0;
    lease.renewals.push_back(renewal);
    co_return true;
  }
  if (response.ttl() <= 0) {
    lease.known_gone = client.now();
    co_return false;
  }
  client.world().counters().Add(Reached::kLeasesRenewed);
  lease.renewals.push_back(renewal);
  co_return true;
}

// Waits until the key, which is attached to the lease, is gone.
Coroutine<> AwaitEnd(Client& client, LeaseHistory& lease, std::string key) {
  while (!client.stopped() && lease.known_gone == checkers::kNever) {
    const KvOperation get = co_await client.Get(key);
    if (get.outcome == Outcome::kOk) {
      if (get.responses[0].kvs.empty()) {
        lease.known_gone = get.returned;
        client.world().counters().Add(Reached::kLeasesExpired);
      } else {
        lease.watched_until = get.invoked;
      }
    }
    co_await client.Sleep(200 * kMillisecond);
  }
  if (lease.known_gone != checkers::kNever) lease.watched_until = lease.known_gone;
}

// Until when a lease is certain to live, for its holder.
Time ProvenUntil(const LeaseHistory& lease) {
  Time sent = 0;
  for (const auto& renewal : lease.renewals) sent = std::max(sent, renewal.sent);
  return sent + static_cast<Time>(static_cast<double>(lease.ttl) / (1 + 2 * Adversary::kDrift));
}

void ApplyToCache(const WatchAnswer& answer, ObjectCache& cache) {
  for (const checkers::Change& change : answer.events) {
    if (change.deleted) {
      cache.objects.erase(change.kv.key);
    } else {
      cache.objects[change.kv.key] = change.kv;
    }
    cache.revision = std::max(cache.revision, change.kv.mod_revision);
  }
  if (answer.events.empty() && !answer.created) {
    cache.revision = std::max(cache.revision, answer.revision);
  }
}

Coroutine<> ChangeObject(Client& client, size_t cache) {
  const std::string key = absl::StrCat("obj/", client.dice().Below(6));
  const auto& objects = client.histories().caches[cache].objects;
  const auto found = objects.find(key);
  KvOperation txn;
  checkers::Comparison unchanged;
  unchanged.key = key;
  unchanged.number = found == objects.end() ? 0 : found->second.mod_revision;
  txn.compare.push_back(unchanged);
  checkers::Request change;
  change.key = key;
  change.kind = found != objects.end() && client.dice().Percent(20)
                    ? checkers::Request::Kind::kDelete
                    : checkers::Request::Kind::kPut;
  if (change.kind == checkers::Request::Kind::kPut) change.value = client.Unique();
  txn.success.push_back(change);
  checkers::Request look;
  look.key = key;
  txn.failure.push_back(look);
  txn = co_await client.Run(std::move(txn));
  if (txn.outcome == Outcome::kOk && txn.succeeded) {
    client.world().counters().Add(Reached::kObjectsUpdated);
  }
}

// Listens to the objects and changes some, until the stream breaks. False: it has to list again.
Coroutine<bool> FollowObjects(Client& client, size_t cache) {
  Watched what{client.histories().caches[cache].prefix, client.histories().caches[cache].end};
  auto stream =
      OpenWatch(client, client.member(), what, client.histories().caches[cache].revision + 1);
  bool known = true;
  while (known && (!stream->over || !stream->messages.empty())) {
    const std::optional<std::string> message =
        co_await Next(client, stream, client.dice().Between(kSecond / 20, kSecond));
    if (message) {
      etcdserverpb::WatchResponse response;
      if (!response.ParseFromString(*message)) break;
      if (IsRefusal(client, response)) break;
      const WatchAnswer answer = AnswerOf(response);
      known = !answer.cancelled;
      if (known) ApplyToCache(answer, client.histories().caches[cache]);
    } else if (!client.stopped()) {
      co_await ChangeObject(client, cache);
      if (client.dice().Percent(5)) break;
    } else if (client.dice().Percent(10)) {
      AskProgress(stream);
    }
  }
  stream->call->ClientCancel();
  co_return known;
}

}  // namespace

namespace {

// At `home` as long as that is a member; 0: here and there.
Coroutine<> WatchFrom(Client& client, int home) {
  const Watched what = DrawWatched(client.dice());
  const size_t history = client.histories().watches.size();
  checkers::WatchHistory& watch = client.histories().watches.emplace_back();
  watch.client = client.number();
  watch.key = what.key;
  watch.end = what.end;
  watch.no_puts = what.no_puts;
  watch.no_deletes = what.no_deletes;
  int64_t next = client.dice().Percent(40) ? 0 : client.dice().Skewed(1, 100);
  if (client.library() != nullptr) co_await FollowByLibrary(client, what, history, next);
  // It does not end with the others: it is to see all there was.
  while (true) {
    co_await client.LogInIfDue();
    checkers::WatchStream& begun = client.histories().watches[history].streams.emplace_back();
    begun.start_revision = next;
    const bool at_home = home != 0 && !client.world().removed(home);
    auto stream = OpenWatch(client, at_home ? home : client.member(), what, next);
    next = co_await FollowStream(client, stream, history, next,
                                 at_home ? Patience::kEndless : Patience::kOrdinary);
    client.world().counters().Add(Reached::kWatchResumes);
    co_await client.Sleep(client.dice().Skewed(kMillisecond, kSecond));
    client.ChooseMember();
  }
}

// Whether it lives is asked in one way or the other. False: it does not.
Coroutine<bool> AskRemaining(Client& client, LeaseHistory& lease) {
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(lease.id);
  const CallResult result = co_await client.Call("/etcdserverpb.Lease/LeaseTimeToLive", request);
  etcdserverpb::LeaseTimeToLiveResponse response;
  if (!result.status.ok() || !response.ParseFromString(result.body) || response.ttl() >= 0) {
    co_return true;
  }
  lease.known_gone = client.now();
  co_return false;
}

// Asks for a lease that was granted a moment ago, or does not. False: it is gone.
Coroutine<bool> IsThere(Client& client, LeaseHistory& lease) {
  const bool curious = client.world().options().has(Feature::k_stalled_grants);
  if (!curious && !client.dice().Percent(30)) co_return true;
  if (curious && client.dice().Percent(40)) co_return co_await AskRemaining(client, lease);
  co_return co_await Renew(client, lease);
}

Time PauseBeforeRenewal(Client& client, const LeaseHistory& lease) {
  const Time late = lease.ttl + client.dice().Between(-200, 300) * kMillisecond;
  return client.dice().Percent(20) ? late : client.dice().Between(kSecond / 5, 2 * kSecond);
}

// Renews the lease some times, from 0 to many. False: it is gone.
Coroutine<bool> Keep(Client& client, LeaseHistory& lease) {
  // Often, and soon at another member when one does not answer.
  const bool eager =
      client.world().options().has(Feature::k_sleeping_leaders) && client.dice().Percent(60);
  uint64_t renewals = 60;
  if (!eager) {
    // Some live for long, and some are renewed in the last moment.
    renewals = client.dice().Below(client.dice().Percent(15) ? 40 : 5);
    if (client.library() != nullptr && client.dice().Percent(70)) {
      co_return co_await KeepByLibrary(client, lease, client.dice().Skewed(kSecond, 20 * kSecond));
    }
  }
  bool alive = true;
  for (; renewals > 0 && alive && !client.stopped(); --renewals) {
    co_await client.Sleep(eager ? client.dice().Between(kSecond / 10, kSecond / 3)
                                : PauseBeforeRenewal(client, lease));
    alive = co_await Renew(client, lease, eager ? kSecond / 2 : 4 * kSecond);
  }
  co_return alive;
}

}  // namespace

Coroutine<> Watch(Client& client) { return WatchFrom(client, 0); }
Coroutine<> WatchSteadily(Client& client) {
  return WatchFrom(client, 1 + client.number() % client.world().options().members);
}

Coroutine<> UseLeases(Client& client) {
  int number = 0;
  while (!client.stopped()) {
    LeaseHistory lease = co_await Grant(client, client.dice().Between(1, 4));
    const std::string key = absl::StrCat("lease/", client.number(), "/", ++number);
    bool attached = false;
    if (lease.id != 0 && !co_await IsThere(client, lease)) {
      client.histories().leases.push_back(lease);
      continue;
    }
    if (lease.id != 0) {
      const KvOperation put = co_await client.Put(key, client.Unique(), lease.id);
      attached = put.outcome == Outcome::kOk;
      if (attached && client.dice().Percent(40)) {
        (void)co_await client.Put(absl::StrCat(key, "/b"), "", lease.id);
      }
    }
    if (attached) {
      const bool alive = co_await Keep(client, lease);
      if (alive && client.dice().Percent(25)) {
        KvOperation revoke;
        revoke.kind = KvOperation::Kind::kRevoke;
        revoke.lease = lease.id;
        lease.revoke_called = client.now();
        (void)co_await client.Run(std::move(revoke));
      }
      co_await AwaitEnd(client, lease, key);
      client.histories().leases.push_back(lease);
    }
    co_await client.Think();
  }
}

Coroutine<> UseLocks(Client& client) {
  while (!client.stopped()) {
    co_await client.Think();
    if (client.library() != nullptr) {
      co_await LockByLibrary(client);
      continue;
    }
    LeaseHistory lease = co_await Grant(client, client.dice().Between(2, 6));
    if (lease.id == 0) continue;
    checkers::Ownership ownership;
    ownership.client = client.number();
    ownership.asked = client.now();
    v3lockpb::LockRequest request;
    request.set_name("lock/l");
    request.set_lease(lease.id);
    CallResult result = co_await client.Call("/v3lockpb.Lock/Lock", request);
    v3lockpb::LockResponse response;
    if (!result.status.ok() || !response.ParseFromString(result.body)) continue;
    ownership.granted = client.now();
    ownership.until = ProvenUntil(lease);
    const std::string key = response.key();
    client.histories().lock_grants.push_back({client.number(), key, response.header().revision()});
    const KvOperation get = co_await client.Get(key);
    if (get.outcome != Outcome::kOk || get.responses[0].kvs.empty()) continue;
    ownership.token = get.responses[0].kvs[0].create_revision;
    client.world().counters().Add(Reached::kLocksGranted);
    for (uint64_t n = client.dice().Below(4); n > 0; --n) {
      if (!co_await RaiseCounter(client, key, ownership.token)) break;
      co_await client.Sleep(client.dice().Skewed(kMillisecond, kSecond));
    }
    ownership.until = std::min(ownership.until, client.now());
    client.histories().locks.push_back(ownership);
    if (client.dice().Percent(20)) continue;  // its lease ends it
    v3lockpb::UnlockRequest unlock;
    unlock.set_key(key);
    (void)co_await client.Call("/v3lockpb.Lock/Unlock", unlock);
  }
}

Coroutine<> StandForElection(Client& client) {
  while (!client.stopped()) {
    co_await client.Think();
    if (client.library() != nullptr) {
      co_await CampaignByLibrary(client);
      continue;
    }
    LeaseHistory lease = co_await Grant(client, client.dice().Between(2, 6));
    if (lease.id == 0) continue;
    checkers::Ownership term;
    term.client = client.number();
    term.asked = client.now();
    v3electionpb::CampaignRequest request;
    request.set_name("election/e");
    request.set_lease(lease.id);
    request.set_value(client.Unique());
    CallResult result = co_await client.Call("/v3electionpb.Election/Campaign", request);
    v3electionpb::CampaignResponse response;
    if (!result.status.ok() || !response.ParseFromString(result.body)) continue;
    term.granted = client.now();
    term.token = response.leader().rev();
    client.world().counters().Add(Reached::kElectionsWon);
    co_await client.Sleep(client.dice().Skewed(kMillisecond, 2 * kSecond));
    term.until = std::min(ProvenUntil(lease), client.now());
    client.histories().terms.push_back(term);
    if (client.dice().Percent(30)) continue;
    v3electionpb::ResignRequest resign;
    *resign.mutable_leader() = response.leader();
    (void)co_await client.Call("/v3electionpb.Election/Resign", resign);
  }
}

Coroutine<> ObserveElection(Client& client) {
  v3electionpb::LeaderRequest request;
  request.set_name("election/e");
  while (!client.stopped()) {
    if (client.library() != nullptr) {
      co_await ObserveByLibrary(client);
      co_await client.Think();
      continue;
    }
    co_await client.LogInIfDue();
    // Each stream begins with the leader of its member, which may be behind.
    const size_t at = client.histories().observations.size();
    client.histories().observations.push_back({.client = client.number(), .tokens = {}});
    auto stream = OpenStream(client, "/v3electionpb.Election/Observe", request.SerializeAsString());
    while (!client.stopped() && (!stream->over || !stream->messages.empty())) {
      const std::optional<std::string> message = co_await Next(client, stream, 3 * kSecond);
      v3electionpb::LeaderResponse response;
      if (message && response.ParseFromString(*message)) {
        client.histories().observations[at].tokens.push_back(response.kv().create_revision());
      }
      if (client.dice().Percent(5)) break;
    }
    stream->call->ClientCancel();
    client.ChooseMember();
    co_await client.Think();
  }
}

Coroutine<> ControlObjects(Client& client) {
  const size_t cache = client.histories().caches.size();
  ObjectCache fresh;
  fresh.client = client.number();
  fresh.prefix = "obj/";
  fresh.end = "obj0";
  client.histories().caches.push_back(fresh);
  bool known = false;
  while (true) {
    if (!known) {
      co_await client.Think();
      const KvOperation list = co_await client.Get("obj/", "obj0");
      if (list.outcome != Outcome::kOk) continue;
      ObjectCache& listed = client.histories().caches[cache];
      listed.objects.clear();
      for (const auto& kv : list.responses[0].kvs) listed.objects[kv.key] = kv;
      listed.revision = list.revision;
    }
    co_await client.LogInIfDue();
    known = co_await FollowObjects(client, cache);
    co_await client.Sleep(client.dice().Skewed(kMillisecond, kSecond));
    client.ChooseMember();
  }
}

}  // namespace keelson::simulation
