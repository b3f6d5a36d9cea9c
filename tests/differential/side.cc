#include "tests/differential/side.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "proto/etcd/election.pb.h"
#include "proto/etcd/lock.pb.h"
#include "proto/etcd/rpc.pb.h"
#include "tests/differential/metrics_page.h"

namespace keelson::differential {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

// A time limit is there to end a hang.
constexpr std::chrono::seconds kCallTimeout(20);

const MethodDescriptor& MethodOf(const std::string& name) {
  const std::pair<std::string, std::string> words = absl::StrSplit(name, '.');
  for (const auto* file :
       {etcdserverpb::PutRequest::descriptor()->file(), v3lockpb::LockRequest::descriptor()->file(),
        v3electionpb::CampaignRequest::descriptor()->file()}) {
    const auto* service = file->FindServiceByName(words.first);
    const auto* method = service == nullptr ? nullptr : service->FindMethodByName(words.second);
    if (method != nullptr) return *method;
  }
  KV_CHECK(false) << "no method " << name;
  std::abort();
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt("grpc.enable_retries", 0);
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  arguments.SetInt("grpc.enable_http_proxy", 0);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

bool operator==(const Answer& a, const Answer& b) {
  if (a.code != b.code || a.error != b.error) return false;
  if (a.message == nullptr || b.message == nullptr) return a.message == b.message;
  return a.message->SerializeAsString() == b.message->SerializeAsString();
}

std::string ToString(const Answer& answer) {
  if (!answer.ok()) return absl::StrCat("code ", answer.code, " ", answer.error);
  std::string text = answer.message == nullptr ? "(none)" : answer.message->ShortDebugString();
  constexpr size_t kShown = 4000;
  if (text.size() > kShown) text = text.substr(0, kShown) + "...";
  return absl::StrCat("{", text, "}");
}

Answer Refusal(int code, std::string error) {
  Answer answer;
  answer.code = code;
  answer.error = std::move(error);
  return answer;
}

Side::Side(std::string name, std::string program)
    : name_(std::move(name)),
      process_(std::move(program)),
      symbols_(process_.client_url(), process_.peer_url()),
      channel_(Connect(process_.target())),
      stub_(channel_) {}

Side::~Side() { queue_.Shutdown(); }

void Side::WaitServing() {
  const auto deadline = std::chrono::system_clock::now() + std::chrono::seconds(60);
  KV_CHECK(channel_->WaitForConnected(deadline))
      << name_ << " cannot be reached: " << process_.LogTail();
  etcdserverpb::RangeRequest request;
  request.set_key("ready?");
  const Operation read{.method = "KV.Range",
                       .request = std::make_shared<etcdserverpb::RangeRequest>(request)};
  while (!Call(read).ok()) {
    KV_CHECK(process_.Running() && std::chrono::system_clock::now() < deadline)
        << name_ << " does not serve: " << process_.LogTail();
  }
  // The first id that is seen is its own, symbol 0.
  const Operation members{.method = "Cluster.MemberList",
                          .request = std::make_shared<etcdserverpb::MemberListRequest>()};
  KV_CHECK(Call(members).ok());
}

std::string Side::TokenOf(const std::string& user) const {
  if (user.empty()) return "";
  const auto token = tokens_.find(user);
  return token == tokens_.end() ? "no.1" : token->second;
}

void Side::Prepare(grpc::ClientContext& context, const std::string& user) const {
  context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
  if (!user.empty()) context.AddMetadata("token", TokenOf(user));
}

void Side::Start(const Operation& operation) {
  KV_CHECK(operation_ == nullptr);
  operation_ = &operation;
  const MethodDescriptor& method = MethodOf(operation.method);
  resolved_.reset(operation.request->New());
  resolved_->CopyFrom(*operation.request);
  symbols_.Resolve(resolved_.get());
  context_ = std::make_unique<grpc::ClientContext>();
  Prepare(*context_, operation.user);
  auto& factory = *google::protobuf::MessageFactory::generated_factory();
  message_.reset(factory.GetPrototype(method.output_type())->New());
  reader_ = stub_.PrepareUnaryCall(
      context_.get(), absl::StrCat("/", method.service()->full_name(), "/", method.name()),
      *resolved_, &queue_);
  reader_->StartCall();
  reader_->Finish(message_.get(), &status_, this);
}

Answer Side::Finish() {
  void* tag = nullptr;
  bool ok = false;
  KV_CHECK(queue_.Next(&tag, &ok));
  const Operation& operation = *std::exchange(operation_, nullptr);
  reader_.reset();
  context_.reset();
  if (status_.ok()) Learn(operation);
  return Normalized(status_, std::move(message_));
}

void Side::Learn(const Operation& operation) {
  if (const auto* token = dynamic_cast<etcdserverpb::AuthenticateResponse*>(message_.get())) {
    const auto& who = dynamic_cast<const etcdserverpb::AuthenticateRequest&>(*resolved_);
    tokens_[who.name()] = token->token();
  } else if (const auto* lease = dynamic_cast<etcdserverpb::LeaseGrantResponse*>(message_.get())) {
    const auto& wish = dynamic_cast<const etcdserverpb::LeaseGrantRequest&>(*resolved_);
    if (wish.id() == 0) {
      symbols_.OnLease(kLeaseSlot + static_cast<int64_t>(operation.choice), lease->id());
    }
  } else if (operation.method == "KV.Compact") {
    symbols_.OnCompacted(
        dynamic_cast<const etcdserverpb::CompactionRequest&>(*resolved_).revision());
  }
}

Answer Side::Normalized(const grpc::Status& status, std::unique_ptr<Message> message) {
  Answer answer;
  answer.code = status.error_code();
  if (!status.ok()) {
    answer.error = symbols_.NormalizeText(status.error_message());
    return answer;
  }
  symbols_.Normalize(message.get());
  answer.message = std::move(message);
  return answer;
}

Answer Side::KeepAlive(const Operation& operation) {
  grpc::ClientContext context;
  Prepare(context, operation.user);
  auto request = dynamic_cast<const etcdserverpb::LeaseKeepAliveRequest&>(*operation.request);
  symbols_.Resolve(&request);
  auto response = std::make_unique<etcdserverpb::LeaseKeepAliveResponse>();
  const auto stub = etcdserverpb::Lease::NewStub(channel_);
  const auto stream = stub->LeaseKeepAlive(&context);
  stream->Write(request);
  if (stream->Read(response.get())) {
    context.TryCancel();
    stream->Finish();
    return Normalized(grpc::Status::OK, std::move(response));
  }
  return Normalized(stream->Finish(), nullptr);
}

Answer Side::RangeStream(const Operation& operation) {
  grpc::ClientContext context;
  Prepare(context, operation.user);
  auto request = dynamic_cast<const etcdserverpb::RangeRequest&>(*operation.request);
  symbols_.Resolve(&request);
  auto whole = std::make_unique<etcdserverpb::RangeResponse>();
  etcdserverpb::RangeStreamResponse part;
  const auto stub = etcdserverpb::KV::NewStub(channel_);
  const auto stream = stub->RangeStream(&context, request);
  while (stream->Read(&part)) whole->MergeFrom(part.range_response());
  return Normalized(stream->Finish(), std::move(whole));
}

void Side::OpenStream(int slot, const std::string& user) {
  auto& stream = streams_[static_cast<size_t>(slot)];
  stream.reset();
  stream = std::make_unique<WatchStream>(channel_, TokenOf(user));
}

int64_t Side::CountSlowWatchers() const {
  const auto count =
      FindMetric(FetchMetrics(process_.port()), "etcd_debugging_mvcc_slow_watcher_total");
  KV_CHECK(count.has_value()) << name_ << " does not say how many watchers are slow";
  return static_cast<int64_t>(*count);
}

}  // namespace keelson::differential
