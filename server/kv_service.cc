#include <algorithm>
#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "base/failpoint.h"
#include "proto/keelson/command.pb.h"
#include "server/errors.h"
#include "server/kv_checks.h"
#include "server/kv_executor.h"
#include "server/load_lanes.h"
#include "server/proto_writer.h"
#include "server/range_slices.h"
#include "server/request_cost.h"
#include "server/services.h"

namespace keelson::server {
namespace {

using etcdserverpb::RangeRequest;
using rpc::Call;

// One chunk of RangeStream grows from here while chunks stay small (facts 4.5).
constexpr int64_t kStreamFirstKeys = 10;

// Runs `read` here, at once or as soon as a read is linearizable.
void WhenReadable(MemberCore* core, std::shared_ptr<Call> call, bool serializable,
                  absl::AnyInvocable<void(Call&)> read) {
  if (serializable) return read(*call);
  core->AwaitLinearizable(
      [core, call = std::move(call), read = std::move(read)](absl::Status status) mutable {
        if (call->cancelled()) return;
        if (!status.ok()) return call->Finish(status);
        if (rpc::CallTimes* const times = call->times()) times->granted = core->clock().Now();
        read(*call);
      });
}

void ReplyWithBody(MemberCore* core, Call& call, const absl::StatusOr<std::string>& body) {
  if (!body.ok()) return call.Finish(body.status());
  Reply(call, absl::OkStatus(), WithHeader(core->header(), *body));
}

// A range of any length as one answer, read a slice a turn of the loop.
class RangeInTurns : public std::enable_shared_from_this<RangeInTurns> {
 public:
  RangeInTurns(MemberCore* core, std::shared_ptr<Call> call, RangeRequest request)
      : core_(core),
        call_(std::move(call)),
        header_(core->header()),
        slices_(&core->store(), std::move(request)) {}

  void Step() {
    if (call_->cancelled()) return;
    if (core_->stopped()) return call_->Finish(ErrStopped());
    absl::StatusOr<RangeSlices::Slice> slice = slices_.Next(keys_);
    if (!slice.ok()) return call_->Finish(slice.status());
    const size_t bytes = slice->kvs.size();
    call_->Hold(bytes);
    body_.Append(SharedBytes(std::move(slice->kvs)));
    if (slice->at_end) return Answer(slice->more);
    if (bytes < kSliceBytes / 2) keys_ = std::min(2 * keys_, kSliceKeysMax);
    if (bytes > kSliceBytes) keys_ = std::max<int64_t>(1, keys_ / 2);
    core_->Post([self = shared_from_this()] { self->Step(); });
  }

 private:
  // Some two milliseconds of the loop.
  static constexpr size_t kSliceBytes = 512 << 10;
  static constexpr int64_t kSliceKeysMax = 1024;

  void Answer(bool more) {
    std::string head;
    AppendHeader(header_, head);
    std::string tail;
    ProtoWriter writer(&tail);
    writer.Bool(3, more);
    writer.Int(4, slices_.count());
    ByteChain answer(std::move(head));
    for (const SharedBytes& piece : body_.pieces()) answer.Append(piece);
    answer.Append(SharedBytes(std::move(tail)));
    call_->Send(std::move(answer));
    call_->Finish(absl::OkStatus());
  }

  MemberCore* const core_;
  const std::shared_ptr<Call> call_;
  const Header header_;
  RangeSlices slices_;
  ByteChain body_;
  int64_t keys_ = 128;
};

void RangeByTurns(MemberCore* core, std::shared_ptr<Call> call, RangeRequest request) {
  const bool serializable = request.serializable();
  WhenReadable(core, call, serializable,
               [core, call, request = std::move(request)](Call& c) mutable {
                 absl::Status status = CheckRead(core, c, request);
                 if (!status.ok()) return c.Finish(status);
                 ++core->kv_counters()->ranges;
                 std::make_shared<RangeInTurns>(core, std::move(call), std::move(request))->Step();
               });
}

void Range(MemberCore* core, std::shared_ptr<Call> call, const SharedBytes& bytes) {
  RangeRequest request;
  if (!ParseRequest(*call, bytes, request)) return;
  if (absl::Status status = CheckRange(request); !status.ok()) return call->Finish(status);
  const bool serializable = request.serializable();
  if (!serializable && core->reconfigurator().is_learner()) {
    return call->Finish(ErrNotSupportedForLearner());
  }
  // Known here already: its lane is by the same rule.
  const bool in_turns = LaneOfMethod(call->method()).Of(bytes.view()) == rpc::Lane::kRange &&
                        RangeSlices::CanRead(request);
  if (in_turns) return RangeByTurns(core, std::move(call), std::move(request));
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
    slices_ = std::make_unique<RangeSlices>(&core_->store(), std::move(request_));
    Produce();
  }

  void OnMessage(SharedBytes) override {}
  void OnHalfClose() override {}
  void OnCancel() override { Release(); }
  void OnWritable() override {
    if (slices_ && !finished_) Produce();
  }

 private:
  void Release() {
    finished_ = true;
    slices_.reset();
  }

  void Produce() {
    while (!finished_ && call_->queued_bytes() < chunk_bytes_ && !call_->congested()) {
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
    KV_FAILPOINT(beforeRangeStreamChunk);
    absl::StatusOr<RangeSlices::Slice> slice = slices_->Next(chunk_keys_);
    if (!slice.ok()) {
      Release();
      call_->Finish(slice.status());
      return false;
    }
    SendChunk(std::move(slice->kvs), slice->at_end, slice->more);
    if (slice->at_end) {
      Release();
      call_->Finish(absl::OkStatus());
      return false;
    }
    if (sent_bytes_ < chunk_bytes_) chunk_keys_ *= 2;
    if (sent_bytes_ > chunk_bytes_ * 4) chunk_keys_ = std::max<int64_t>(1, chunk_keys_ / 2);
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
      writer.Int(4, slices_->count());
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
  std::unique_ptr<RangeSlices> slices_;  // null before it begins and after its end
  int64_t chunk_keys_ = kStreamFirstKeys;
  uint64_t chunk_bytes_;
  uint64_t sent_bytes_ = 0;
  uint64_t auth_revision_ = 0;  // as of which the client may read; 0: auth is off
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
  if (core->reconfigurator().is_learner()) status = ErrNotSupportedForLearner();
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
