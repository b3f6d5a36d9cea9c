// After the hello and its answer (server/peer_hello.h):
//
//   offer  := size:le32 crc32c:le32 message:size     by the dialer: an InstallSnapshot
//   (raft_codec.cc) resume := offset:be64                            by the acceptor: what it has
//   of the stream already stream                                           by the dialer, from
//   there on (on-disk-format.md) result := code:u8                                by the acceptor:
//   0 arrived, 1 damaged, 2 failed
#include "server/snapshot_transfer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/buffer.hpp"
#include "asio/connect.hpp"
#include "asio/post.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "base/clock.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "server/peer_hello.h"
#include "server/raft_codec.h"
#include "server/snapshot_keeper.h"

namespace keelson::server {
namespace {

using asio::ip::tcp;

constexpr size_t kOfferHeadBytes = 8;
constexpr uint64_t kOfferBytesMax = 1 << 20;
constexpr uint64_t kPieceBytes = 256 << 10;

enum Result : uint8_t { kArrived = 0, kDamaged = 1, kFailed = 2 };

absl::Duration Now() { return RealClock().Now(); }

std::string EncodeOffer(const raft::Message& message) {
  const std::string body = EncodeRaftMessage(message).Flatten();
  std::string offer;
  AppendLittle32(offer, static_cast<uint32_t>(body.size()));
  AppendLittle32(offer, Crc32c(body));
  return offer + body;
}

std::string Describe(NodeId id) { return absl::StrCat(absl::Hex(id.value())); }

}  // namespace

// ---------------------------------------------------------------------------------------- sender

class SnapshotTransfer::Sender : public std::enable_shared_from_this<Sender> {
 public:
  Sender(SnapshotTransfer* transfer, const raft::Message& message, CheckpointPtr checkpoint,
         std::vector<Url> urls, SendDone done)
      : transfer_(transfer),
        peer_(message.to),
        urls_(std::move(urls)),
        done_(std::move(done)),
        checkpoint_(std::move(checkpoint)),
        source_(checkpoint_->NewSource()),
        opening_(EncodeHello({.purpose = PeerPurpose::kSnapshot,
                              .cluster = transfer->options_.cluster_id,
                              .from = transfer->options_.self,
                              .to = message.to})),
        offer_(EncodeOffer(message)),
        resolver_(*transfer->worker_),
        stream_(*transfer->worker_),
        timeout_(*transfer->worker_),
        pause_(*transfer->worker_),
        began_(Now()),
        progressed_(began_) {}

  void Start() {
    if (urls_.empty()) return Finish(raft::SnapshotResult::kFailed, "its address is not known");
    Dial();
  }

  void Stop() {
    transfer_ = nullptr;
    Close();
    pause_.cancel();
    resolver_.cancel();
  }

 private:
  using Error = const asio::error_code&;

  // A completion of the present connection, without an error, goes on with `next`.
  template <typename Next>
  auto Then(Next next) {
    return [self = shared_from_this(), epoch = epoch_, next](Error error, auto&&...) {
      if (!self->transfer_ || epoch != self->epoch_) return;
      if (error) return self->Retry(self->stream_.Describe(error));
      next(self.get());
    };
  }

  void Dial() {
    const Url& url = urls_[next_url_++ % urls_.size()];
    AwaitStep(transfer_->options_.step_timeout);
    resolver_.async_resolve(
        url.host, std::to_string(url.port),
        [self = shared_from_this(), epoch = epoch_, &url](Error error, const auto& found) {
          if (!self->transfer_ || epoch != self->epoch_) return;
          if (error) return self->Retry(error.message());
          self->stream_ = http::SecureStream(*self->transfer_->worker_);
          asio::async_connect(self->stream_.socket(), found,
                              self->Then([&url](Sender* s) { s->Secure(url); }));
        });
  }

  void Secure(const Url& url) {
    asio::error_code ignored;  // a socket that just broke shows it on the next write
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    if (url.secure()) {
      stream_.StartTls(
          transfer_->options_.tls->Connect(stream_.socket().native_handle(), url.host));
    }
    stream_.AsyncHandshake(Then([](Sender* s) { s->SayHello(); }));
  }

  void SayHello() {
    asio::async_write(stream_, asio::buffer(opening_), Then([](Sender* s) { s->AwaitWelcome(); }));
  }

  void AwaitWelcome() {
    asio::async_read(stream_, asio::buffer(&code_, 1), Then([](Sender* s) {
                       if (s->code_ != kWelcome) return s->Retry(HelloCodeText(s->code_));
                       s->Offer();
                     }));
  }

  void Offer() {
    asio::async_write(stream_, asio::buffer(offer_), Then([](Sender* s) {
                        asio::async_read(s->stream_, asio::buffer(s->resume_),
                                         s->Then([](Sender* again) { again->Resume(); }));
                      }));
  }

  void Resume() {
    offset_ = LoadBig64(resume_.data());
    if (offset_ > source_->bytes()) return Retry("it asks for more than there is");
    Progress();
    SendNext();
  }

  void Progress() {
    if (offset_ <= best_) return;
    best_ = offset_;
    progressed_ = Now();
  }

  void SendNext() {
    if (Now() - began_ > transfer_->options_.age_max) {
      return Finish(raft::SnapshotResult::kFailed, "it takes too long");
    }
    if (offset_ == source_->bytes()) return AwaitResult();
    auto piece = source_->Read(offset_, kPieceBytes);
    if (!piece.ok()) {
      return Finish(raft::SnapshotResult::kFailed, std::string(piece.status().message()));
    }
    piece_ = *std::move(piece);
    AwaitStep(transfer_->options_.step_timeout);
    asio::async_write(stream_, asio::buffer(piece_), Then([](Sender* s) { s->OnSent(); }));
  }

  void OnSent() {
    offset_ += piece_.size();
    Progress();
    const absl::Duration wait = transfer_->pace_.Take(piece_.size(), Now());
    if (wait == absl::ZeroDuration()) return SendNext();
    timeout_.cancel();
    pause_.expires_after(absl::ToChronoNanoseconds(wait));
    pause_.async_wait(Then([](Sender* s) { s->SendNext(); }));
  }

  void AwaitResult() {
    AwaitStep(transfer_->options_.finish_timeout);
    asio::async_read(stream_, asio::buffer(&code_, 1), Then([](Sender* s) {
                       if (s->code_ != kArrived) {
                         return s->Finish(
                             raft::SnapshotResult::kFailed,
                             s->code_ == kDamaged ? "it arrived damaged" : "the receiver failed");
                       }
                       s->Finish(raft::SnapshotResult::kDelivered, "");
                     }));
  }

  void AwaitStep(absl::Duration time_max) {
    timeout_.expires_after(absl::ToChronoNanoseconds(time_max));
    timeout_.async_wait([self = shared_from_this(), epoch = epoch_](Error error) {
      if (error || !self->transfer_ || epoch != self->epoch_) return;
      self->Retry("timed out");
    });
  }

  void Close() {
    ++epoch_;
    stream_.Close();
    timeout_.cancel();
  }

  void Retry(const std::string& reason) {
    Close();
    if (Now() - progressed_ > transfer_->options_.give_up) {
      return Finish(raft::SnapshotResult::kFailed, reason);
    }
    pause_.expires_after(absl::ToChronoNanoseconds(transfer_->options_.retry));
    pause_.async_wait(Then([](Sender* s) { s->Dial(); }));
  }

  void Finish(raft::SnapshotResult result, const std::string& reason) {
    SnapshotTransfer* const transfer = transfer_;
    transfer->handlers_.on_notice(
        result == raft::SnapshotResult::kDelivered
            ? absl::StrCat("sent a snapshot of ", source_->bytes(), " bytes at entry ",
                           source_->description().applied.value(), " to peer ", Describe(peer_))
            : absl::StrCat("could not send a snapshot to peer ", Describe(peer_), ": ", reason));
    Stop();
    const auto self = shared_from_this();
    transfer->senders_.erase(self);
    done_(result);
  }

  SnapshotTransfer* transfer_;  // null once ended
  const NodeId peer_;
  const std::vector<Url> urls_;
  size_t next_url_ = 0;
  SendDone done_;
  const CheckpointPtr checkpoint_;
  const std::unique_ptr<storage::SnapshotSource> source_;
  const std::string opening_;
  const std::string offer_;
  tcp::resolver resolver_;
  http::SecureStream stream_;
  asio::steady_timer timeout_;
  asio::steady_timer pause_;
  uint64_t epoch_ = 0;  // of the connection; a completion of an earlier one is ignored
  uint8_t code_ = 0;
  std::array<char, 8> resume_;
  uint64_t offset_ = 0;
  uint64_t best_ = 0;  // the furthest offset
  std::string piece_;
  const absl::Duration began_;
  absl::Duration progressed_;
};

// -------------------------------------------------------------------------------------- receiver

class SnapshotTransfer::Receiver : public std::enable_shared_from_this<Receiver> {
 private:
  template <typename Next>
  auto Then(Next next) {
    return [self = shared_from_this(), next](const asio::error_code& error, size_t bytes) {
      if (!self->transfer_) return;
      if (error) return self->End();
      next(self.get(), bytes);
    };
  }

 public:
  Receiver(SnapshotTransfer* transfer, NodeId from, http::SecureStream stream)
      : transfer_(transfer),
        from_(from),
        stream_(std::move(stream)),
        timeout_(*transfer->worker_),
        buffer_(kPieceBytes, '\0') {}

  void Start() {
    AwaitStep();
    asio::async_read(stream_, asio::buffer(buffer_, kOfferHeadBytes),
                     Then([](Receiver* r, size_t) { r->OnOfferHead(); }));
  }

  void Stop() {
    transfer_ = nullptr;
    stream_.Close();
    timeout_.cancel();
  }

  // Another connection goes on with what came over this one.
  void End() {
    if (!transfer_) return;
    SnapshotTransfer* const transfer = transfer_;
    Stop();
    transfer->receivers_.erase(shared_from_this());
  }

 private:
  void OnOfferHead() {
    const uint64_t size = LoadLittle32(buffer_.data());
    crc_ = LoadLittle32(buffer_.data() + 4);
    if (size > kOfferBytesMax) return Refuse("its offer is too long");
    buffer_.resize(std::max<uint64_t>(size, kPieceBytes));
    asio::async_read(stream_, asio::buffer(buffer_, size),
                     Then([](Receiver* r, size_t bytes) { r->OnOffer(bytes); }));
  }

  void OnOffer(size_t bytes) {
    const std::string_view body = std::string_view(buffer_).substr(0, bytes);
    if (Crc32c(body) != crc_) return Refuse("its offer fails its checksum");
    auto message = DecodeRaftMessage(SharedBytes::Copy(body));
    if (!message || message->from != from_ || message->to != transfer_->options_.self ||
        !std::holds_alternative<raft::InstallSnapshot>(message->body)) {
      return Refuse("its offer is malformed");
    }
    message_ = *std::move(message);
    Answer();
  }

  const raft::Snapshot& snapshot() const {
    return *std::get<raft::InstallSnapshot>(message_.body).snapshot;
  }
  std::string name() const { return std::string(snapshot().data.view()); }

  void Answer() {
    std::optional<Partial>& partial = transfer_->partial_;
    std::string resume;
    if (EncodeRaftMessage(message_).Flatten() == transfer_->complete_) {
      // All of it came, and the answer was lost. (The same state with a message of a later term is
      // another matter: raft may have had no use for the first.)
      AppendBig64(resume, transfer_->complete_bytes_);
      resume.push_back(kArrived);
      return Reply(std::move(resume), [](Receiver* r, size_t) { r->End(); });
    }
    if (partial && partial->name == name()) {
      if (const auto other = partial->connection.lock()) other->End();
    } else {
      transfer_->DropPartial();
      partial.emplace();
      partial->name = name();
      partial->directory = transfer_->handlers_.new_incoming();
      partial->stream = std::make_unique<storage::SnapshotReceiver>(partial->directory,
                                                                    &storage::PosixFileSystem());
      transfer_->handlers_.on_notice(absl::StrCat("receiving a snapshot at entry ",
                                                  snapshot().id.index.value(), " from peer ",
                                                  Describe(from_)));
    }
    partial->connection = weak_from_this();
    AppendBig64(resume, partial->stream->offset());
    Reply(std::move(resume), [](Receiver* r, size_t) { r->Read(); });
  }

  template <typename Next>
  void Reply(std::string bytes, Next next) {
    reply_ = std::move(bytes);
    AwaitStep();
    asio::async_write(stream_, asio::buffer(reply_), Then(next));
  }

  bool OwnsPartial() const {
    return transfer_->partial_ && transfer_->partial_->connection.lock().get() == this;
  }

  void Read() {
    if (OwnsPartial() && transfer_->partial_->stream->complete()) return OnComplete();
    AwaitStep();
    stream_.async_read_some(asio::buffer(buffer_),
                            Then([](Receiver* r, size_t bytes) { r->OnBytes(bytes); }));
  }

  void OnBytes(size_t bytes) {
    if (!OwnsPartial()) return End();
    const absl::Status status =
        transfer_->partial_->stream->Append(std::string_view(buffer_).substr(0, bytes));
    if (!status.ok()) return Fail(status);
    transfer_->ArmPartialTimer();
    Read();
  }

  // Its description must be what the message says: what is installed is what raft agreed to.
  void OnComplete() {
    Partial& partial = *transfer_->partial_;
    absl::Status status = partial.stream->Finish();
    const storage::SnapshotDescription& description = *partial.stream->description();
    if (status.ok() &&
        (description.applied != snapshot().id.index || description.term != snapshot().id.term ||
         SnapshotName(description) != partial.name)) {
      status = absl::DataLossError("the snapshot is not the one that was offered");
    }
    if (!status.ok()) return Fail(status);
    transfer_->complete_ = EncodeRaftMessage(message_).Flatten();
    transfer_->complete_bytes_ = partial.stream->offset();
    const std::string directory = std::move(partial.directory);
    transfer_->partial_.reset();
    transfer_->handlers_.on_received(message_, directory);
    Reply(std::string(1, kArrived), [](Receiver* r, size_t) { r->End(); });
  }

  void Fail(const absl::Status& status) {
    transfer_->handlers_.on_notice(
        absl::StrCat("a snapshot of peer ", Describe(from_), " was refused: ", status.message()));
    transfer_->DropPartial();
    const bool damaged = absl::IsDataLoss(status) || absl::IsFailedPrecondition(status);
    Reply(std::string(1, damaged ? kDamaged : kFailed), [](Receiver* r, size_t) { r->End(); });
  }

  void Refuse(const std::string& reason) {
    transfer_->handlers_.on_notice(
        absl::StrCat("closed a snapshot connection of peer ", Describe(from_), ": ", reason));
    End();
  }

  void AwaitStep() {
    timeout_.expires_after(absl::ToChronoNanoseconds(3 * transfer_->options_.step_timeout));
    timeout_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->End();
    });
  }

  SnapshotTransfer* transfer_;  // null once ended
  const NodeId from_;
  http::SecureStream stream_;
  asio::steady_timer timeout_;
  std::string buffer_;
  std::string reply_;
  uint32_t crc_ = 0;
  raft::Message message_;
};

// -------------------------------------------------------------------------------------- transfer

SnapshotTransfer::SnapshotTransfer(asio::io_context* worker, Options options, Handlers handlers)
    : worker_(worker),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      pace_(options_.bytes_per_second),
      partial_timer_(*worker) {}

SnapshotTransfer::~SnapshotTransfer() { Stop(); }

void SnapshotTransfer::Stop() {
  for (const auto& sender : senders_) sender->Stop();
  senders_.clear();
  for (const auto& receiver : receivers_) receiver->Stop();
  receivers_.clear();
  partial_timer_.cancel();
}

void SnapshotTransfer::Send(const raft::Message& message, CheckpointPtr checkpoint,
                            std::vector<Url> urls, SendDone done) {
  asio::post(*worker_, [this, message, checkpoint = std::move(checkpoint), urls = std::move(urls),
                        done = std::move(done)]() mutable {
    const auto sender = std::make_shared<Sender>(this, message, std::move(checkpoint),
                                                 std::move(urls), std::move(done));
    senders_.insert(sender);
    sender->Start();
  });
}

void SnapshotTransfer::Accept(NodeId from, http::SecureStream stream) {
  std::optional<http::SecureStream::Detached> detached = stream.Detach();
  if (!detached) return;
  asio::post(*worker_, [this, from, detached = *std::move(detached)] {
    http::SecureStream own(*worker_);
    if (own.Attach(detached)) return;
    const auto receiver = std::make_shared<Receiver>(this, from, std::move(own));
    receivers_.insert(receiver);
    receiver->Start();
  });
}

void SnapshotTransfer::DropPartial() {
  if (!partial_) return;
  partial_timer_.cancel();
  const std::string directory = std::move(partial_->directory);
  partial_.reset();  // closes its files
  handlers_.remove_incoming(directory);
}

// A state whose sender does not come back must not keep its disk space.
void SnapshotTransfer::ArmPartialTimer() {
  partial_timer_.expires_after(absl::ToChronoNanoseconds(options_.partial_age_max));
  partial_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) DropPartial();
  });
}

}  // namespace keelson::server
