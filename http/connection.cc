#include "http/connection.h"

#include <algorithm>
#include <utility>

#include "asio/post.hpp"
#include "http/http1_session.h"
#include "http/http2_session.h"

namespace keelson::http {
namespace {

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr size_t kOutputMax = 256 * 1024;
// Then the other connections of the loop get their turn.
constexpr int kReadsPerTurn = 4;
constexpr int kWritesPerTurn = 4;
constexpr size_t kPiecesMax = 256;

}  // namespace

Connection::Connection(std::shared_ptr<ConnectionEnvironment> environment,
                       std::unique_ptr<Transport> transport,
                       std::function<void(Connection*)> on_closed)
    : environment_(std::move(environment)),
      transport_(std::move(transport)),
      on_closed_(std::move(on_closed)),
      output_(&environment_->blocks),
      state_since_(environment_->clock->Now()) {}

void Connection::Start() { WaitReadable(); }

template <typename F>
void Connection::InSession(F call) {
  in_session_ = true;
  call(session_.get());
  in_session_ = false;
  if (close_asked_) CloseNow();
}

void Connection::WaitReadable() {
  if (reading_ || eof_ || state_ == State::kClosed) return;
  if (state_ == State::kRunning && !session_->wants_read()) return;
  reading_ = true;
  transport_->WaitReadable(shared_from_this());
}

void Connection::ResumeRead() {
  if (!in_session_) WaitReadable();
}

void Connection::OnReadable() {
  reading_ = false;
  std::string& buffer = environment_->read_buffer;
  for (int i = 0; i < kReadsPerTurn && state_ != State::kClosed && !eof_; ++i) {
    if (state_ == State::kRunning && !session_->wants_read()) break;
    const Transport::Result result = transport_->Read(buffer.data(), buffer.size());
    if (result.outcome == Transport::Outcome::kWouldBlock) break;
    if (result.outcome == Transport::Outcome::kError) return Close();
    if (result.outcome == Transport::Outcome::kEof) {
      OnEof();
      break;
    }
    OnBytes(std::string_view(buffer.data(), result.bytes));
    if (result.bytes < buffer.size()) break;
  }
  if (state_ == State::kRunning) Flush();
  WaitReadable();
}

void Connection::OnBytes(std::string_view bytes) {
  switch (state_) {
    case State::kSniffing:
      return Sniff(bytes);
    case State::kRunning:
      return InSession([bytes](Session* session) { session->OnBytes(bytes); });
    case State::kLingering:
    case State::kClosed:
      return;
  }
}

void Connection::OnEof() {
  eof_ = true;
  if (state_ != State::kRunning) return Close();
  InSession([](Session* session) { session->OnEof(); });
}

void Connection::Sniff(std::string_view bytes) {
  const size_t before = sniffed_.size();
  const size_t compared = std::min(kPreface.size() - before, bytes.size());
  const bool http2_so_far = kPreface.substr(before, compared) == bytes.substr(0, compared);
  if (http2_so_far && before + compared < kPreface.size()) {
    sniffed_.append(bytes);
    return;
  }
  SessionHost* host = this;
  session_ = http2_so_far ? MakeHttp2Session(host) : MakeHttp1Session(host);
  state_ = State::kRunning;
  const std::string first = std::exchange(sniffed_, {});
  InSession([this, &first, bytes](Session* session) {
    if (!first.empty()) session->OnBytes(first);
    session->OnBytes(bytes);
    if (shutting_down_) session->StartShutdown();
  });
}

void Connection::ScheduleFlush() {
  if (flush_scheduled_ || writing_ || in_session_ || state_ != State::kRunning) return;
  flush_scheduled_ = true;
  asio::post(environment_->loop->get_executor(), [self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->Flush();
  });
}

void Connection::OnWritable() {
  writing_ = false;
  Flush();
}

void Connection::Flush() {
  bool more = true;
  for (int i = 0; more && i < kWritesPerTurn && !writing_ && state_ == State::kRunning; ++i) {
    const size_t before = output_.size();
    if (before < kOutputMax && session_->wants_write()) {
      InSession([this](Session* session) { session->Produce(&output_, kOutputMax); });
    }
    more = output_.size() > before;
    if (state_ == State::kRunning) WriteOut();
  }
  if (state_ != State::kRunning) return;
  if (more && !writing_) {
    ScheduleFlush();
  } else if (output_.empty() && session_->finished()) {
    return Linger();
  }
  WaitReadable();
}

void Connection::WriteOut() {
  while (!output_.empty()) {
    iovec pieces[kPiecesMax];
    const size_t count = output_.Peek(pieces, kPiecesMax);
    const Transport::Result result = transport_->Write(pieces, count);
    if (result.outcome == Transport::Outcome::kOk) {
      output_.Advance(result.bytes);
      continue;
    }
    if (result.outcome == Transport::Outcome::kWouldBlock) {
      writing_ = true;
      transport_->WaitWritable(shared_from_this());
    } else {
      Close();
    }
    return;
  }
}

// Closing with unread input makes the kernel send RST, which may overtake the client's reading of
// our last bytes (the GOAWAY, or the 4xx). So the write side closes first, and the rest of the
// input is read and dropped until the client closes, or for linger_timeout.
void Connection::Linger() {
  if (eof_) return CloseNow();
  transport_->CloseWrite();
  state_ = State::kLingering;
  state_since_ = Now();
  session_->OnConnectionLost();
  session_.reset();
  WaitReadable();
}

void Connection::Sweep() {
  const absl::Duration age = Now() - state_since_;
  if (state_ == State::kSniffing && age >= options().header_timeout) return Close();
  if (state_ == State::kLingering && age >= options().linger_timeout) return Close();
  if (state_ != State::kRunning) return;
  InSession([](Session* session) { session->OnSweep(); });
  if (state_ == State::kRunning) Flush();
}

void Connection::StartShutdown() {
  shutting_down_ = true;
  if (state_ == State::kSniffing) return Close();
  if (state_ != State::kRunning) return;
  if (in_session_) {
    // From a handler's callback: the session is busy, so the loop comes back to it.
    asio::post(environment_->loop->get_executor(),
               [self = shared_from_this()] { self->StartShutdown(); });
    return;
  }
  InSession([](Session* session) { session->StartShutdown(); });
  if (state_ == State::kRunning) Flush();
}

void Connection::Close() {
  if (in_session_) {
    close_asked_ = true;
  } else {
    CloseNow();
  }
}

void Connection::CloseNow() {
  if (state_ == State::kClosed) return;
  const std::shared_ptr<Connection> self = shared_from_this();
  state_ = State::kClosed;
  transport_->Close();
  if (session_ != nullptr) {
    // Handlers may speak to their streams once more, and the session to us: all of it is dropped.
    session_->OnConnectionLost();
    session_.reset();
  }
  std::exchange(on_closed_, nullptr)(this);
}

}  // namespace keelson::http
