#include "tests/differential/comparison.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/check.h"
#include "proto/etcd/rpc.pb.h"

namespace keelson::differential {
namespace {

using etcdserverpb::WatchRequest;
using etcdserverpb::WatchResponse;

constexpr int64_t kNoWatcher = 987'654;
const std::string kFromKey(1, '\0');
const std::string kMemberNotFound = "etcdserver: member not found";
const std::string kMemberExists = "etcdserver: member ID already exist";
const std::string kNoSpace = "etcdserver: mvcc: database space exceeded";

template <typename Request>
Operation Ask(std::string method, Request request, std::string user = "") {
  return Operation{.method = std::move(method),
                   .request = std::make_shared<Request>(std::move(request)),
                   .user = std::move(user)};
}

template <typename Response, typename Request>
Response Must(Side& side, const std::string& method, const Request& request,
              const std::string& user = "") {
  const Answer answer = side.Call(Ask(method, request, user));
  KV_CHECK(answer.ok()) << side.name() << " answers " << method << ": " << ToString(answer);
  return dynamic_cast<const Response&>(*answer.message);
}

bool Equal(const WatchStream::Told& a, const WatchStream::Told& b) {
  return a.canceled == b.canceled && a.compact_revision == b.compact_revision &&
         a.reason == b.reason && a.event.SerializeAsString() == b.event.SerializeAsString();
}

std::string ToString(const WatchStream::Told& told) {
  if (told.canceled) {
    return absl::StrCat("canceled, compact_revision ", told.compact_revision, " ", told.reason);
  }
  return told.event.ShortDebugString();
}

// Whether the alarm is up, under which 3.4 refuses what it counts.
bool HasNoSpace(Side& side) {
  etcdserverpb::AlarmRequest request;
  request.set_alarm(etcdserverpb::NOSPACE);
  const auto response = Must<etcdserverpb::AlarmResponse>(side, "Maintenance.Alarm", request);
  return response.alarms_size() > 0;
}

// Where nothing is live etcd hashes all that its compaction has not deleted yet.
Operation ToHashWhatIsLeft(Operation operation) {
  if (operation.method != "KV.Compact") return operation;
  auto request = std::make_shared<etcdserverpb::CompactionRequest>();
  request->CopyFrom(*operation.request);
  request->set_physical(true);
  operation.request = std::move(request);
  return operation;
}

// The id of a member is made of its URLs and of the second. Where one of the same id was there in
// this second, the next one brings another id.
void AddAnew(Side& side, const Operation& operation, Answer* answer) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while ((answer->error == kMemberNotFound || answer->error == kMemberExists) &&
         absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(20));
    *answer = side.Call(operation);
  }
}

// Whether the watcher was told of a later change of the same key in the same revision.
bool IsSuperseded(const WatchStream& stream, int64_t watcher, size_t i) {
  const WatchStream::Told told = stream.GetTold(watcher, i);
  for (size_t later = i + 1; later < stream.CountTold(watcher); ++later) {
    const WatchStream::Told other = stream.GetTold(watcher, later);
    if (other.event.kv().mod_revision() != told.event.kv().mod_revision()) return false;
    if (other.event.kv().key() == told.event.kv().key()) return true;
  }
  return false;
}

std::string Pair(const std::string& ours, const std::string& etcds) {
  return absl::StrCat("\n  kvd:  ", ours, "\n  etcd: ", etcds);
}

}  // namespace

Comparison::Comparison(std::string kvd, std::string etcd, VersionDifferences* versions,
                       absl::Duration patience)
    : ours_("kvd", std::move(kvd)),
      etcds_("etcd", std::move(etcd)),
      versions_(*versions),
      patience_(patience) {
  ours_.WaitServing();
  etcds_.WaitServing();
}

void Comparison::Reset(Side& side) {
  if (auth_) {
    etcdserverpb::AuthenticateRequest login;
    login.set_name("root");
    login.set_password("x");
    Must<etcdserverpb::AuthenticateResponse>(side, "Auth.Authenticate", login);
    Must<etcdserverpb::AuthDisableResponse>(side, "Auth.AuthDisable",
                                            etcdserverpb::AuthDisableRequest(), "root");
  }
  const auto alarms =
      Must<etcdserverpb::AlarmResponse>(side, "Maintenance.Alarm", etcdserverpb::AlarmRequest());
  for (const auto& alarm : alarms.alarms()) {
    etcdserverpb::AlarmRequest off;
    off.set_action(etcdserverpb::AlarmRequest::DEACTIVATE);
    off.set_memberid(alarm.memberid());
    off.set_alarm(alarm.alarm());
    Must<etcdserverpb::AlarmResponse>(side, "Maintenance.Alarm", off);
  }
  etcdserverpb::DeleteRangeRequest everything;
  everything.set_key(kFromKey);
  everything.set_range_end(kFromKey);
  Must<etcdserverpb::DeleteRangeResponse>(side, "KV.DeleteRange", everything);
  const auto leases = Must<etcdserverpb::LeaseLeasesResponse>(side, "Lease.LeaseLeases",
                                                              etcdserverpb::LeaseLeasesRequest());
  for (const auto& lease : leases.leases()) {
    etcdserverpb::LeaseRevokeRequest revoke;
    revoke.set_id(lease.id());
    Must<etcdserverpb::LeaseRevokeResponse>(side, "Lease.LeaseRevoke", revoke);
  }
  const auto users = Must<etcdserverpb::AuthUserListResponse>(side, "Auth.UserList",
                                                              etcdserverpb::AuthUserListRequest());
  for (const auto& name : users.users()) {
    etcdserverpb::AuthUserDeleteRequest request;
    request.set_name(name);
    Must<etcdserverpb::AuthUserDeleteResponse>(side, "Auth.UserDelete", request);
  }
  const auto roles = Must<etcdserverpb::AuthRoleListResponse>(side, "Auth.RoleList",
                                                              etcdserverpb::AuthRoleListRequest());
  for (const auto& name : roles.roles()) {
    etcdserverpb::AuthRoleDeleteRequest request;
    request.set_role(name);
    Must<etcdserverpb::AuthRoleDeleteResponse>(side, "Auth.RoleDelete", request);
  }
  const auto members = Must<etcdserverpb::MemberListResponse>(side, "Cluster.MemberList",
                                                              etcdserverpb::MemberListRequest());
  for (const auto& member : members.members()) {
    if (!member.islearner()) continue;
    etcdserverpb::MemberRemoveRequest request;
    request.set_id(member.id());
    Must<etcdserverpb::MemberRemoveResponse>(side, "Cluster.MemberRemove", request);
  }
  for (int slot = 0; slot < kWatchSlots; ++slot) side.OpenStream(slot, "");
}

std::optional<Difference> Comparison::Run(const std::vector<Operation>& operations) {
  Reset(ours_);
  Reset(etcds_);
  auth_ = false;
  slots_ = {};
  unsettled_ = false;
  for (size_t i = 0; i <= operations.size(); ++i) {
    Outcome outcome = i < operations.size() ? Do(operations[i]) : CompareState();
    if (outcome.has_value()) return Difference{i, *std::move(outcome)};
    ++statistics_.operations;
    for (Side* side : {&ours_, &etcds_}) {
      if (side->process().Running()) continue;
      return Difference{i, absl::StrCat(side->name(), " has ended: ", side->process().LogTail())};
    }
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::Do(const Operation& drawn) {
  Operation operation = drawn;
  // While auth is off 3.7 does not look at tokens. Tokens of before are tried with kvd all the
  // same, where it can be done.
  if (!auth_ && operation.kind != Operation::Kind::kCall) operation.user.clear();
  switch (operation.kind) {
    case Operation::Kind::kCall:
    case Operation::Kind::kRangeStream:
      return DoCall(operation);
    case Operation::Kind::kKeepAlive:
      return DoKeepAlive(operation);
    case Operation::Kind::kExpire:
      return DoExpire(operation);
    case Operation::Kind::kOpenStream:
      return DoOpenStream(operation);
    case Operation::Kind::kWatchCreate:
      return DoCreate(operation);
    case Operation::Kind::kWatchCancel:
      return DoCancel(operation);
    case Operation::Kind::kWatchProgress:
      return DoProgress(operation);
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::Compare(const Operation& operation, const Answer& ours,
                                        Answer etcds) {
  versions_.Translate(operation, ours_.symbols(), ours, &etcds);
  if (!(ours == etcds)) return Pair(ToString(ours), ToString(etcds));
  if (!ours.ok()) {
    ++statistics_.refused;
    ++statistics_.errors[ours.error];
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::CheckDemanded(const Operation& operation, const Operation& question,
                                              const Answer& refusal) {
  const Answer ours = ours_.Call(operation);
  if (ours == refusal) {
    versions_.CountDemand(operation, question);
    return std::nullopt;
  }
  if (ours.ok()) return Pair(ToString(ours), absl::StrCat("(a newer one) ", ToString(refusal)));
  // There is something else wrong with it, and that both must say.
  return Compare(operation, ours, etcds_.Call(operation));
}

Comparison::Outcome Comparison::DoCall(const Operation& operation) {
  // A watcher that is not there yet could lose what it has still to be told.
  if (operation.method == "KV.Compact") {
    if (Outcome outcome = Settle(); outcome.has_value()) return outcome;
  }
  if (auth_) {
    for (const Operation& question : versions_.DemandsOf(operation)) {
      const Answer refusal = etcds_.Call(question);
      if (!refusal.ok()) return CheckDemanded(operation, question, refusal);
    }
  }
  Answer ours;
  Answer etcds;
  if (operation.kind == Operation::Kind::kRangeStream) {
    ours = ours_.RangeStream(operation);
    Operation range = operation;
    range.method = "KV.Range";
    etcds = etcds_.Call(range);
  } else if (versions_.Refuses(operation, &etcds)) {
    ours = ours_.Call(operation);
  } else if (versions_.CostsMore(operation)) {
    ours = ours_.Call(operation);
    if (ours.error == kNoSpace && HasNoSpace(etcds_)) {
      versions_.CountNestedCost();
      return std::nullopt;
    }
    etcds = etcds_.Call(versions_.WithoutToken(operation, auth_));
  } else {
    const Operation for_etcd = ToHashWhatIsLeft(versions_.WithoutToken(operation, auth_));
    etcds_.Start(for_etcd);
    ours_.Start(operation);
    ours = ours_.Finish();
    etcds = etcds_.Finish();
    if (operation.method == "Cluster.MemberAdd") {
      AddAnew(ours_, operation, &ours);
      AddAnew(etcds_, for_etcd, &etcds);
    }
  }
  if (ours.ok() && operation.method == "Auth.AuthEnable") auth_ = true;
  Outcome outcome = Compare(operation, ours, std::move(etcds));
  if (outcome.has_value() || !ours.ok() || operation.method != "Auth.AuthDisable") return outcome;
  auth_ = false;
  return DropTokens();
}

Comparison::Outcome Comparison::DropTokens() {
  for (int slot = 0; slot < kWatchSlots; ++slot) {
    if (slots_[static_cast<size_t>(slot)].user.empty()) continue;
    if (Outcome outcome = DoOpenStream(Operation{.slot = slot}); outcome.has_value())
      return outcome;
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::DoKeepAlive(const Operation& operation) {
  const Answer ours = ours_.KeepAlive(operation);
  if (auth_) {
    for (const Operation& question : versions_.DemandsOf(operation)) {
      const Answer refusal = etcds_.Call(question);
      if (refusal.ok()) continue;
      if (!(ours == refusal)) return Pair(ToString(ours), ToString(refusal));
      versions_.CountDemand(operation, question);
      return std::nullopt;
    }
  }
  return Compare(operation, ours, etcds_.KeepAlive(operation));
}

Comparison::Outcome Comparison::DoExpire(const Operation& operation) {
  if (Outcome outcome =
          DoCall(Operation{.method = "Lease.LeaseGrant", .request = operation.request});
      outcome.has_value()) {
    return outcome;
  }
  const int64_t id = dynamic_cast<const etcdserverpb::LeaseGrantRequest&>(*operation.request).id();
  for (uint64_t i = 0; i < operation.choice; ++i) {
    etcdserverpb::PutRequest put;
    put.set_key(absl::StrCat("expires", i));
    put.set_lease(id);
    if (Outcome outcome = DoCall(Ask("KV.Put", put)); outcome.has_value()) return outcome;
  }
  etcdserverpb::LeaseTimeToLiveRequest left;
  left.set_id(id);
  for (Side* side : {&ours_, &etcds_}) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (
        Must<etcdserverpb::LeaseTimeToLiveResponse>(*side, "Lease.LeaseTimeToLive", left).ttl() >=
        0) {
      if (absl::Now() > deadline)
        return absl::StrCat("the lease does not expire on ", side->name());
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
  etcdserverpb::RangeRequest gone;
  gone.set_key("expires");
  gone.set_range_end("expires:");
  return DoCall(Ask("KV.Range", gone));
}

Comparison::Outcome Comparison::DoOpenStream(const Operation& operation) {
  Outcome outcome = Sync(operation.slot);
  if (outcome.has_value()) return outcome;
  statistics_.fragments += ours_.stream(operation.slot).fragments();
  slots_[static_cast<size_t>(operation.slot)] =
      Slot{.live = {}, .compared = {}, .user = operation.user};
  ours_.OpenStream(operation.slot, operation.user);
  etcds_.OpenStream(operation.slot, operation.user);
  return std::nullopt;
}

Comparison::Outcome Comparison::DoCreate(const Operation& operation) {
  // In etcd the id of a watcher that a compaction has ended stays taken, here it is free again.
  if (const Slot& slot = slots_[static_cast<size_t>(operation.slot)]; slot.has_compacted) {
    const Operation open{.user = slot.user, .slot = operation.slot};
    if (Outcome outcome = DoOpenStream(open); outcome.has_value()) return outcome;
  }
  etcdserverpb::WatchCreateRequest resolved;
  resolved.CopyFrom(*operation.request);
  ours_.symbols().Resolve(&resolved);
  // Who may not watch is told that first, and 3.4 cannot be asked about a negative revision.
  if (auth_) resolved.set_start_revision(std::max<int64_t>(resolved.start_revision(), 0));
  WatchRequest request;
  *request.mutable_create_request() = resolved;
  ours_.stream(operation.slot).Send(request);
  std::optional<WatchResponse> etcds;
  if (WatchResponse refusal; versions_.Refuses(resolved, ours_.symbols(), &refusal)) {
    etcds = refusal;
  } else {
    etcds_.stream(operation.slot).Send(request);
    etcds = etcds_.stream(operation.slot).TakeCreated(patience_);
  }
  std::optional<WatchResponse> ours = ours_.stream(operation.slot).TakeCreated(patience_);
  if (!ours.has_value() || !etcds.has_value()) {
    const auto word = [&](Side& side, const auto& answer) {
      return answer.has_value() ? answer->ShortDebugString()
                                : "no answer; " + side.stream(operation.slot).End();
    };
    return Pair(word(ours_, ours), word(etcds_, etcds));
  }
  ours_.symbols().Normalize(&*ours);
  etcds_.symbols().Normalize(&*etcds);
  if (ours->SerializeAsString() != etcds->SerializeAsString()) {
    return Pair(ours->ShortDebugString(), etcds->ShortDebugString());
  }
  if (ours->canceled()) {
    ++statistics_.refused;
    ++statistics_.errors["(watch) " + ours->cancel_reason()];
    return std::nullopt;
  }
  ++statistics_.watchers;
  Slot& slot = slots_[static_cast<size_t>(operation.slot)];
  const int64_t watcher = ours->watch_id();
  slot.live.insert(watcher);
  unsettled_ = true;
  const int64_t start = resolved.start_revision();
  if (start <= 0 || start >= ours_.symbols().compacted()) return std::nullopt;
  // It ends at once.
  ours_.stream(operation.slot).WaitTold(watcher, slot.compared[watcher].ours, patience_);
  return CompareTold(operation.slot, watcher);
}

Comparison::Outcome Comparison::DoCancel(const Operation& operation) {
  if (Outcome outcome = Sync(operation.slot); outcome.has_value()) return outcome;
  Slot& slot = slots_[static_cast<size_t>(operation.slot)];
  int64_t watcher = kNoWatcher;
  if (!slot.live.empty()) {
    watcher =
        *std::next(slot.live.begin(), static_cast<int64_t>(operation.choice % slot.live.size()));
  }
  WatchRequest request;
  request.mutable_cancel_request()->set_watch_id(watcher);
  for (Side* side : {&ours_, &etcds_}) side->stream(operation.slot).Send(request);
  if (watcher == kNoWatcher) return std::nullopt;
  const Compared known = slot.compared[watcher];
  if (ours_.stream(operation.slot).WaitTold(watcher, known.ours, patience_) <= known.ours ||
      etcds_.stream(operation.slot).WaitTold(watcher, known.etcds, patience_) <= known.etcds) {
    return absl::StrCat("nothing confirms the end of watcher ", watcher);
  }
  Outcome outcome = CompareTold(operation.slot, watcher);
  if (!outcome.has_value() && slot.live.contains(watcher)) {
    return absl::StrCat("watcher ", watcher, " was told something else than its end");
  }
  return outcome;
}

std::optional<int64_t> Comparison::Progress(Side& side, int slot, int64_t revision) {
  WatchRequest request;
  request.mutable_progress_request();
  const absl::Time deadline = absl::Now() + patience_;
  side.stream(slot).ForgetProgress();
  do {
    side.stream(slot).Send(request);
    // No answer comes while a watcher catches up; and one to an earlier request is not the news.
    const auto answer = side.stream(slot).TakeProgress(absl::Milliseconds(100));
    if (answer.has_value() && *answer >= revision) return answer;
  } while (absl::Now() < deadline);
  return std::nullopt;
}

Comparison::Outcome Comparison::DoProgress(const Operation& operation) {
  if (Outcome outcome = Sync(operation.slot); outcome.has_value()) return outcome;
  if (slots_[static_cast<size_t>(operation.slot)].live.empty()) return std::nullopt;
  const int64_t revision = ours_.symbols().latest();
  const auto ours = Progress(ours_, operation.slot, revision);
  const auto etcds = Progress(etcds_, operation.slot, revision);
  if (ours == etcds && ours.has_value()) return std::nullopt;
  const auto word = [](const auto& answer) {
    return answer.has_value() ? absl::StrCat("progress until ", *answer) : "no progress";
  };
  return Pair(word(ours), word(etcds));
}

Comparison::Outcome Comparison::SyncAll() {
  for (int slot = 0; slot < kWatchSlots; ++slot) {
    if (Outcome outcome = Sync(slot); outcome.has_value()) return outcome;
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::Settle() {
  if (Outcome outcome = SyncAll(); outcome.has_value()) return outcome;
  // Kvd has said so by the progress it tells. Etcd 3.4 tells progress whether it reads or not.
  if (!std::exchange(unsettled_, false)) return std::nullopt;
  const absl::Time deadline = absl::Now() + patience_;
  while (etcds_.CountSlowWatchers() > 0) {
    if (absl::Now() > deadline) return std::string("etcd's watchers read and read");
    absl::SleepFor(absl::Milliseconds(5));
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::Sync(int number) {
  Slot& slot = slots_[static_cast<size_t>(number)];
  for (const int64_t watcher : std::set<int64_t>(slot.live)) {
    if (Outcome outcome = CompareTold(number, watcher); outcome.has_value()) return outcome;
  }
  if (slot.live.empty() || number == kFutureSlot) return std::nullopt;
  // Now kvd says that there is no more, and there must not be more of etcd's.
  if (!Progress(ours_, number, ours_.symbols().latest()).has_value()) {
    return std::string("kvd answers no progress request although nothing happens");
  }
  for (const int64_t watcher : std::set<int64_t>(slot.live)) {
    if (Outcome outcome = CompareTold(number, watcher); outcome.has_value()) return outcome;
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::CompareTold(int number, int64_t watcher) {
  Slot& slot = slots_[static_cast<size_t>(number)];
  Compared& compared = slot.compared[watcher];
  WatchStream& ours = ours_.stream(number);
  WatchStream& etcds = etcds_.stream(number);
  while (ours.CountTold(watcher) > compared.ours || etcds.CountTold(watcher) > compared.etcds) {
    const bool told = ours.WaitTold(watcher, compared.ours, patience_) > compared.ours;
    if (told && versions_.ToldByNewerOnly(ours.GetTold(watcher, compared.ours),
                                          IsSuperseded(ours, watcher, compared.ours),
                                          ours_.symbols().compacted())) {
      ++compared.ours;
      continue;
    }
    const bool told_too = etcds.WaitTold(watcher, compared.etcds, patience_) > compared.etcds;
    if (!told || !told_too) {
      return absl::StrCat("watcher ", watcher, " of slot ", number, " was not told by ",
                          told ? "etcd: " : "kvd: ",
                          ToString(told ? ours.GetTold(watcher, compared.ours)
                                        : etcds.GetTold(watcher, compared.etcds)));
    }
    WatchStream::Told a = ours.GetTold(watcher, compared.ours);
    WatchStream::Told b = etcds.GetTold(watcher, compared.etcds);
    ours_.symbols().Normalize(&a.event);
    etcds_.symbols().Normalize(&b.event);
    if (!Equal(a, b)) {
      return absl::StrCat("watcher ", watcher, " of slot ", number, " was told",
                          Pair(ToString(a), ToString(b)));
    }
    ++compared.ours;
    ++compared.etcds;
    ++statistics_.events;
    if (a.canceled) slot.live.erase(watcher);
    slot.has_compacted = slot.has_compacted || a.compact_revision != 0;
  }
  for (Side* side : {&ours_, &etcds_}) {
    const std::string violation = side->stream(number).Violation();
    if (!violation.empty()) return absl::StrCat("the stream of ", side->name(), ": ", violation);
  }
  return std::nullopt;
}

Comparison::Outcome Comparison::CompareState() {
  if (Outcome outcome = SyncAll(); outcome.has_value()) return outcome;
  std::string user;
  if (auth_) {
    user = "root";
    etcdserverpb::AuthenticateRequest login;
    login.set_name("root");
    login.set_password("x");
    if (Outcome outcome = DoCall(Ask("Auth.Authenticate", login)); outcome.has_value())
      return outcome;
  }
  etcdserverpb::RangeRequest everything;
  everything.set_key(kFromKey);
  everything.set_range_end(kFromKey);
  etcdserverpb::HashKVRequest hash;
  for (const Operation& operation :
       {Ask("KV.Range", everything, user), Ask("Maintenance.HashKV", hash, user),
        Ask("Lease.LeaseLeases", etcdserverpb::LeaseLeasesRequest(), user)}) {
    if (Outcome outcome = DoCall(operation); outcome.has_value()) return outcome;
  }
  // The whole history that is left.
  etcdserverpb::WatchCreateRequest create;
  create.set_key(kFromKey);
  create.set_range_end(kFromKey);
  create.set_start_revision(kCompactedRevision);
  create.set_prev_kv(true);
  Operation history{.kind = Operation::Kind::kWatchCreate,
                    .request = std::make_shared<etcdserverpb::WatchCreateRequest>(create)};
  if (Outcome outcome = DoOpenStream(Operation{.user = user}); outcome.has_value()) return outcome;
  if (Outcome outcome = DoCreate(history); outcome.has_value()) return outcome;
  if (Outcome outcome = Sync(0); outcome.has_value()) return outcome;
  for (int slot = 0; slot < kWatchSlots; ++slot) {
    statistics_.fragments += ours_.stream(slot).fragments();
  }
  return std::nullopt;
}

}  // namespace keelson::differential
