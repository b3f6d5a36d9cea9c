#include "tests/simulation/cluster/client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/errors.h"
#include "storage/errors.h"

namespace keelson::simulation {
namespace {

using checkers::Comparison;
using checkers::KvOperation;
using checkers::Outcome;

void FillCompare(const Comparison& comparison, etcdserverpb::Compare* to) {
  static constexpr etcdserverpb::Compare::CompareTarget kTargets[] = {
      etcdserverpb::Compare::VERSION, etcdserverpb::Compare::CREATE, etcdserverpb::Compare::MOD,
      etcdserverpb::Compare::VALUE, etcdserverpb::Compare::LEASE};
  static constexpr etcdserverpb::Compare::CompareResult kResults[] = {
      etcdserverpb::Compare::EQUAL, etcdserverpb::Compare::GREATER, etcdserverpb::Compare::LESS,
      etcdserverpb::Compare::NOT_EQUAL};
  to->set_key(comparison.key);
  to->set_target(kTargets[static_cast<int>(comparison.target)]);
  to->set_result(kResults[static_cast<int>(comparison.relation)]);
  switch (comparison.target) {
    case Comparison::Target::kVersion:
      return to->set_version(comparison.number);
    case Comparison::Target::kCreate:
      return to->set_create_revision(comparison.number);
    case Comparison::Target::kMod:
      return to->set_mod_revision(comparison.number);
    case Comparison::Target::kLease:
      return to->set_lease(comparison.number);
    case Comparison::Target::kValue:
      return to->set_value(comparison.value);
  }
}

etcdserverpb::RangeRequest RangeOf(const checkers::Request& request, bool serializable) {
  etcdserverpb::RangeRequest range;
  range.set_key(request.key);
  range.set_range_end(request.end);
  range.set_revision(request.revision);
  range.set_limit(request.limit);
  range.set_serializable(serializable);
  return range;
}

etcdserverpb::PutRequest PutOf(const checkers::Request& request) {
  etcdserverpb::PutRequest put;
  put.set_key(request.key);
  put.set_value(request.value);
  put.set_lease(request.lease);
  return put;
}

etcdserverpb::DeleteRangeRequest DeletionOf(const checkers::Request& request) {
  etcdserverpb::DeleteRangeRequest deletion;
  deletion.set_key(request.key);
  deletion.set_range_end(request.end);
  return deletion;
}

void FillRequest(const checkers::Request& request, bool serializable, etcdserverpb::RequestOp* to) {
  switch (request.kind) {
    case checkers::Request::Kind::kRange:
      *to->mutable_request_range() = RangeOf(request, serializable);
      return;
    case checkers::Request::Kind::kPut:
      *to->mutable_request_put() = PutOf(request);
      return;
    case checkers::Request::Kind::kDelete:
      *to->mutable_request_delete_range() = DeletionOf(request);
      return;
  }
}

checkers::Response ResponseOf(const etcdserverpb::RangeResponse& range) {
  checkers::Response response;
  for (const mvccpb::KeyValue& kv : range.kvs()) response.kvs.push_back(ToKeyVersion(kv));
  response.count = range.count();
  response.more = range.more();
  return response;
}
checkers::Response ResponseOf(const etcdserverpb::DeleteRangeResponse& deletion) {
  checkers::Response response;
  response.count = deletion.deleted();
  return response;
}
checkers::Response ResponseOf(const etcdserverpb::ResponseOp& op) {
  if (op.has_response_range()) return ResponseOf(op.response_range());
  if (op.has_response_delete_range()) return ResponseOf(op.response_delete_range());
  return {};
}

struct Encoded {
  std::string method;
  std::string request;
};

Encoded Encode(const KvOperation& operation) {
  if (operation.kind == KvOperation::Kind::kRevoke) {
    etcdserverpb::LeaseRevokeRequest revoke;
    revoke.set_id(operation.lease);
    return {"/etcdserverpb.Lease/LeaseRevoke", revoke.SerializeAsString()};
  }
  if (operation.kind == KvOperation::Kind::kCompact) {
    etcdserverpb::CompactionRequest compaction;
    compaction.set_revision(operation.compact_revision);
    return {"/etcdserverpb.KV/Compact", compaction.SerializeAsString()};
  }
  if (operation.compare.empty() && operation.success.size() == 1) {
    const checkers::Request& request = operation.success.front();
    switch (request.kind) {
      case checkers::Request::Kind::kRange:
        return {"/etcdserverpb.KV/Range",
                RangeOf(request, operation.serializable).SerializeAsString()};
      case checkers::Request::Kind::kPut:
        return {"/etcdserverpb.KV/Put", PutOf(request).SerializeAsString()};
      case checkers::Request::Kind::kDelete:
        return {"/etcdserverpb.KV/DeleteRange", DeletionOf(request).SerializeAsString()};
    }
  }
  etcdserverpb::TxnRequest txn;
  for (const Comparison& comparison : operation.compare) {
    FillCompare(comparison, txn.add_compare());
  }
  for (const checkers::Request& request : operation.success) {
    FillRequest(request, operation.serializable, txn.add_success());
  }
  for (const checkers::Request& request : operation.failure) {
    FillRequest(request, operation.serializable, txn.add_failure());
  }
  return {"/etcdserverpb.KV/Txn", txn.SerializeAsString()};
}

template <typename Response>
void DecodeOne(const std::string& body, KvOperation& operation) {
  Response response;
  if (!response.ParseFromString(body)) return;
  operation.revision = response.header().revision();
  if constexpr (std::is_same_v<Response, etcdserverpb::PutResponse>) {
    operation.responses = {checkers::Response()};
  } else if constexpr (!std::is_same_v<Response, etcdserverpb::LeaseRevokeResponse> &&
                       !std::is_same_v<Response, etcdserverpb::CompactionResponse>) {
    operation.responses = {ResponseOf(response)};
  }
}

void Decode(const std::string& method, const std::string& body, KvOperation& operation) {
  if (method == "/etcdserverpb.KV/Range") {
    DecodeOne<etcdserverpb::RangeResponse>(body, operation);
  } else if (method == "/etcdserverpb.KV/Put") {
    DecodeOne<etcdserverpb::PutResponse>(body, operation);
  } else if (method == "/etcdserverpb.KV/DeleteRange") {
    DecodeOne<etcdserverpb::DeleteRangeResponse>(body, operation);
  } else if (method == "/etcdserverpb.KV/Compact") {
    DecodeOne<etcdserverpb::CompactionResponse>(body, operation);
  } else if (method == "/etcdserverpb.Lease/LeaseRevoke") {
    DecodeOne<etcdserverpb::LeaseRevokeResponse>(body, operation);
  } else {
    etcdserverpb::TxnResponse response;
    if (!response.ParseFromString(body)) return;
    operation.revision = response.header().revision();
    operation.succeeded = response.succeeded();
    for (const auto& op : response.responses()) operation.responses.push_back(ResponseOf(op));
  }
}

}  // namespace

checkers::KeyVersion ToKeyVersion(const mvccpb::KeyValue& kv) {
  return {.key = kv.key(),
          .value = kv.value(),
          .create_revision = kv.create_revision(),
          .mod_revision = kv.mod_revision(),
          .version = kv.version(),
          .lease = kv.lease()};
}

// Errors that come before the proposal, or from the entry itself, say that nothing changed.
Outcome OutcomeOf(const absl::Status& status) {
  if (status == server::ErrTooManyRequests()) return Outcome::kRefused;
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return Outcome::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return Outcome::kRefused;
    default:
      return Outcome::kUnknown;
  }
}

Client::Client(World* world, Histories* histories, int number, Time stops)
    : world_(world),
      histories_(histories),
      number_(number),
      stops_(stops),
      dice_(world->options().seed * 1000 + static_cast<uint64_t>(number)) {
  ChooseMember();
}

std::string Client::Unique() { return absl::StrCat("c", number_, "-", ++unique_); }

Coroutine<> Client::Sleep(Time time) {
  Future<bool> woken;
  world_->scheduler().After(time, [woken] { woken.Set(true); });
  co_await woken;
}

void Client::ChooseMember() {
  const auto usable = [this](int n) { return !world_->removed(n); };
  do {
    member_ = static_cast<int>(dice_.Between(1, world_->members()));
  } while (!usable(member_));
}

int Client::member() {
  if (dice_.Percent(5) || world_->removed(member_)) ChooseMember();
  return member_;
}

bool Client::OnEnd(const absl::Status& status) {
  status_ = status;
  if (user_.empty()) return false;
  if (!absl::IsUnauthenticated(status) && status != server::ErrUserEmpty()) return false;
  token_.clear();
  log_in_due_ = true;
  return true;
}

Coroutine<> Client::LogInIfDue() {
  constexpr Time kPatience = 3 * kSecond;
  const Time begun = now();
  while (std::exchange(log_in_due_, false)) {
    const absl::Status status = co_await LogIn();
    const bool learner = status == server::ErrNotSupportedForLearner();
    const bool again = learner || status == server::ErrTooManyRequests();
    if (!again || now() - begun > kPatience) continue;
    log_in_due_ = true;
    if (learner) ChooseMember();
    co_await Think();
  }
}

Coroutine<absl::Status> Client::LogIn() {
  etcdserverpb::AuthenticateRequest request;
  request.set_name(user_);
  request.set_password(user_);
  CallResult result = co_await CallOnce(member(), "/etcdserverpb.Auth/Authenticate",
                                        request.SerializeAsString(), 8 * kSecond);
  etcdserverpb::AuthenticateResponse response;
  if (result.status.ok() && response.ParseFromString(result.body)) {
    token_ = response.token();
    world_->counters().Add(Reached::kLogins);
  } else {
    world_->Tell(0, absl::StrCat("client ", number_, " cannot log in as ", user_, ": ",
                                 result.status.ToString()));
  }
  co_return result.status;
}

Coroutine<CallResult> Client::Call(int member, std::string method, std::string request,
                                   Time timeout) {
  if (library_ != nullptr && Library::Has(method)) {
    co_return co_await CallByLibrary(std::move(method), std::move(request), timeout);
  }
  co_await LogInIfDue();
  CallResult result = co_await CallOnce(member, method, request, timeout);
  if (OnEnd(result.status)) {
    co_await LogInIfDue();
    result = co_await CallOnce(member, std::move(method), std::move(request), timeout);
    OnEnd(result.status);
  }
  co_return result;
}

void Client::UseLibrary(bool sticky) {
  library_ = std::make_unique<Library>(
      world_,
      Library::Options{.connection = this, .user = user_, .seed = dice_.Next(), .sticky = sticky});
}

void Client::EndLibrary() {
  if (library_ != nullptr) library_->End();
}

Coroutine<CallResult> Client::CallByLibrary(std::string method, std::string request, Time timeout) {
  world_->counters().Add(Reached::kLibraryCalls);
  if (dice_.Percent(5)) {
    co_await library_->Do([this] { library_->client().SyncEndpoints().IgnoreError(); });
  }
  const Library::Way way = dice_.Percent(50) ? Library::Way::kWaiting : Library::Way::kCallingBack;
  CallResult result = co_await library_->Call(std::move(method), std::move(request), timeout, way);
  status_ = result.status;
  co_return result;
}

Coroutine<CallResult> Client::CallOnce(int member, std::string method, std::string request,
                                       Time timeout) {
  Future<CallResult> result;
  const std::shared_ptr<SimulatedCall> call = world_->NewCall(member, method, caller());
  const auto body = std::make_shared<std::string>();
  call->on_message = [body](std::string message) { *body = std::move(message); };
  call->on_end = [result, body](absl::Status status) {
    CallResult of{std::move(status), std::move(*body)};
    result.Set(std::move(of));
  };
  world_->Call(call, member, std::move(request));
  world_->scheduler().After(timeout, [result, call] {
    if (result.is_set()) return;
    call->ClientCancel();
    CallResult late{absl::DeadlineExceededError("the client waits no longer"), ""};
    result.Set(std::move(late));
  });
  CallResult outcome = co_await result;
  if (!outcome.status.ok() && dice_.Percent(50)) ChooseMember();
  co_return outcome;
}

Coroutine<KvOperation> Client::Run(KvOperation operation) {
  operation.client = number_;
  operation.invoked = now();
  const Encoded encoded = Encode(operation);
  CallResult result = co_await Call(member(), encoded.method, encoded.request);
  operation.outcome = OutcomeOf(result.status);
  // A connection that was refused is not told apart from one that broke.
  operation.returned = operation.outcome == Outcome::kUnknown ? checkers::kNever : now();
  Counters& counters = world_->counters();
  if (operation.outcome == Outcome::kOk) {
    succeeded_ = now();
    Decode(encoded.method, result.body, operation);
    counters.Add(Reached::kOperationsOk);
    if (!operation.succeeded) counters.Add(Reached::kTransactionsGuardFailed);
  } else if (operation.outcome == Outcome::kRefused) {
    counters.Add(Reached::kOperationsRefused);
    if (absl::StrContains(std::string(result.status.message()), storage::kCompactedMessage)) {
      operation.refusal = KvOperation::Refusal::kCompacted;
      counters.Add(Reached::kCompactedReads);
    } else if (absl::StrContains(std::string(result.status.message()),
                                 storage::kFutureRevisionMessage)) {
      operation.refusal = KvOperation::Refusal::kFuture;
    }
  } else {
    counters.Add(Reached::kOperationsUnknown);
  }
  world_->scheduler().Mix(static_cast<uint64_t>(operation.revision));
  histories_->operations.push_back(operation);
  co_return operation;
}

Coroutine<KvOperation> Client::Put(std::string key, std::string value, int64_t lease) {
  KvOperation operation;
  checkers::Request request;
  request.kind = checkers::Request::Kind::kPut;
  request.key = std::move(key);
  request.value = std::move(value);
  request.lease = lease;
  operation.success.push_back(std::move(request));
  return Run(std::move(operation));
}

Coroutine<KvOperation> Client::Delete(std::string key, std::string end) {
  KvOperation operation;
  checkers::Request request;
  request.kind = checkers::Request::Kind::kDelete;
  request.key = std::move(key);
  request.end = std::move(end);
  operation.success.push_back(std::move(request));
  return Run(std::move(operation));
}

Coroutine<KvOperation> Client::Get(std::string key, std::string end) {
  KvOperation operation;
  checkers::Request request;
  request.key = std::move(key);
  request.end = std::move(end);
  operation.success.push_back(std::move(request));
  return Run(std::move(operation));
}

}  // namespace keelson::simulation
