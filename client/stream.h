// BidiStream: one bidirectional stream on the loop, with the bookkeeping that every user of one
// would repeat: at most one read and one write in flight, writes queued, the end reported once,
// when nothing is in flight any more. Internal to client/; used on the loop's thread only.
#ifndef KEELSON_CLIENT_STREAM_H_
#define KEELSON_CLIENT_STREAM_H_

#include <deque>
#include <memory>
#include <utility>

#include "client/channel.h"
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
    virtual void OnClosed(const absl::Status& status) = 0;
  };

  explicit BidiStream(Owner* owner) : owner_(owner) {}
  BidiStream(const BidiStream&) = delete;
  BidiStream& operator=(const BidiStream&) = delete;

  // Reads the first message as soon as it can.
  void Start(Channel& channel, const char* method, const CallHeader& header) {
    call_ = channel.Open(method, header, &started_);
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
    call_->Read(&incoming_, &read_);
  }
  // OnClosed follows soon.
  void Cancel() {
    call_->Cancel();
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
  void OnFinished(bool) {
    const absl::Status status = std::move(status_);  // this may go before its owner is done with it
    owner_->OnClosed(status);
  }

  void MaybeWrite() {
    if (!open_ || writing_ || ended_ || outgoing_.empty()) return;
    writing_ = true;
    call_->Write(outgoing_.front(), &written_);
    outgoing_.pop_front();  // it has been serialised
  }
  void MaybeFinish() {
    if (!ended_ || reading_ || writing_ || finishing_) return;
    finishing_ = true;
    call_->Finish(&status_, &finished_);
  }

  Owner* const owner_;
  MemberEvent<BidiStream, &BidiStream::OnStarted> started_{this};
  MemberEvent<BidiStream, &BidiStream::OnRead> read_{this};
  MemberEvent<BidiStream, &BidiStream::OnWritten> written_{this};
  MemberEvent<BidiStream, &BidiStream::OnFinished> finished_{this};
  std::deque<Request> outgoing_;
  Response incoming_;
  absl::Status status_;
  bool open_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool ended_ = false;
  bool finishing_ = false;
  std::unique_ptr<StreamCall> call_;
};

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_STREAM_H_
