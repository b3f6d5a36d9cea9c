#include "http/http1_session.h"

#include <http_parser.h>

#include <algorithm>
#include <climits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "http/ascii.h"
#include "http/send_queue.h"
#include "http/status_text.h"

namespace keelson::http {
namespace {

// Bytes of further requests that are taken from the socket while one is being answered.
constexpr size_t kPipelinedMax = 64 * 1024;

// Request and answer are one object with the session: there is only one at a time.
class Http1Session final : public Session, private Stream {
 public:
  explicit Http1Session(SessionHost* host);

  void OnBytes(std::string_view bytes) override;
  void OnEof() override;
  void Produce(GatherBuffer* out, size_t limit) override;
  bool wants_write() const override { return !queue_.empty() || ProgressPending(); }
  bool wants_read() const override;
  bool finished() const override { return closing_ && queue_.empty() && handler_ == nullptr; }
  void OnSweep() override;
  void StartShutdown() override;
  void OnConnectionLost() override;

 private:
  enum class Phase {
    kIdle,       // between requests
    kHeader,     // a request's first byte came, its header is not complete
    kAnswering,  // OnRequest was called; the answer is not out
  };
  enum class Body { kLength, kChunked, kUntilClose, kNone };

  // Stream, for the request being answered.
  void SendHeaders(int status, absl::Span<const Header> headers, EndStream end) override;
  void SendData(std::string_view copied) override;
  void SendData(const ByteChain& data) override;
  void End(absl::Span<const Header> trailers) override;
  bool Upgrade(absl::Span<const Header> headers) override;
  void Reset(ResetCode code) override;
  void Consume(size_t bytes) override;
  size_t queued_bytes() const override { return queue_.size(); }
  uint64_t taken_bytes() const override { return queue_.moved(); }
  size_t connection_queued_bytes() const override { return queue_.size(); }
  void CountIn(OutputMeter* meter) override { queue_.CountIn(meter); }
  const std::string& peer_address() const override { return host_->peer_address(); }
  const PeerCertificate& peer_certificate() const override { return host_->peer_certificate(); }
  bool secure() const override { return host_->secure(); }

  static const http_parser_settings& ParserSettings();
  static Http1Session* Self(http_parser* parser) {
    return static_cast<Http1Session*>(parser->data);
  }

  int OnMessageBegin();
  int OnUrl(std::string_view part);
  int OnField(std::string_view part);
  int OnValue(std::string_view part);
  int OnHeadersComplete();
  int OnBody(std::string_view part);
  int OnMessageComplete();

  void Parse(std::string_view bytes);
  void OnUpgradedBytes(std::string_view bytes);
  bool CountHeaderBytes(size_t bytes);
  void FinishField();
  // Answers a request that never reached the handler, and closes.
  void Refuse(int status);
  void BeginChunk(size_t size);
  bool accepts_data() const { return header_sent_ && !answer_ended_ && !reset_; }
  // The answer is complete or abandoned, its bytes are with the connection: tell the handler, and
  // go on to the next request.
  void FinishRequest(CloseReason reason);
  bool ProgressPending() const {
    return handler_ != nullptr && queue_.empty() && (answer_ended_ || reset_);
  }
  void AfterQueued();

  SessionHost* const host_;
  http_parser parser_;
  Phase phase_ = Phase::kIdle;
  bool closing_ = false;        // no further request is read
  bool shutting_down_ = false;  // the running request is the last
  std::string pipelined_;       // bytes of later requests
  absl::Duration phase_since_;

  // The request.
  HeaderBlock headers_;
  std::string target_, field_, value_;
  bool value_begun_ = false;
  size_t header_bytes_ = 0;
  size_t header_count_ = 0;
  bool input_ended_ = false;
  bool keep_alive_ = false;
  bool head_ = false;  // the method is HEAD: no body in the answer
  bool has_body_ = false;
  Version version_ = Version::kHttp11;
  size_t unconsumed_ = 0;
  absl::Duration body_since_;  // when the last part of the body came

  // The answer.
  std::shared_ptr<StreamHandler> handler_;  // null: no request, or OnRequest returned null
  bool header_sent_ = false;
  bool answer_ended_ = false;
  bool reset_ = false;
  bool upgraded_ = false;  // the parser has no more to do
  bool above_high_water_ = false;
  Body body_ = Body::kNone;
  SendQueue queue_;
};

// Stands in for a handler that did not want to hear more.
class IgnoringHandler final : public StreamHandler {
 public:
  explicit IgnoringHandler(Stream* stream) : stream_(stream) {}
  void OnData(std::string_view bytes) override { stream_->Consume(bytes.size()); }
  void OnEnd() override {}
  void OnClose(CloseReason) override {}

 private:
  Stream* const stream_;
};

Http1Session::Http1Session(SessionHost* host) : host_(host), phase_since_(host->Now()) {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

const http_parser_settings& Http1Session::ParserSettings() {
  static const http_parser_settings settings = [] {
    http_parser_settings s;
    http_parser_settings_init(&s);
    s.on_message_begin = [](http_parser* p) { return Self(p)->OnMessageBegin(); };
    s.on_url = [](http_parser* p, const char* at, size_t n) { return Self(p)->OnUrl({at, n}); };
    s.on_header_field = [](http_parser* p, const char* at, size_t n) {
      return Self(p)->OnField({at, n});
    };
    s.on_header_value = [](http_parser* p, const char* at, size_t n) {
      return Self(p)->OnValue({at, n});
    };
    s.on_headers_complete = [](http_parser* p) { return Self(p)->OnHeadersComplete(); };
    s.on_body = [](http_parser* p, const char* at, size_t n) { return Self(p)->OnBody({at, n}); };
    s.on_message_complete = [](http_parser* p) { return Self(p)->OnMessageComplete(); };
    return s;
  }();
  return settings;
}

// --- input --------------------------------------------------------------------------------------

bool Http1Session::wants_read() const {
  return !closing_ && pipelined_.size() < kPipelinedMax &&
         unconsumed_ < host_->options().stream_window_bytes;
}

void Http1Session::OnBytes(std::string_view bytes) {
  if (closing_) return;
  if (upgraded_) return OnUpgradedBytes(bytes);
  if (input_ended_) {
    pipelined_.append(bytes);
    return;
  }
  Parse(bytes);
}

void Http1Session::Parse(std::string_view bytes) {
  const size_t used = http_parser_execute(&parser_, &ParserSettings(), bytes.data(), bytes.size());
  if (closing_) return;
  const http_errno error = HTTP_PARSER_ERRNO(&parser_);
  if (error == HPE_PAUSED) {
    // At the end of a request; the rest waits for its answer.
    http_parser_pause(&parser_, 0);
    if (upgraded_) return OnUpgradedBytes(bytes.substr(used));
    pipelined_.append(bytes.substr(used));
  } else if (error != HPE_OK) {
    if (phase_ == Phase::kAnswering) {
      Reset(ResetCode::kCancel);  // the body is broken; an answer could not be told from success
    } else {
      Refuse(error == HPE_HEADER_OVERFLOW ? 431 : 400);
    }
  }
}

void Http1Session::OnUpgradedBytes(std::string_view bytes) {
  if (reset_ || input_ended_ || bytes.empty()) return;
  unconsumed_ += bytes.size();
  handler_->OnData(bytes);
}

int Http1Session::OnMessageBegin() {
  phase_ = Phase::kHeader;
  phase_since_ = host_->Now();
  headers_.Clear();
  target_.clear();
  field_.clear();
  value_.clear();
  value_begun_ = false;
  header_bytes_ = header_count_ = 0;
  input_ended_ = false;
  unconsumed_ = 0;
  header_sent_ = answer_ended_ = reset_ = above_high_water_ = false;
  return 0;
}

bool Http1Session::CountHeaderBytes(size_t bytes) {
  header_bytes_ += bytes;
  if (header_bytes_ <= host_->options().header_bytes_max) return true;
  if (phase_ == Phase::kHeader) Refuse(431);
  return false;
}

int Http1Session::OnUrl(std::string_view part) {
  if (!CountHeaderBytes(part.size())) return 1;
  target_.append(part);
  return 0;
}

int Http1Session::OnField(std::string_view part) {
  if (phase_ != Phase::kHeader) return 0;  // trailers of a chunked body
  if (!CountHeaderBytes(part.size())) return 1;
  if (value_begun_) FinishField();
  field_.append(part);
  return 0;
}

int Http1Session::OnValue(std::string_view part) {
  if (phase_ != Phase::kHeader) return 0;
  if (!CountHeaderBytes(part.size())) return 1;
  value_begun_ = true;
  value_.append(part);
  return 0;
}

void Http1Session::FinishField() {
  LowerInPlace(&field_);
  ++header_count_;
  // Fields of the pseudo kind are ours alone to add.
  if (header_count_ <= host_->options().header_count_max && !field_.starts_with(':')) {
    headers_.Add(field_, StripSpace(value_));
  }
  field_.clear();
  value_.clear();
  value_begun_ = false;
}

int Http1Session::OnHeadersComplete() {
  if (value_begun_ || !field_.empty()) FinishField();
  if (header_count_ > host_->options().header_count_max) {
    Refuse(431);
    return -1;
  }
  const auto method = static_cast<http_method>(parser_.method);
  if (method == HTTP_CONNECT) {
    Refuse(405);
    return -1;
  }
  // An offer to upgrade may be ignored (RFC 9110 section 7.8); who takes it, has Stream::Upgrade.
  parser_.upgrade = 0;
  if (parser_.http_major != 1) {
    Refuse(505);
    return -1;
  }
  version_ = parser_.http_minor == 0 ? Version::kHttp10 : Version::kHttp11;
  keep_alive_ = http_should_keep_alive(&parser_) != 0;
  head_ = method == HTTP_HEAD;
  has_body_ = (parser_.flags & F_CHUNKED) != 0 ||
              (parser_.content_length != 0 && parser_.content_length != ULLONG_MAX);
  const std::optional<std::string_view> host_name = headers_.Find("host");
  if (!host_name.has_value() && version_ == Version::kHttp11) {
    Refuse(400);  // RFC 9112 section 3.2
    return -1;
  }
  const bool continue_expected =
      has_body_ && EqualsIgnoreCase(headers_.Get("expect"), "100-continue");

  Request request = {version_, {}};
  request.headers.Add(":method", http_method_str(method));
  request.headers.Add(":path", target_);
  request.headers.Add(":authority", host_name.value_or(""));
  request.headers.Add(":scheme", host_->secure() ? "https" : "http");
  for (size_t i = 0; i < headers_.size(); ++i) {
    request.headers.Add(headers_[i].name, headers_[i].value);
  }
  phase_ = Phase::kAnswering;
  body_since_ = host_->Now();
  std::shared_ptr<StreamHandler> handler = host_->handler()->OnRequest(this, std::move(request));
  handler_ = handler != nullptr ? std::move(handler)
                                : std::make_shared<IgnoringHandler>(static_cast<Stream*>(this));
  if (continue_expected && !header_sent_ && !reset_ && version_ == Version::kHttp11) {
    queue_.AppendCopy("HTTP/1.1 100 Continue\r\n\r\n");
  }
  return 0;
}

int Http1Session::OnBody(std::string_view part) {
  body_since_ = host_->Now();
  if (reset_) return 0;
  unconsumed_ += part.size();
  handler_->OnData(part);
  return 0;
}

int Http1Session::OnMessageComplete() {
  if (phase_ != Phase::kAnswering) return 0;
  http_parser_pause(&parser_, 1);
  if (upgraded_) return 0;
  input_ended_ = true;
  if (!reset_) handler_->OnEnd();
  return 0;
}

void Http1Session::OnEof() {
  if (closing_) return;
  // A client may send its request, close its side, and read the answer.
  keep_alive_ = false;
  if (phase_ != Phase::kAnswering) {
    closing_ = true;
  } else if (upgraded_) {
    if (!std::exchange(input_ended_, true) && !reset_) handler_->OnEnd();
  } else if (!input_ended_) {
    Reset(ResetCode::kCancel);
  } else {
    handler_->OnClientClosed();
  }
}

void Http1Session::Refuse(int status) {
  closing_ = true;
  phase_ = Phase::kIdle;
  const std::string reason(StatusReason(status));
  const std::string answer = absl::StrCat(
      "HTTP/1.1 ", status, " ", reason, "\r\ncontent-type: text/plain; charset=utf-8\r\n",
      "connection: close\r\ncontent-length: ", reason.size() + 1, "\r\n\r\n", reason, "\n");
  queue_.AppendCopy(answer);
  host_->ScheduleFlush();
}

// --- answer -------------------------------------------------------------------------------------

void Http1Session::SendHeaders(int status, absl::Span<const Header> headers, EndStream end) {
  if (phase_ != Phase::kAnswering || header_sent_ || reset_) return;
  header_sent_ = true;
  // The rest of an unread body would be taken for the next request.
  if (shutting_down_ || (has_body_ && !input_ended_)) keep_alive_ = false;
  bool has_length = false;
  std::string text = "HTTP/1.1 ";
  text.append(StatusDigits(status)).append(" ").append(StatusReason(status)).append("\r\n");
  for (const Header& header : headers) {
    if (header.name == "content-length") has_length = true;
    if (header.name == "connection" && EqualsIgnoreCase(header.value, "close")) {
      keep_alive_ = false;
      continue;
    }
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  const bool no_body = head_ || status == 204 || status == 304 || status < 200;
  if (no_body) {
    body_ = Body::kNone;
  } else if (has_length) {
    body_ = Body::kLength;
  } else if (end == EndStream::kYes) {
    body_ = Body::kNone;
    text += "content-length: 0\r\n";
  } else if (version_ == Version::kHttp11) {
    body_ = Body::kChunked;
    text += "transfer-encoding: chunked\r\n";
  } else {
    body_ = Body::kUntilClose;
    keep_alive_ = false;
  }
  if (!keep_alive_) {
    text += "connection: close\r\n";
  } else if (version_ == Version::kHttp10) {
    text += "connection: keep-alive\r\n";
  }
  text += "\r\n";
  queue_.AppendCopy(text);
  if (end == EndStream::kYes) answer_ended_ = true;
  AfterQueued();
}

bool Http1Session::Upgrade(absl::Span<const Header> headers) {
  if (phase_ != Phase::kAnswering || header_sent_ || reset_ || has_body_ ||
      version_ != Version::kHttp11) {
    return false;
  }
  header_sent_ = upgraded_ = true;
  keep_alive_ = false;
  body_ = Body::kUntilClose;
  std::string text = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n";
  for (const Header& header : headers) {
    text.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  queue_.AppendCopy(text + "\r\n");
  AfterQueued();
  return true;
}

void Http1Session::AfterQueued() {
  if (queue_.size() > host_->options().stream_high_water_bytes) above_high_water_ = true;
  host_->ScheduleFlush();
}

void Http1Session::BeginChunk(size_t size) {
  if (body_ == Body::kChunked) queue_.AppendCopy(absl::StrCat(absl::Hex(size), "\r\n"));
}

void Http1Session::SendData(std::string_view copied) {
  if (!accepts_data() || body_ == Body::kNone || copied.empty()) return;
  BeginChunk(copied.size());
  queue_.AppendCopy(copied);
  if (body_ == Body::kChunked) queue_.AppendCopy("\r\n");
  AfterQueued();
}

void Http1Session::SendData(const ByteChain& data) {
  if (!accepts_data() || body_ == Body::kNone || data.empty()) return;
  BeginChunk(data.size());
  for (const SharedBytes& piece : data.pieces()) queue_.Append(piece);
  if (body_ == Body::kChunked) queue_.AppendCopy("\r\n");
  AfterQueued();
}

void Http1Session::End(absl::Span<const Header>) {
  if (!accepts_data()) return;
  if (body_ == Body::kChunked) queue_.AppendCopy("0\r\n\r\n");
  answer_ended_ = true;
  AfterQueued();
}

void Http1Session::Reset(ResetCode) {
  if (phase_ != Phase::kAnswering || reset_) return;
  reset_ = true;
  closing_ = true;
  queue_.Clear();
  host_->ScheduleFlush();
}

void Http1Session::Consume(size_t bytes) {
  const bool before = wants_read();
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (!before && wants_read()) host_->ResumeRead();
}

void Http1Session::Produce(GatherBuffer* out, size_t limit) {
  // Several turns: each may finish a request and begin a pipelined one.
  while (out->size() < limit) {
    queue_.MoveTo(out, std::min(queue_.size(), limit - out->size()));
    if (above_high_water_ && queue_.size() <= host_->options().stream_low_water_bytes) {
      above_high_water_ = false;
      if (handler_ != nullptr) handler_->OnWritable();
    }
    if (!ProgressPending()) return;
    FinishRequest(reset_ ? CloseReason::kReset : CloseReason::kFinished);
  }
}

void Http1Session::FinishRequest(CloseReason reason) {
  if (!keep_alive_ || !input_ended_) closing_ = true;
  phase_ = Phase::kIdle;
  phase_since_ = host_->Now();
  queue_.CountIn(nullptr);
  const std::shared_ptr<StreamHandler> handler = std::move(handler_);
  handler->OnClose(reason);
  if (closing_) return;
  input_ended_ = false;
  if (pipelined_.empty()) return;
  const std::string next = std::exchange(pipelined_, {});
  Parse(next);
  host_->ResumeRead();
}

// --- connection ---------------------------------------------------------------------------------

void Http1Session::OnSweep() {
  if (closing_) return;
  const ServerOptions& options = host_->options();
  const absl::Duration now = host_->Now();
  switch (phase_) {
    case Phase::kIdle:
      if (now - phase_since_ >= options.http1_idle_timeout) closing_ = true;
      return;
    case Phase::kHeader:
      if (now - phase_since_ >= options.header_timeout) Refuse(408);
      return;
    case Phase::kAnswering:
      if (input_ended_ || upgraded_ || !wants_read() || now - body_since_ < options.body_timeout)
        return;
      if (header_sent_) return Reset(ResetCode::kCancel);
      handler_->OnClose(CloseReason::kReset);
      handler_ = nullptr;
      return Refuse(408);
  }
}

void Http1Session::StartShutdown() {
  shutting_down_ = true;
  keep_alive_ = false;
  if (phase_ != Phase::kAnswering) closing_ = true;
}

void Http1Session::OnConnectionLost() {
  closing_ = true;
  phase_ = Phase::kIdle;
  const std::shared_ptr<StreamHandler> handler = std::move(handler_);
  if (handler != nullptr) handler->OnClose(CloseReason::kConnectionLost);
}

}  // namespace

std::unique_ptr<Session> MakeHttp1Session(SessionHost* host) {
  return std::make_unique<Http1Session>(host);
}

}  // namespace keelson::http
