#include "http/http2_session.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "base/check.h"
#include "http/request_check.h"
#include "http/send_queue.h"
#include "http/status_text.h"
#include "http/token_bucket.h"

namespace keelson::http {
namespace {

// DATA frames of up to this size, where the client admits them.
constexpr size_t kDataFrameMax = 64 * 1024;
// nghttp2 gives up on a client that lets this many acknowledgements of ours pile up.
constexpr size_t kOutboundAcksMax = 1000;
constexpr size_t kSettingsEntriesMax = 32;
// A frame with payload, in either direction, earns this many control frames.
constexpr int64_t kControlFramesPerDataFrame = 4;
// grpc-go: without a stream, pings are allowed this seldom.
constexpr absl::Duration kIdlePingInterval = absl::Hours(2);
// Between the shutdown notice and the final GOAWAY, should the client not answer our PING.
constexpr absl::Duration kShutdownNoticeMax = absl::Seconds(1);

constexpr uint8_t kKeepalivePing[8] = {'k', 'e', 'e', 'p', 'a', 'l', 'i', 'v'};
constexpr uint8_t kShutdownPing[8] = {'s', 'h', 'u', 't', 'd', 'o', 'w', 'n'};

nghttp2_nv MakeField(std::string_view name, std::string_view value, Header::Storage storage) {
  const uint8_t flags = storage == Header::Storage::kStatic
                            ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
                            : NGHTTP2_NV_FLAG_NONE;
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          flags};
}

using Fields = absl::InlinedVector<nghttp2_nv, 8>;

class Http2Session;

// One stream; owned by the session, in a list so that all can be told when the connection is lost.
class Http2Stream final : public Stream {
 public:
  Http2Stream(Http2Session* session, int32_t id) : session_(session), id_(id) {}

  void SendHeaders(int status, absl::Span<const Header> headers, EndStream end) override;
  void SendData(std::string_view copied) override;
  void SendData(const ByteChain& data) override;
  void End(absl::Span<const Header> trailers) override;
  void Reset(ResetCode code) override;
  void Consume(size_t bytes) override;
  size_t queued_bytes() const override { return queue_.size(); }
  uint64_t taken_bytes() const override { return queue_.moved(); }
  size_t connection_queued_bytes() const override;
  void CountIn(OutputMeter* meter) override { queue_.CountIn(meter); }
  const std::string& peer_address() const override;
  const PeerCertificate& peer_certificate() const override;
  bool secure() const override;
  bool Upgrade(absl::Span<const Header>) override { return false; }

 private:
  friend class Http2Session;

  enum class Output {
    kNone,    // no header yet
    kOpen,    // header submitted; body may follow
    kEnding,  // End was called; what is queued, then trailers_, still goes out
    kDone,    // everything was handed to nghttp2, or the stream was reset
  };

  bool accepts_data() const { return output_ == Output::kOpen; }
  void AfterQueued();

  Http2Session* const session_;
  const int32_t id_;
  Http2Stream* previous_ = nullptr;
  Http2Stream* next_ = nullptr;

  HeaderBlock headers_;  // until dispatched
  size_t header_bytes_ = 0;
  size_t header_count_ = 0;
  bool header_too_large_ = false;
  bool header_complete_ = false;
  bool malformed_ = false;
  RequestCheck check_;
  bool input_ended_ = false;

  std::shared_ptr<StreamHandler> handler_;
  Output output_ = Output::kNone;
  bool deferred_ = false;  // nghttp2 waits for ResumeData
  bool above_high_water_ = false;
  SendQueue queue_;
  // Trailers of End while data is still queued; copied ones lie in trailer_text_.
  absl::InlinedVector<Header, 3> trailers_;
  std::string trailer_text_;
};

class Http2Session final : public Session {
 public:
  explicit Http2Session(SessionHost* host);
  ~Http2Session() override;

  void OnBytes(std::string_view bytes) override;
  void OnEof() override { failed_ = true; }
  void Produce(GatherBuffer* out, size_t limit) override;
  bool wants_write() const override {
    return !failed_ && nghttp2_session_want_write(session_) != 0;
  }
  bool wants_read() const override { return true; }
  bool finished() const override;
  void OnSweep() override;
  void StartShutdown() override;
  void OnConnectionLost() override;

 private:
  friend class Http2Stream;
  enum class Shutdown { kNo, kNoticed, kFinal };

  static nghttp2_session_callbacks* Callbacks();
  static Http2Session* Self(void* user_data) { return static_cast<Http2Session*>(user_data); }
  Http2Stream* Find(int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session_, id));
  }

  // nghttp2's callbacks.
  int OnBeginHeaders(const nghttp2_frame* frame);
  int OnHeader(const nghttp2_frame* frame, std::string_view name, std::string_view value);
  int OnBeginFrame(const nghttp2_frame_hd* header);
  int OnFrame(const nghttp2_frame* frame);
  int OnDataChunk(int32_t id, std::string_view bytes);
  int OnStreamClose(int32_t id, uint32_t error_code);
  int OnFrameSent(const nghttp2_frame* frame);
  ssize_t OnReadData(Http2Stream* stream, size_t max, uint32_t* flags);
  ssize_t OnSend(std::string_view bytes);
  int OnSendData(Http2Stream* stream, const uint8_t* frame_header, size_t size);

  void OnRequestComplete(Http2Stream* stream);
  void OnInputEnd(Http2Stream* stream);
  void OnPing(const nghttp2_frame* frame);
  void AnswerTooLarge(Http2Stream* stream);
  void RefuseMalformed(Http2Stream* stream);
  // For nghttp2: after Fail, what else was read is not looked at.
  int Verdict() const { return goaway_submitted_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }
  // Ends the connection with GOAWAY once it is out.
  void Fail(uint32_t error_code, std::string_view text);
  void FinalGoAway();
  void SubmitTrailers(int32_t id, absl::Span<const Header> trailers);
  void CloseStream(Http2Stream* stream, CloseReason reason);
  void ScheduleFlush() { host_->ScheduleFlush(); }

  SessionHost* const host_;
  nghttp2_session* session_ = nullptr;
  GatherBuffer* out_ = nullptr;  // during Produce only
  size_t out_limit_ = 0;

  Http2Stream* streams_ = nullptr;  // head of the list
  size_t stream_count_ = 0;
  size_t queued_bytes_ = 0;  // of all streams

  bool failed_ = false;            // nghttp2 gave up, or the client closed
  bool goaway_submitted_ = false;  // by Fail: nothing else will be said
  Shutdown shutdown_ = Shutdown::kNo;
  absl::Duration shutdown_since_;

  absl::Duration last_read_;                                // bytes came
  absl::Duration idle_since_;                               // stream_count_ became 0
  absl::Duration header_since_ = absl::InfiniteDuration();  // an incomplete header began
  bool keepalive_out_ = false;                              // our PING is not acknowledged yet
  absl::Duration keepalive_since_;

  absl::Duration last_ping_ = -absl::InfiniteDuration();
  int ping_strikes_ = 0;
  bool reset_ping_strikes_ = false;  // we sent HEADERS or DATA since the last PING
  TokenBucket control_frames_;
  TokenBucket resets_;
};

// --- stream -------------------------------------------------------------------------------------

const std::string& Http2Stream::peer_address() const { return session_->host_->peer_address(); }
bool Http2Stream::secure() const { return session_->host_->secure(); }

const PeerCertificate& Http2Stream::peer_certificate() const {
  return session_->host_->peer_certificate();
}

size_t Http2Stream::connection_queued_bytes() const { return session_->queued_bytes_; }

void Http2Stream::SendHeaders(int status, absl::Span<const Header> headers, EndStream end) {
  if (output_ != Output::kNone) return;
  Fields fields;
  fields.push_back(MakeField(":status", StatusDigits(status), Header::Storage::kStatic));
  for (const Header& header : headers) {
    fields.push_back(MakeField(header.name, header.value, header.storage));
  }
  nghttp2_data_provider provider = {};
  provider.source.ptr = this;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t*, size_t size, uint32_t* flags,
                              nghttp2_data_source* source, void* user_data) {
    return Http2Session::Self(user_data)->OnReadData(static_cast<Http2Stream*>(source->ptr), size,
                                                     flags);
  };
  const bool only = end == EndStream::kYes;
  output_ = only ? Output::kDone : Output::kOpen;
  // Fails when the stream is closing, or after GOAWAY: OnClose is then on its way.
  nghttp2_submit_response(session_->session_, id_, fields.data(), fields.size(),
                          only ? nullptr : &provider);
  session_->ScheduleFlush();
}

void Http2Stream::AfterQueued() {
  if (queue_.size() > session_->host_->options().stream_high_water_bytes) above_high_water_ = true;
  if (!deferred_) return;  // nghttp2 will ask
  deferred_ = false;
  nghttp2_session_resume_data(session_->session_, id_);
  session_->ScheduleFlush();
}

void Http2Stream::SendData(std::string_view copied) {
  if (!accepts_data() || copied.empty()) return;
  queue_.AppendCopy(copied);
  session_->queued_bytes_ += copied.size();
  AfterQueued();
}

void Http2Stream::SendData(const ByteChain& data) {
  if (!accepts_data() || data.empty()) return;
  for (const SharedBytes& piece : data.pieces()) queue_.Append(piece);
  session_->queued_bytes_ += data.size();
  AfterQueued();
}

void Http2Stream::End(absl::Span<const Header> trailers) {
  if (output_ != Output::kOpen) return;
  output_ = Output::kEnding;
  size_t text_size = 0;
  for (const Header& header : trailers) text_size += header.name.size() + header.value.size();
  trailer_text_.reserve(text_size);  // views into it stay valid
  const auto copy = [this](std::string_view from) {
    const size_t at = trailer_text_.size();
    trailer_text_.append(from);
    return std::string_view(trailer_text_).substr(at);
  };
  for (const Header& header : trailers) {
    if (header.storage == Header::Storage::kStatic) {
      trailers_.push_back(header);
    } else {
      trailers_.push_back({copy(header.name), copy(header.value)});
    }
  }
  AfterQueued();
}

void Http2Stream::Reset(ResetCode code) {
  // What is queued stays until OnStreamClose: nghttp2 may be in the middle of a frame of it.
  output_ = Output::kDone;
  nghttp2_submit_rst_stream(session_->session_, NGHTTP2_FLAG_NONE, id_,
                            static_cast<uint32_t>(code));
  session_->ScheduleFlush();
}

void Http2Stream::Consume(size_t bytes) {
  if (bytes == 0 || input_ended_) return;  // nobody needs a window on a request that is complete
  nghttp2_session_consume_stream(session_->session_, id_, bytes);
  session_->ScheduleFlush();
}

// --- session ------------------------------------------------------------------------------------

nghttp2_session_callbacks* Http2Session::Callbacks() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* c = nullptr;
    KV_CHECK_EQ(nghttp2_session_callbacks_new(&c), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
          return Self(user_data)->OnBeginHeaders(frame);
        });
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
              const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
          return Self(user_data)->OnHeader(
              frame, std::string_view(reinterpret_cast<const char*>(name), name_size),
              std::string_view(reinterpret_cast<const char*>(value), value_size));
        });
    nghttp2_session_callbacks_set_on_begin_frame_callback(
        c, [](nghttp2_session*, const nghttp2_frame_hd* header, void* user_data) {
          return Self(user_data)->OnBeginFrame(header);
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
          return Self(user_data)->OnFrame(frame);
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
              void* user_data) {
          return Self(user_data)->OnDataChunk(
              id, std::string_view(reinterpret_cast<const char*>(data), size));
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session*, int32_t id, uint32_t error_code, void* user_data) {
          return Self(user_data)->OnStreamClose(id, error_code);
        });
    nghttp2_session_callbacks_set_on_frame_send_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
          return Self(user_data)->OnFrameSent(frame);
        });
    nghttp2_session_callbacks_set_send_callback(c, [](nghttp2_session*, const uint8_t* data,
                                                      size_t size, int, void* user_data) {
      return Self(user_data)->OnSend(std::string_view(reinterpret_cast<const char*>(data), size));
    });
    nghttp2_session_callbacks_set_send_data_callback(
        c, [](nghttp2_session*, nghttp2_frame*, const uint8_t* frame_header, size_t size,
              nghttp2_data_source* source, void* user_data) {
          return Self(user_data)->OnSendData(static_cast<Http2Stream*>(source->ptr), frame_header,
                                             size);
        });
    nghttp2_session_callbacks_set_data_source_read_length_callback(
        c,
        [](nghttp2_session*, uint8_t, int32_t, int32_t session_window, int32_t stream_window,
           uint32_t frame_max, void*) -> ssize_t {
          return std::min<int64_t>({session_window, stream_window, frame_max, kDataFrameMax});
        });
    return c;
  }();
  return callbacks;
}

Http2Session::Http2Session(SessionHost* host)
    : host_(host),
      last_read_(host->Now()),
      idle_since_(last_read_),
      control_frames_(host->options().control_frames_burst,
                      host->options().control_frames_per_second, last_read_),
      resets_(host->options().resets_burst, host->options().resets_per_second, last_read_) {
  const ServerOptions& options = host->options();
  nghttp2_option* option = nullptr;
  KV_CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_http_messaging(option, 1);  // RequestCheck does it
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, kOutboundAcksMax);
  nghttp2_option_set_max_settings(option, kSettingsEntriesMax);
  // Ours is stricter: it ends in the middle of what was read.
  nghttp2_option_set_stream_reset_rate_limit(option, static_cast<uint64_t>(options.resets_burst),
                                             static_cast<uint64_t>(options.resets_per_second));
  nghttp2_option_set_max_continuations(option, options.continuations_max);
  KV_CHECK_EQ(nghttp2_session_server_new2(&session_, Callbacks(), this, option), 0);
  nghttp2_option_del(option);

  // Without RFC 7540 priorities nobody can make us keep a tree of idle streams.
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.concurrent_streams_max},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options.stream_window_bytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(options.header_bytes_max)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(options.connection_window_bytes));
}

Http2Session::~Http2Session() {
  KV_CHECK(streams_ == nullptr) << "OnConnectionLost comes first";
  nghttp2_session_del(session_);
}

void Http2Session::OnBytes(std::string_view bytes) {
  if (failed_ || goaway_submitted_) return;
  last_read_ = host_->Now();
  const ssize_t n = nghttp2_session_mem_recv(
      session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  // nghttp2 answers broken framing with GOAWAY by itself; an error here is one it cannot answer.
  if (n < 0 && !goaway_submitted_) failed_ = true;
}

int Http2Session::OnBeginHeaders(const nghttp2_frame* frame) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto* stream = new Http2Stream(this, frame->hd.stream_id);
  if (header_since_ == absl::InfiniteDuration()) header_since_ = last_read_;
  nghttp2_session_set_stream_user_data(session_, frame->hd.stream_id, stream);
  // Streams take turns with their data; RFC 9218's default would send one whole answer, however
  // long, before the next begins. Clients' wishes are not heard.
  const nghttp2_extpri take_turns = {NGHTTP2_EXTPRI_DEFAULT_URGENCY, 1};
  nghttp2_session_change_extpri_stream_priority(session_, frame->hd.stream_id, &take_turns, 1);
  stream->next_ = streams_;
  if (streams_ != nullptr) streams_->previous_ = stream;
  streams_ = stream;
  ++stream_count_;
  return 0;
}

int Http2Session::OnHeader(const nghttp2_frame* frame, std::string_view name,
                           std::string_view value) {
  Http2Stream* stream = Find(frame->hd.stream_id);
  if (stream == nullptr || stream->malformed_) return 0;
  if (stream->header_complete_) {  // a trailer; only its form is of interest
    if (!stream->check_.OnTrailer(name, value)) RefuseMalformed(stream);
    return 0;
  }
  if (!stream->check_.OnField(name, value)) {
    RefuseMalformed(stream);
    return 0;
  }
  const ServerOptions& options = host_->options();
  stream->header_bytes_ += name.size() + value.size();
  if (++stream->header_count_ > options.header_count_max ||
      stream->header_bytes_ > options.header_bytes_max) {
    stream->header_too_large_ = true;
    return 0;
  }
  stream->headers_.Add(name, value);
  return 0;
}

// Sees every frame of a known type before it is read, also those that nghttp2 answers by itself.
int Http2Session::OnBeginFrame(const nghttp2_frame_hd* header) {
  const auto now = [this] { return host_->Now(); };
  switch (header->type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
      return 0;
    case NGHTTP2_DATA:
      if (header->length > 0) return 0;
      break;
    case NGHTTP2_RST_STREAM:
      if (!resets_.Take(now)) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_resets");
      break;
    default:
      break;
  }
  if (!control_frames_.Take(now)) Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_control_frames");
  return Verdict();
}

int Http2Session::OnFrame(const nghttp2_frame* frame) {
  const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: {
      header_since_ = absl::InfiniteDuration();
      control_frames_.Return(kControlFramesPerDataFrame);
      Http2Stream* stream = Find(frame->hd.stream_id);
      if (stream == nullptr || stream->malformed_) return 0;
      if (!stream->header_complete_) {
        OnRequestComplete(stream);
      } else if (!end) {
        RefuseMalformed(stream);  // trailers come last
        return 0;
      }
      if (end) OnInputEnd(stream);
      return 0;
    }
    case NGHTTP2_DATA: {
      if (frame->hd.length > 0) control_frames_.Return(kControlFramesPerDataFrame);
      Http2Stream* stream = Find(frame->hd.stream_id);
      if (stream != nullptr && end) OnInputEnd(stream);
      return 0;
    }
    case NGHTTP2_PING:
      OnPing(frame);
      return Verdict();
    default:
      return 0;
  }
}

void Http2Session::OnRequestComplete(Http2Stream* stream) {
  stream->header_complete_ = true;
  if (!stream->check_.OnFieldsComplete()) return RefuseMalformed(stream);
  if (stream->header_too_large_) return AnswerTooLarge(stream);
  if (queued_bytes_ > host_->options().connection_queued_bytes_max) {
    return stream->Reset(ResetCode::kRefusedStream);
  }
  stream->handler_ =
      host_->handler()->OnRequest(stream, {Version::kHttp2, std::move(stream->headers_)});
}

void Http2Session::RefuseMalformed(Http2Stream* stream) {
  stream->malformed_ = true;
  stream->output_ = Http2Stream::Output::kDone;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id_, NGHTTP2_PROTOCOL_ERROR);
  ScheduleFlush();
}

void Http2Session::AnswerTooLarge(Http2Stream* stream) {
  stream->SendHeaders(431, {{"content-length", "0", Header::Storage::kStatic}}, EndStream::kYes);
}

void Http2Session::OnInputEnd(Http2Stream* stream) {
  if (stream->input_ended_ || stream->malformed_) return;
  if (!stream->check_.OnEnd()) return RefuseMalformed(stream);
  stream->input_ended_ = true;
  if (stream->handler_ != nullptr) stream->handler_->OnEnd();
}

int Http2Session::OnDataChunk(int32_t id, std::string_view bytes) {
  // The stream's window is the handler's business; the connection's must not be held by one stream.
  nghttp2_session_consume_connection(session_, bytes.size());
  Http2Stream* stream = Find(id);
  if (stream == nullptr || stream->malformed_) return 0;
  if (!stream->check_.OnBody(bytes.size())) {
    RefuseMalformed(stream);
    return 0;
  }
  if (stream->handler_ != nullptr) {
    stream->handler_->OnData(bytes);
  } else {
    stream->Consume(bytes.size());
  }
  return 0;
}

int Http2Session::OnStreamClose(int32_t id, uint32_t error_code) {
  Http2Stream* stream = Find(id);
  if (stream == nullptr) return 0;
  if (!stream->header_complete_) header_since_ = absl::InfiniteDuration();
  const bool finished =
      stream->output_ == Http2Stream::Output::kDone && error_code == NGHTTP2_NO_ERROR;
  CloseStream(stream, finished ? CloseReason::kFinished : CloseReason::kReset);
  return 0;
}

void Http2Session::CloseStream(Http2Stream* stream, CloseReason reason) {
  queued_bytes_ -= stream->queue_.size();
  stream->queue_.Clear();
  stream->output_ = Http2Stream::Output::kDone;
  const std::shared_ptr<StreamHandler> handler = std::move(stream->handler_);
  if (handler != nullptr) handler->OnClose(reason);
  if (stream->previous_ != nullptr) stream->previous_->next_ = stream->next_;
  if (stream->next_ != nullptr) stream->next_->previous_ = stream->previous_;
  if (streams_ == stream) streams_ = stream->next_;
  if (--stream_count_ == 0) idle_since_ = last_read_;
  delete stream;
}

void Http2Session::OnConnectionLost() {
  failed_ = true;
  while (streams_ != nullptr) {
    Http2Stream* stream = streams_;
    nghttp2_session_set_stream_user_data(session_, stream->id_, nullptr);
    CloseStream(stream, CloseReason::kConnectionLost);
  }
}

// --- output -------------------------------------------------------------------------------------

void Http2Session::Produce(GatherBuffer* out, size_t limit) {
  if (failed_) return;
  out_ = out;
  out_limit_ = limit;
  if (nghttp2_session_send(session_) != 0) failed_ = true;
  out_ = nullptr;
}

ssize_t Http2Session::OnSend(std::string_view bytes) {
  if (out_->size() >= out_limit_) return NGHTTP2_ERR_WOULDBLOCK;
  out_->AppendCopy(bytes);
  return static_cast<ssize_t>(bytes.size());
}

// Asked how many bytes of body the stream has for its next DATA frame, and what comes after them.
ssize_t Http2Session::OnReadData(Http2Stream* stream, size_t max, uint32_t* flags) {
  const size_t count = std::min(max, stream->queue_.size());
  if (count == 0 && stream->output_ == Http2Stream::Output::kOpen) {
    stream->deferred_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (count == stream->queue_.size() && stream->output_ == Http2Stream::Output::kEnding) {
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    stream->output_ = Http2Stream::Output::kDone;
    if (!stream->trailers_.empty()) {
      *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
      SubmitTrailers(stream->id_, stream->trailers_);
    }
  }
  return static_cast<ssize_t>(count);
}

int Http2Session::OnSendData(Http2Stream* stream, const uint8_t* frame_header, size_t size) {
  constexpr size_t kFrameHeaderBytes = 9;
  out_->AppendCopy({reinterpret_cast<const char*>(frame_header), kFrameHeaderBytes});
  stream->queue_.MoveTo(out_, size);
  queued_bytes_ -= size;
  // The frame is whole; PAUSE makes nghttp2_session_send return after it.
  return out_->size() >= out_limit_ ? NGHTTP2_ERR_PAUSE : 0;
}

void Http2Session::SubmitTrailers(int32_t id, absl::Span<const Header> trailers) {
  Fields fields;
  for (const Header& header : trailers) {
    fields.push_back(MakeField(header.name, header.value, header.storage));
  }
  nghttp2_submit_trailer(session_, id, fields.data(), fields.size());
}

int Http2Session::OnFrameSent(const nghttp2_frame* frame) {
  // After the GOAWAY of Fail nothing more goes out.
  if (frame->hd.type == NGHTTP2_GOAWAY && goaway_submitted_) return NGHTTP2_ERR_CALLBACK_FAILURE;
  if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS) return 0;
  reset_ping_strikes_ = true;
  control_frames_.Return(kControlFramesPerDataFrame);
  Http2Stream* stream = Find(frame->hd.stream_id);
  if (stream == nullptr) return 0;
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    // Answered before the request was complete: the client may stop (RFC 9113 section 8.1).
    if (!stream->input_ended_) {
      nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream->id_, NGHTTP2_NO_ERROR);
    }
    return 0;
  }
  if (stream->above_high_water_ &&
      stream->queue_.size() <= host_->options().stream_low_water_bytes) {
    stream->above_high_water_ = false;
    if (stream->handler_ != nullptr) stream->handler_->OnWritable();
  }
  return 0;
}

// --- connection ---------------------------------------------------------------------------------

bool Http2Session::finished() const {
  if (failed_) return true;
  if (goaway_submitted_) return !wants_write();
  if (shutdown_ == Shutdown::kFinal && stream_count_ == 0) return !wants_write();
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

// Every PING of the client, as grpc-go's keepalive enforcement counts them.
void Http2Session::OnPing(const nghttp2_frame* frame) {
  if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
    if (std::memcmp(frame->ping.opaque_data, kShutdownPing, sizeof(kShutdownPing)) == 0) {
      FinalGoAway();
    }
    keepalive_out_ = false;
    return;
  }
  const ServerOptions& options = host_->options();
  const absl::Duration now = host_->Now();
  const absl::Duration since_last = now - last_ping_;
  last_ping_ = now;
  if (std::exchange(reset_ping_strikes_, false)) {
    ping_strikes_ = 0;
    return;
  }
  const absl::Duration interval = stream_count_ == 0
                                      ? std::max(kIdlePingInterval, options.ping_interval_min)
                                      : options.ping_interval_min;
  if (since_last < interval) ++ping_strikes_;
  if (ping_strikes_ > options.ping_strikes_max) {
    Fail(NGHTTP2_ENHANCE_YOUR_CALM, "too_many_pings");
  }
}

void Http2Session::Fail(uint32_t error_code, std::string_view text) {
  if (goaway_submitted_) return;
  goaway_submitted_ = true;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), error_code,
                        reinterpret_cast<const uint8_t*>(text.data()), text.size());
  ScheduleFlush();
}

void Http2Session::StartShutdown() {
  if (shutdown_ != Shutdown::kNo || failed_ || goaway_submitted_) return;
  shutdown_ = Shutdown::kNoticed;
  shutdown_since_ = host_->Now();
  nghttp2_submit_shutdown_notice(session_);
  nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kShutdownPing);
}

// Streams that crossed the notice on the wire have arrived by now.
void Http2Session::FinalGoAway() {
  if (shutdown_ != Shutdown::kNoticed) return;
  shutdown_ = Shutdown::kFinal;
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                        nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR,
                        nullptr, 0);
  ScheduleFlush();
}

void Http2Session::OnSweep() {
  if (failed_ || goaway_submitted_) return;
  const ServerOptions& options = host_->options();
  const absl::Duration now = host_->Now();
  if (now - header_since_ >= options.header_timeout) {
    return Fail(NGHTTP2_ENHANCE_YOUR_CALM, "header_timeout");
  }
  if (shutdown_ == Shutdown::kNoticed && now - shutdown_since_ >= kShutdownNoticeMax) FinalGoAway();
  if (stream_count_ == 0 && now - std::max(idle_since_, last_read_) >= options.idle_timeout) {
    return Fail(NGHTTP2_NO_ERROR, "idle_timeout");
  }
  if (keepalive_out_ && last_read_ > keepalive_since_) keepalive_out_ = false;
  if (!keepalive_out_ && now - last_read_ >= options.keepalive_interval) {
    keepalive_out_ = true;
    keepalive_since_ = now;
    nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kKeepalivePing);
  }
  if (keepalive_out_ && now - keepalive_since_ >= options.keepalive_timeout) failed_ = true;
}

}  // namespace

std::unique_ptr<Session> MakeHttp2Session(SessionHost* host) {
  return std::make_unique<Http2Session>(host);
}

}  // namespace keelson::http
