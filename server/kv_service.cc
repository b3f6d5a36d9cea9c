#include <utility>

#include "base/status_macros.h"
#include "proto/keelson/command.pb.h"
#include "server/errors.h"
#include "server/kv_checks.h"
#include "server/kv_executor.h"
#include "server/proto_writer.h"
#include "server/request_cost.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using etcdserverpb::RangeRequest;
using rpc::Call;
using storage::KeyRange;

// One chunk of RangeStream grows from here while chunks stay small (facts 4.5).
constexpr int64_t kStreamFirstKeys = 10;

// Runs `read` here, at once or as soon as a read is linearizable.
void WhenReadable(MemberCore* core, std::shared_ptr<Call> call, bool serializable,
                  absl::AnyInvocable<void(Call&)> read) {
  if (serializable) return read(*call);
  core->AwaitLinearizable(
      [call = std::move(call), read = std::move(read)](absl::Status status) mutable {
        if (call->cancelled()) return;
        if (!status.ok()) return call->Finish(status);
        read(*call);
      });
}

void ReplyWithBody(MemberCore* core, Call& call, const absl::StatusOr<std::string>& body) {
  if (!body.ok()) return call.Finish(body.status());
  Reply(call, absl::OkStatus(), WithHeader(core->header(), *body));
}

void Range(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  RangeRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckRange(request); !status.ok()) return call->Finish(status);
  const bool serializable = request.serializable();
  if (!serializable && core->reconfigurator().is_learner()) {
    return call->Finish(ErrNotSupportedForLearner());
  }
  WhenReadable(core, std::move(call), serializable, [core, request = std::move(request)](Call& c) {
    if (absl::Status status = CheckRead(core, c, request); !status.ok()) return c.Finish(status);
    ReplyWithBody(core, c, KvExecutor(&core->store(), core->kv_counters()).Range(request));
  });
}

void Put(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::PutRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckPut(request); !status.ok()) return call->Finish(status);
  SubmitForCall(core, std::move(call), proto::Command::kPutFieldNumber, bytes.view(),
                      PutCost(request));
}

void DeleteRange(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::DeleteRangeRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckDeleteRange(request); !status.ok()) return call->Finish(status);
  SubmitForCall(core, std::move(call), proto::Command::kDeleteRangeFieldNumber, bytes.view());
}

void Txn(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::TxnRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckTxn(request, core->options().txn_ops_max); !status.ok()) {
    return call->Finish(status);
  }
  if (!IsReadOnly(request)) {
    return SubmitForCall(core, std::move(call), proto::Command::kTxnFieldNumber, bytes.view(),
                               TxnCost(request));
  }
  const bool serializable = IsSerializable(request);
  WhenReadable(core, std::move(call), serializable, [core, request = std::move(request)](Call& c) {
    if (absl::Status status = CheckRead(core, c, request); !status.ok()) return c.Finish(status);
    ReplyWithBody(core, c, KvExecutor(&core->store(), core->kv_counters()).Txn(request));
  });
}

void Compact(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  etcdserverpb::CompactionRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  SubmitAs(core, call, proto::Command::kCompactionFieldNumber, bytes.view(), /*cost=*/0,
           [core, call, physical = request.physical()](Answer answer) {
             Header header = core->header();
             header.revision = answer.revision;
             const auto reply = [call, header](absl::Status status) {
               if (!status.ok()) return call->Finish(status);
               Reply(*call, absl::OkStatus(), WithHeader(header, {}));
             };
             if (!answer.status.ok() || !physical) return reply(answer.status);
             core->AwaitPhysicalCompaction(reply);
           });
}

// A range sent in chunks, each read when the client has taken the one before. The revision is that
// of the first chunk, held readable by a pin.
class RangeStreamer final : public rpc::StreamReceiver {
 public:
  RangeStreamer(MemberCore* core, std::shared_ptr<Call> call, RangeRequest request)
      : core_(core), call_(std::move(call)), request_(std::move(request)) {
    chunk_bytes_ = core_->options().request_bytes_max / 2;
  }

  void Begin() {
    if (absl::Status status = CheckRead(core_, *call_, request_); !status.ok()) {
      finished_ = true;
      return call_->Finish(status);
    }
    auth_revision_ = core_->auth().enabled() ? core_->auth().revision() : 0;
    header_ = core_->header();
    storage::Store& store = core_->store();
    if (request_.revision() <= 0) request_.set_revision(store.revision().value());
    left_ = request_.limit() > 0 ? request_.limit() : -1;
    pin_ = store.PinRevision(Revision(request_.revision()));
    begun_ = true;
    Produce();
  }

  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override { Release(); }
  void OnWritable() override {
    if (begun_ && !finished_) Produce();
  }

 private:
  void Release() {
    finished_ = true;
    pin_.reset();
  }

  void Produce() {
    while (!finished_ && call_->queued_bytes() < chunk_bytes_) {
      if (!ProduceChunk()) return;
    }
  }

  // False: the stream is at its end.
  bool ProduceChunk() {
    if (auth_revision_ != 0 && auth_revision_ != core_->auth().revision()) {
      Release();
      call_->Finish(ErrAuthOldRevision());
      return false;
    }
    RangeRequest step = request_;
    step.set_limit(left_ >= 0 ? std::min(left_, chunk_keys_) : chunk_keys_);
    std::string kvs;
    ProtoWriter writer(&kvs);
    std::string last_key;
    int64_t keys = 0;
    storage::RangeQuery query;
    query.range = KeyRange::FromWire(step.key(), step.range_end());
    query.revision = Revision(step.revision());
    query.limit = step.limit();
    query.keys_only = step.keys_only();
    query.count_only = step.count_only();
    const auto summary = core_->store().Range(query, [&](std::string_view kv) {
      writer.Message(2, kv);
      storage::KeyValue parsed;
      if (storage::ParseKeyValue(kv, parsed)) last_key = std::string(parsed.key);
      ++keys;
    });
    if (!summary.ok()) {
      Release();
      call_->Finish(FromStorage(summary.status()));
      return false;
    }
    if (total_ < 0) total_ = summary->count;
    if (left_ >= 0) left_ -= keys;
    const bool at_end = step.count_only() || !summary->more || left_ == 0;
    SendChunk(std::move(kvs), at_end, summary->more);
    if (at_end) {
      Release();
      call_->Finish(absl::OkStatus());
      return false;
    }
    if (sent_bytes_ < chunk_bytes_) chunk_keys_ *= 2;
    if (sent_bytes_ > chunk_bytes_ * 4) chunk_keys_ = std::max<int64_t>(1, chunk_keys_ / 2);
    // From just behind the last key; a single key never gets here.
    last_key.push_back('\0');
    request_.set_key(last_key);
    return true;
  }

  // Only the last chunk has header, more and count.
  void SendChunk(std::string kvs, bool last, bool more) {
    std::string response;
    if (last) AppendHeader(header_, response);
    response += kvs;
    if (last) {
      ProtoWriter writer(&response);
      writer.Bool(3, more);
      writer.Int(4, total_);
    }
    sent_bytes_ = response.size();
    std::string message;
    ProtoWriter(&message).Message(1, response);
    call_->Send(ByteChain(std::move(message)));
  }

  MemberCore* const core_;
  const std::shared_ptr<Call> call_;
  RangeRequest request_;
  Header header_;
  std::unique_ptr<storage::Store::Pin> pin_;
  int64_t left_ = -1;   // of the limit; -1: no limit
  int64_t total_ = -1;  // keys of the whole range
  int64_t chunk_keys_ = kStreamFirstKeys;
  uint64_t chunk_bytes_;
  uint64_t sent_bytes_ = 0;
  uint64_t auth_revision_ = 0;  // as of which the client may read; 0: auth is off
  bool begun_ = false;
  bool finished_ = false;
};

std::unique_ptr<rpc::StreamReceiver> RangeStream(MemberCore* core, std::shared_ptr<Call> call,
                                                 const SharedBytes& bytes) {
  RangeRequest request;
  if (!ParseRequest(*call, bytes, request)) return nullptr;
  absl::Status status = CheckRange(request);
  if (status.ok() && (request.sort_order() == RangeRequest::DESCEND ||
                      request.sort_target() != RangeRequest::KEY)) {
    status = absl::UnimplementedError("RangeStream does not support custom sort orders");
  }
  if (status.ok() && (request.min_mod_revision() != 0 || request.max_mod_revision() != 0 ||
                      request.min_create_revision() != 0 || request.max_create_revision() != 0)) {
    status = absl::UnimplementedError("RangeStream does not support revision filters");
  }
  if (!status.ok()) {
    call->Finish(status);
    return nullptr;
  }
  const bool serializable = request.serializable();
  auto streamer = std::make_unique<RangeStreamer>(core, call, std::move(request));
  // The call owns the streamer as long as it is not cancelled.
  WhenReadable(core, std::move(call), serializable,
               [raw = streamer.get()](Call&) { raw->Begin(); });
  return streamer;
}

}  // namespace

void RegisterKv(MemberCore* core, rpc::RpcServer* server) {
  server->RegisterUnary("/etcdserverpb.KV/Range", BindUnary<Range>(core));
  server->RegisterUnary("/etcdserverpb.KV/Put", BindUnary<Put>(core));
  server->RegisterUnary("/etcdserverpb.KV/DeleteRange", BindUnary<DeleteRange>(core));
  server->RegisterUnary("/etcdserverpb.KV/Txn", BindUnary<Txn>(core));
  server->RegisterUnary("/etcdserverpb.KV/Compact", BindUnary<Compact>(core));
  server->RegisterServerStream("/etcdserverpb.KV/RangeStream",
                               [core](std::shared_ptr<Call> call, SharedBytes request) {
                                 return RangeStream(core, std::move(call), request);
                               });
}

}  // namespace keelson::server
