// BidiStream: one bidirectional gRPC stream on the loop, with the bookkeeping that every user of one
// would repeat: at most one read and one write in flight, writes queued, the end reported once, when
// nothing is in flight any more. Internal to client/; used on the loop's thread only.
#ifndef KEELSON_CLIENT_STREAM_H_
#define KEELSON_CLIENT_STREAM_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/async_stream.h>

#include <deque>
#include <functional>
#include <memory>
#include <utility>

#include "base/check.h"
#include "client/event_loop.h"

namespace keelson::client {

template <typename Request, typename Response>
class BidiStream {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void OnMessage(Response message) = 0;
    // The stream is over; may be destroyed in here. Nothing else is called after this.
    virtual void OnClosed(const grpc::Status& status) = 0;
  };
  using Rpc = grpc::ClientAsyncReaderWriter<Request, Response>;

  explicit BidiStream(Owner* owner) : owner_(owner) {}
  BidiStream(const BidiStream&) = delete;
  BidiStream& operator=(const BidiStream&) = delete;

  grpc::ClientContext& context() { return context_; }
  // `open` begins the call with the tag it is given. Reads the first message as soon as it can.
  void Start(const std::function<std::unique_ptr<Rpc>(grpc::ClientContext*, void*)>& open) {
    rpc_ = open(&context_, &started_);
  }
  void Write(Request request) {
    outgoing_.push_back(std::move(request));
    MaybeWrite();
  }
  // After each OnMessage the next is read only when this is called.
  void Read() {
    if (!open_ || reading_ || ended_) return;
    reading_ = true;
    incoming_.Clear();
    rpc_->Read(&incoming_, &read_);
  }
  // OnClosed follows soon.
  void Cancel() {
    context_.TryCancel();
    Read();  // so that somebody notices
  }

 private:
  void OnStarted(bool ok) {
    open_ = true;
    if (!ok) {
      ended_ = true;
      return MaybeFinish();
    }
    Read();
    MaybeWrite();
  }
  void OnRead(bool ok) {
    reading_ = false;
    if (ok) return owner_->OnMessage(std::move(incoming_));
    ended_ = true;
    MaybeFinish();
  }
  void OnWritten(bool ok) {
    writing_ = false;
    if (ok) MaybeWrite();
    MaybeFinish();
  }
  void OnFinished(bool) { owner_->OnClosed(status_); }

  void MaybeWrite() {
    if (!open_ || writing_ || ended_ || outgoing_.empty()) return;
    writing_ = true;
    rpc_->Write(outgoing_.front(), &written_);
    outgoing_.pop_front();  // gRPC has serialised it
  }
  void MaybeFinish() {
    if (!ended_ || reading_ || writing_ || finishing_) return;
    finishing_ = true;
    rpc_->Finish(&status_, &finished_);
  }

  Owner* const owner_;
  grpc::ClientContext context_;
  std::unique_ptr<Rpc> rpc_;  // after context_: lives in the memory of its call
  MemberEvent<BidiStream, &BidiStream::OnStarted> started_{this};
  MemberEvent<BidiStream, &BidiStream::OnRead> read_{this};
  MemberEvent<BidiStream, &BidiStream::OnWritten> written_{this};
  MemberEvent<BidiStream, &BidiStream::OnFinished> finished_{this};
  std::deque<Request> outgoing_;
  Response incoming_;
  grpc::Status status_;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;
  bool finishing_ = false;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_STREAM_H_
