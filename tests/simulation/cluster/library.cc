#include "tests/simulation/cluster/library.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace keelson::simulation {
namespace {

using client::CallOptions;
using client::Client;

template <typename Response>
CallResult ResultOf(const absl::StatusOr<Response>& response) {
  if (!response.ok()) return {response.status(), ""};
  return {absl::OkStatus(), response->SerializeAsString()};
}

// A function of the library: the one that waits, and the one that calls back; null: there is none.
struct Function {
  std::string_view method;
  CallResult (*wait)(Client&, const std::string& request, const CallOptions&);
  void (*call_back)(Client&, const std::string& request, const CallOptions&,
                    std::function<void(CallResult)> done);
};

template <typename Request, auto kWait>
CallResult Wait(Client& client, const std::string& bytes, const CallOptions& options) {
  Request request;
  KV_CHECK(request.ParseFromString(bytes));
  return ResultOf((client.kv().*kWait)(request, options));
}

template <typename Request, auto kCall>
void CallBack(Client& client, const std::string& bytes, const CallOptions& options,
              std::function<void(CallResult)> done) {
  Request request;
  KV_CHECK(request.ParseFromString(bytes));
  (client.kv().*kCall)(std::move(request), options, [done = std::move(done)](const auto& response) {
    done(ResultOf(response));
  });
}

CallResult Grant(Client& client, const std::string& bytes, const CallOptions& options) {
  etcdserverpb::LeaseGrantRequest request;
  KV_CHECK(request.ParseFromString(bytes));
  return ResultOf(client.lease().Grant(request.ttl(), request.id(), options));
}

CallResult Revoke(Client& client, const std::string& bytes, const CallOptions& options) {
  etcdserverpb::LeaseRevokeRequest request;
  KV_CHECK(request.ParseFromString(bytes));
  return ResultOf(client.lease().Revoke(request.id(), options));
}

using client::Kv;
template <typename Request, typename Response>
using KvCall = absl::StatusOr<Response> (Kv::*)(const Request&, const CallOptions&);

constexpr Function kFunctions[] = {
    {"/etcdserverpb.KV/Range", &Wait<etcdserverpb::RangeRequest, &Kv::Range>,
     &CallBack<etcdserverpb::RangeRequest, &Kv::RangeAsync>},
    {"/etcdserverpb.KV/Put",
     &Wait<etcdserverpb::PutRequest,
           static_cast<KvCall<etcdserverpb::PutRequest, etcdserverpb::PutResponse>>(&Kv::Put)>,
     &CallBack<etcdserverpb::PutRequest, &Kv::PutAsync>},
    {"/etcdserverpb.KV/DeleteRange", &Wait<etcdserverpb::DeleteRangeRequest, &Kv::DeleteRange>,
     &CallBack<etcdserverpb::DeleteRangeRequest, &Kv::DeleteRangeAsync>},
    {"/etcdserverpb.KV/Txn", &Wait<etcdserverpb::TxnRequest, &Kv::Txn>,
     &CallBack<etcdserverpb::TxnRequest, &Kv::TxnAsync>},
    {"/etcdserverpb.KV/Compact", &Wait<etcdserverpb::CompactionRequest, &Kv::Compact>, nullptr},
    {"/etcdserverpb.Lease/LeaseGrant", &Grant, nullptr},
    {"/etcdserverpb.Lease/LeaseRevoke", &Revoke, nullptr},
};

const Function* Find(std::string_view method) {
  const auto* const found =
      std::find_if(std::begin(kFunctions), std::end(kFunctions),
                   [method](const Function& function) { return function.method == method; });
  return found == std::end(kFunctions) ? nullptr : found;
}

}  // namespace

Library::Library(World* world, const Options& options) : world_(world) {
  client::Options own;
  for (int n = 1; n <= world->members(); ++n) {
    if (!world->removed(n)) own.endpoints.push_back(absl::StrCat("http://m", n, ":2379"));
  }
  own.balance = options.sticky ? client::Balance::kSticky : client::Balance::kRoundRobin;
  own.user = own.password = options.user;
  auto runtime = std::make_unique<VirtualRuntime>(world, options.connection, options.seed);
  runtime_ = runtime.get();
  auto made = Client::Create(std::move(own), std::move(runtime));
  KV_CHECK(made.ok()) << made.status();
  client_ = *std::move(made);
}

Library::~Library() { KV_CHECK(runtime_->ended()); }

void Library::End() { runtime_->End(); }

bool Library::Has(std::string_view method) { return Find(method) != nullptr; }

Coroutine<> Library::Do(std::function<void()> work) {
  Future<bool> done;
  auto thread = std::find_if(threads_.begin(), threads_.end(),
                             [](const VirtualThread& of) { return of.idle(); });
  if (thread == threads_.end()) {
    threads_.emplace_back();
    thread = std::prev(threads_.end());
  }
  runtime_->GiveTurn(*thread, [this, work = std::move(work), done] {
    work();
    world_->scheduler().After(0, [done] { done.Set(true); });
  });
  co_await done;
}

Coroutine<CallResult> Library::Call(std::string method, std::string request, Time timeout,
                                    Way way) {
  const Function* const function = Find(method);
  KV_CHECK(function != nullptr) << method;
  const CallOptions options{.timeout = absl::Nanoseconds(timeout)};
  if (way == Way::kWaiting || function->call_back == nullptr) {
    CallResult result;
    co_await Do([&] { result = function->wait(*client_, request, options); });
    co_return result;
  }
  Future<CallResult> result;
  // Also that one may have to wait for a token.
  co_await Do([&] {
    function->call_back(*client_, request, options, [this, result](CallResult of) {
      world_->scheduler().After(0, [result, of = std::move(of)] { result.Set(of); });
    });
  });
  co_return co_await result;
}

}  // namespace keelson::simulation
