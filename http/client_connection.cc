#include "http/client_connection.h"

#include <nghttp2/nghttp2.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "asio/connect.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/post.hpp"
#include "base/check.h"
#include "http/tls_transport.h"
#include "http/transport.h"

namespace keelson::http {
namespace {

// Output taken from nghttp2 ahead of the socket.
constexpr size_t kOutputMax = 1 << 20;
constexpr uint32_t kStreamsMax = 1u << 20;  // until the server's SETTINGS say otherwise

uint8_t* Bytes(std::string_view text) {
  return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
}

std::string_view Text(const uint8_t* bytes, size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace

struct PreparedHeaders::Fields {
  explicit Fields(absl::Span<const Header> fields) {
    size_t size = 0;
    for (const Header& field : fields) size += field.name.size() + field.value.size();
    text.reserve(size);  // pointers into it stay valid
    for (const Header& field : fields) {
      uint8_t* name = Bytes(text) + text.size();
      text.append(field.name).append(field.value);
      values.push_back({name, name + field.name.size(), field.name.size(), field.value.size(),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE});
    }
  }

  std::string text;
  std::vector<nghttp2_nv> values;  // point into `text`
};

PreparedHeaders::PreparedHeaders(absl::Span<const Header> fields)
    : fields_(std::make_unique<const Fields>(fields)) {}

PreparedHeaders::~PreparedHeaders() = default;

class ClientConnection::Impl final : public TransportEvents,
                                     public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context* loop, ClientOptions options)
      : loop_(loop), options_(options), resolver_(loop->get_executor()), socket_(*loop) {}
  ~Impl() override { nghttp2_session_del(session_); }

  void Connect(const std::string& host, uint16_t port,
               std::function<void(const absl::Status&)> on_connected,
               std::function<void(const absl::Status&)> on_closed);
  int32_t Open(const PreparedHeaders& headers, std::string_view body, EndStream end,
               ClientStreamHandler* handler);
  void Send(int32_t id, std::string_view body, EndStream end);
  void Reset(int32_t id);
  void Close(absl::Status reason);
  // The owner is gone: nothing is called any more.
  void Abandon();
  size_t open_streams() const { return streams_.size(); }

 private:
  // Reused, so that a request allocates nothing of ours.
  struct Stream {
    ClientStreamHandler* handler = nullptr;
    int32_t id = 0;
    std::string body;  // what nghttp2 has not taken is body[body_done..]
    size_t body_done = 0;
    bool body_ended = false;
    bool deferred = false;  // nghttp2 waits for resume_data
    bool answered = false;  // END_STREAM came
  };

  static nghttp2_session_callbacks* Callbacks();
  static Impl* Self(void* user_data) { return static_cast<Impl*>(user_data); }
  // nghttp2's own table knows a stream only once its header was sent.
  Stream* Find(int32_t id) {
    const auto found = streams_.find(id);
    return found == streams_.end() ? nullptr : found->second;
  }

  void OnReadable() override;
  void OnWritable() override;
  void OnConnected(TcpSocket socket);
  void StartSession();
  void OnBytes(std::string_view bytes);
  int OnHeader(const nghttp2_frame* frame, std::string_view name, std::string_view value);
  int OnFrame(const nghttp2_frame* frame);
  int OnStreamClose(int32_t id, uint32_t error_code);
  ssize_t OnReadBody(Stream* stream, uint8_t* to, size_t max, uint32_t* flags);

  void ScheduleFlush();
  void Flush();
  bool WriteOut();
  void CloseNow();
  Stream* TakeStream();
  void EndStreamOf(Stream* stream, ClientStreamEnd end);

  asio::io_context* const loop_;
  const ClientOptions options_;
  asio::ip::basic_resolver<asio::ip::tcp, LoopExecutor> resolver_;
  TcpSocket socket_;  // until connected
  std::string host_;
  std::unique_ptr<Transport> transport_;
  std::function<void(const absl::Status&)> on_connected_;
  std::function<void(const absl::Status&)> on_closed_;

  nghttp2_session* session_ = nullptr;
  std::string read_buffer_;
  std::string output_;
  size_t output_done_ = 0;
  absl::flat_hash_map<int32_t, Stream*> streams_;  // the open ones
  std::vector<std::unique_ptr<Stream>> all_streams_;
  std::vector<Stream*> spare_streams_;

  bool closed_ = false;
  bool abandoned_ = false;
  bool close_asked_ = false;  // in_session_ was true when Close came
  absl::Status close_reason_;
  bool going_away_ = false;  // GOAWAY came
  bool in_session_ = false;  // nghttp2 is calling us
  bool writing_ = false;     // a WaitWritable is out
  bool flush_scheduled_ = false;
};

nghttp2_session_callbacks* ClientConnection::Impl::Callbacks() {
  static nghttp2_session_callbacks* const callbacks = [] {
    nghttp2_session_callbacks* c = nullptr;
    KV_CHECK_EQ(nghttp2_session_callbacks_new(&c), 0);
    nghttp2_session_callbacks_set_on_header_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
              const uint8_t* value, size_t value_size, uint8_t, void* user_data) {
          return Self(user_data)->OnHeader(frame, Text(name, name_size), Text(value, value_size));
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
          return Self(user_data)->OnFrame(frame);
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        c, [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
              void* user_data) {
          Impl* self = Self(user_data);
          Stream* stream = self->Find(id);
          if (stream != nullptr && !self->abandoned_) stream->handler->OnData(Text(data, size));
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        c, [](nghttp2_session*, int32_t id, uint32_t error_code, void* user_data) {
          return Self(user_data)->OnStreamClose(id, error_code);
        });
    nghttp2_session_callbacks_set_on_frame_not_send_callback(
        c, [](nghttp2_session*, const nghttp2_frame* frame, int, void* user_data) {
          // A request that waited for the server's limit when GOAWAY came: its stream never was.
          if (frame->hd.type == NGHTTP2_HEADERS) {
            Self(user_data)->OnStreamClose(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
          }
          return 0;
        });
    return c;
  }();
  return callbacks;
}

// --- connecting and closing ---------------------------------------------------------------------

void ClientConnection::Impl::Connect(const std::string& host, uint16_t port,
                                     std::function<void(const absl::Status&)> on_connected,
                                     std::function<void(const absl::Status&)> on_closed) {
  KV_CHECK(on_connected_ == nullptr && transport_ == nullptr) << "Connect comes once";
  host_ = host;
  on_connected_ = std::move(on_connected);
  on_closed_ = std::move(on_closed);
  const std::string name = absl::StrCat(host, ":", port);
  const auto fail = [name](Impl* self, const asio::error_code& error) {
    self->closed_ = true;
    if (self->abandoned_) return;
    std::exchange(self->on_connected_, nullptr)(
        absl::UnavailableError(absl::StrCat("dial tcp ", name, ": ", error.message())));
  };
  resolver_.async_resolve(
      host, std::to_string(port),
      [self = shared_from_this(), fail](const asio::error_code& error, const auto& found) {
        if (error || self->closed_) return fail(self.get(), error);
        asio::async_connect(self->socket_, found,
                            [self, fail](const asio::error_code& failed, const auto&) {
                              if (failed || self->closed_) return fail(self.get(), failed);
                              self->OnConnected(std::move(self->socket_));
                            });
      });
}

void ClientConnection::Impl::OnConnected(TcpSocket socket) {
  transport_ = options_.tls == nullptr
                   ? MakeTcpTransport(std::move(socket))
                   : MakeTlsClientTransport(std::move(socket), options_.tls, host_);
  read_buffer_.resize(options_.read_bytes);
  StartSession();
  transport_->WaitReadable(shared_from_this());
  std::exchange(on_connected_, nullptr)(absl::OkStatus());
  Flush();
}

void ClientConnection::Impl::StartSession() {
  nghttp2_option* option = nullptr;
  KV_CHECK_EQ(nghttp2_option_new(&option), 0);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_peer_max_concurrent_streams(option, kStreamsMax);
  KV_CHECK_EQ(nghttp2_session_client_new2(&session_, Callbacks(), this, option), 0);
  nghttp2_option_del(option);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options_.stream_window_bytes},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                        static_cast<int32_t>(options_.connection_window_bytes));
}

void ClientConnection::Impl::Close(absl::Status reason) {
  if (closed_ || close_asked_) return;
  close_reason_ = std::move(reason);
  if (in_session_) {
    close_asked_ = true;
  } else {
    CloseNow();
  }
}

void ClientConnection::Impl::CloseNow() {
  const std::shared_ptr<Impl> self = shared_from_this();
  closed_ = true;
  close_asked_ = false;
  if (transport_ == nullptr) {  // still connecting: its callback ends it
    resolver_.cancel();
    asio::error_code ignored;
    socket_.close(ignored);
    return;
  }
  transport_->Close();
  while (!streams_.empty() && !abandoned_) {
    EndStreamOf(streams_.begin()->second, {ClientStreamEnd::Reason::kConnectionLost, 0});
  }
  const auto on_closed = std::exchange(on_closed_, nullptr);
  if (on_closed != nullptr && !abandoned_) on_closed(close_reason_);
}

void ClientConnection::Impl::Abandon() {
  abandoned_ = true;
  Close(absl::CancelledError("abandoned"));
}

// --- input --------------------------------------------------------------------------------------

void ClientConnection::Impl::OnReadable() {
  while (!closed_) {
    const Transport::Result result = transport_->Read(read_buffer_.data(), read_buffer_.size());
    if (result.outcome == Transport::Outcome::kWouldBlock) break;
    if (result.outcome != Transport::Outcome::kOk) {
      return Close(absl::UnavailableError("the server closed the connection"));
    }
    OnBytes({read_buffer_.data(), result.bytes});
    if (result.bytes < read_buffer_.size()) break;
  }
  Flush();
  if (!closed_) transport_->WaitReadable(shared_from_this());
}

void ClientConnection::Impl::OnBytes(std::string_view bytes) {
  in_session_ = true;
  const ssize_t n = nghttp2_session_mem_recv(session_, Bytes(bytes), bytes.size());
  in_session_ = false;
  if (close_asked_) return CloseNow();
  if (n < 0) {
    Close(absl::UnavailableError(
        absl::StrCat("not HTTP/2: ", nghttp2_strerror(static_cast<int>(n)))));
  }
}

int ClientConnection::Impl::OnHeader(const nghttp2_frame* frame, std::string_view name,
                                     std::string_view value) {
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  Stream* stream = Find(frame->hd.stream_id);
  if (stream == nullptr || abandoned_) return 0;
  // A header that follows a 1xx one is of the same category as trailers, but does not end.
  const bool trailer = frame->headers.cat != NGHTTP2_HCAT_RESPONSE &&
                       (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  stream->handler->OnField(trailer ? FieldBlock::kTrailer : FieldBlock::kHeader, name, value);
  return 0;
}

int ClientConnection::Impl::OnFrame(const nghttp2_frame* frame) {
  if (frame->hd.type == NGHTTP2_GOAWAY) {
    going_away_ = true;
  } else if ((frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
             (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    if (Stream* stream = Find(frame->hd.stream_id)) stream->answered = true;
  }
  return 0;
}

int ClientConnection::Impl::OnStreamClose(int32_t id, uint32_t error_code) {
  Stream* stream = Find(id);
  if (stream == nullptr || abandoned_) return 0;
  const auto reason =
      stream->answered ? ClientStreamEnd::Reason::kAnswered : ClientStreamEnd::Reason::kReset;
  EndStreamOf(stream, {reason, error_code});
  return 0;
}

// --- output -------------------------------------------------------------------------------------

int32_t ClientConnection::Impl::Open(const PreparedHeaders& headers, std::string_view body,
                                     EndStream end, ClientStreamHandler* handler) {
  if (session_ == nullptr || closed_ || close_asked_ || going_away_) return 0;
  Stream* stream = TakeStream();
  stream->handler = handler;
  stream->body.assign(body);
  stream->body_ended = end == EndStream::kYes;
  nghttp2_data_provider provider = {};
  provider.source.ptr = stream;
  provider.read_callback = [](nghttp2_session*, int32_t, uint8_t* to, size_t max, uint32_t* flags,
                              nghttp2_data_source* source, void* user_data) {
    return Self(user_data)->OnReadBody(static_cast<Stream*>(source->ptr), to, max, flags);
  };
  const bool bodiless = body.empty() && stream->body_ended;
  const std::vector<nghttp2_nv>& fields = headers.fields_->values;
  const int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(),
                                            bodiless ? nullptr : &provider, nullptr);
  if (id < 0) {
    spare_streams_.push_back(stream);
    return 0;
  }
  stream->id = id;
  streams_.emplace(id, stream);
  ScheduleFlush();
  return id;
}

void ClientConnection::Impl::Send(int32_t id, std::string_view body, EndStream end) {
  if (session_ == nullptr || closed_) return;
  Stream* stream = Find(id);
  if (stream == nullptr || stream->body_ended) return;
  stream->body.append(body);
  stream->body_ended = end == EndStream::kYes;
  if (stream->deferred) {
    stream->deferred = false;
    nghttp2_session_resume_data(session_, id);
  }
  ScheduleFlush();
}

void ClientConnection::Impl::Reset(int32_t id) {
  if (session_ == nullptr || closed_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  ScheduleFlush();
}

ssize_t ClientConnection::Impl::OnReadBody(Stream* stream, uint8_t* to, size_t max,
                                           uint32_t* flags) {
  const size_t n = std::min(max, stream->body.size() - stream->body_done);
  std::memcpy(to, stream->body.data() + stream->body_done, n);
  stream->body_done += n;
  if (stream->body_done == stream->body.size()) {
    stream->body.clear();
    stream->body_done = 0;
    if (stream->body_ended) {
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (n == 0) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ssize_t>(n);
}

void ClientConnection::Impl::ScheduleFlush() {
  if (flush_scheduled_ || writing_ || in_session_) return;  // comes anyway
  flush_scheduled_ = true;
  asio::post(loop_->get_executor(), [self = shared_from_this()] {
    self->flush_scheduled_ = false;
    self->Flush();
  });
}

void ClientConnection::Impl::OnWritable() {
  writing_ = false;
  Flush();
}

void ClientConnection::Impl::Flush() {
  while (!closed_ && !writing_) {
    in_session_ = true;  // nghttp2 may close streams while it sends
    while (output_.size() - output_done_ < kOutputMax) {
      const uint8_t* data = nullptr;
      const ssize_t n = nghttp2_session_mem_send(session_, &data);
      if (n <= 0) break;
      output_.append(Text(data, static_cast<size_t>(n)));
    }
    in_session_ = false;
    if (close_asked_) return CloseNow();
    if (output_.empty()) break;
    if (!WriteOut()) return;
  }
  if (closed_ || writing_ || nghttp2_session_want_read(session_) != 0 ||
      nghttp2_session_want_write(session_) != 0) {
    return;
  }
  Close(absl::UnavailableError("the server is going away"));
}

bool ClientConnection::Impl::WriteOut() {
  const iovec piece = {output_.data() + output_done_, output_.size() - output_done_};
  const Transport::Result result = transport_->Write(&piece, 1);
  if (result.outcome == Transport::Outcome::kOk) {
    output_done_ += result.bytes;
    if (output_done_ == output_.size()) {
      output_.clear();
      output_done_ = 0;
    }
    return true;
  }
  if (result.outcome == Transport::Outcome::kWouldBlock) {
    writing_ = true;
    transport_->WaitWritable(shared_from_this());
  } else {
    Close(absl::UnavailableError("the server closed the connection"));
  }
  return false;
}

// --- streams ------------------------------------------------------------------------------------

ClientConnection::Impl::Stream* ClientConnection::Impl::TakeStream() {
  if (spare_streams_.empty()) {
    all_streams_.push_back(std::make_unique<Stream>());
    spare_streams_.push_back(all_streams_.back().get());
  }
  Stream* stream = spare_streams_.back();
  spare_streams_.pop_back();
  stream->body.clear();
  stream->body_done = 0;
  stream->body_ended = stream->deferred = stream->answered = false;
  return stream;
}

void ClientConnection::Impl::EndStreamOf(Stream* stream, ClientStreamEnd end) {
  streams_.erase(stream->id);
  spare_streams_.push_back(stream);
  stream->handler->OnClose(end);
}

// --- the outside --------------------------------------------------------------------------------

ClientConnection::ClientConnection(asio::io_context* loop, ClientOptions options)
    : impl_(std::make_shared<Impl>(loop, options)) {}
ClientConnection::~ClientConnection() { impl_->Abandon(); }

void ClientConnection::Connect(const std::string& host, uint16_t port,
                               std::function<void(const absl::Status&)> on_connected,
                               std::function<void(const absl::Status&)> on_closed) {
  impl_->Connect(host, port, std::move(on_connected), std::move(on_closed));
}
int32_t ClientConnection::Open(const PreparedHeaders& headers, std::string_view body, EndStream end,
                               ClientStreamHandler* handler) {
  return impl_->Open(headers, body, end, handler);
}
void ClientConnection::Send(int32_t stream, std::string_view body, EndStream end) {
  impl_->Send(stream, body, end);
}
void ClientConnection::Reset(int32_t stream) { impl_->Reset(stream); }
void ClientConnection::Close() { impl_->Close(absl::CancelledError("closed by us")); }
size_t ClientConnection::open_streams() const { return impl_->open_streams(); }

}  // namespace keelson::http
