#include "http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/coding.h"

namespace keelson::http {
namespace {

constexpr size_t kFrameHeaderBytes = 9;
constexpr uint32_t kWindow = 0x7fffffff;
constexpr uint32_t kWindowDefault = 65535;
constexpr uint64_t kAcknowledgeAt = 64 << 20;
constexpr size_t kRead = 256 * 1024;

void BlockIn(int fd, int16_t events) {
  pollfd wanted = {fd, events, 0};
  ::poll(&wanted, 1, -1);
}

}  // namespace

RawClient::RawClient(uint16_t port, Greeting greeting, std::function<void()> wait)
    : automatic_(greeting == Greeting::kHttp2),
      wait_(std::move(wait)),
      fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  KV_CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  KV_CHECK_EQ(nghttp2_hd_deflate_new(&deflater_, 4096), 0);
  KV_CHECK_EQ(nghttp2_hd_inflate_new(&inflater_), 0);
  if (greeting == Greeting::kNone) return;
  out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings;
  if (automatic_) {
    settings.append({0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE});
    AppendBig32(settings, kWindow);
  }
  AddFrame(NGHTTP2_SETTINGS, 0, 0, settings);
  if (!automatic_) return;
  std::string increment;
  AppendBig32(increment, kWindow - kWindowDefault);
  AddFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment);
}

RawClient::~RawClient() {
  nghttp2_hd_deflate_del(deflater_);
  nghttp2_hd_inflate_del(inflater_);
  ::close(fd_);
}

void RawClient::CloseWrite() { ::shutdown(fd_, SHUT_WR); }

void RawClient::Abort() {
  const linger now = {1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  ::close(fd_);
  fd_ = -1;
}

int32_t RawClient::NextStream() {
  next_stream_ += 2;
  return next_stream_ - 2;
}

void RawClient::AddFrame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  out_.append({static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size),
               static_cast<char>(type), static_cast<char>(flags)});
  AppendBig32(out_, static_cast<uint32_t>(stream));
  out_.append(payload);
}

std::string RawClient::EncodeHeaders(const Fields& fields) {
  std::vector<nghttp2_nv> encoded;
  for (const auto& [name, value] : fields) {
    encoded.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                       reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(),
                       value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  std::string block(nghttp2_hd_deflate_bound(deflater_, encoded.data(), encoded.size()), '\0');
  const ssize_t n = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(block.data()),
                                          block.size(), encoded.data(), encoded.size());
  KV_CHECK_GE(n, 0);
  block.resize(static_cast<size_t>(n));
  return block;
}

RawClient::Fields RawClient::DecodeHeaders(std::string_view block) {
  Fields fields;
  for (int flags = 0; (flags & NGHTTP2_HD_INFLATE_FINAL) == 0;) {
    nghttp2_nv field;
    const ssize_t n = nghttp2_hd_inflate_hd2(
        inflater_, &field, &flags, reinterpret_cast<const uint8_t*>(block.data()), block.size(), 1);
    KV_CHECK_GE(n, 0);
    block.remove_prefix(static_cast<size_t>(n));
    if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0) continue;
    fields.emplace_back(std::string(reinterpret_cast<char*>(field.name), field.namelen),
                        std::string(reinterpret_cast<char*>(field.value), field.valuelen));
  }
  nghttp2_hd_inflate_end_headers(inflater_);
  return fields;
}

int32_t RawClient::AddHeaders(const Fields& fields, uint8_t flags) {
  const int32_t stream = NextStream();
  AddFrame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, EncodeHeaders(fields));
  return stream;
}

void RawClient::Flush() {
  std::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) {
      rest.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      // The server may wait for us to read; what comes is kept.
      if (!Receive(false)) break;
      wait_ ? wait_() : BlockIn(fd_, POLLIN | POLLOUT);
    } else if (errno != EINTR) {
      break;  // seen by the next read
    }
  }
  out_.clear();
}

// Reads what is there; with `wait`, until something is there. False: the server closed.
bool RawClient::Receive(bool wait) {
  for (;;) {
    const size_t before = in_.size();
    in_.resize(before + kRead);
    const ssize_t n = ::recv(fd_, in_.data() + before, kRead, MSG_DONTWAIT);
    in_.resize(before + static_cast<size_t>(n > 0 ? n : 0));
    if (n > 0) return true;
    if (n < 0 && errno == EINTR) continue;
    if (n == 0 || errno != EAGAIN) return false;
    if (!wait) return true;
    wait_ ? wait_() : BlockIn(fd_, POLLIN);
  }
}

bool RawClient::ReadMore() {
  in_.erase(0, in_done_);
  in_done_ = 0;
  return Receive(true);
}

bool RawClient::ReadFrames(std::vector<Frame>* frames) {
  frames->clear();
  in_.erase(0, in_done_);
  in_done_ = 0;
  for (;;) {
    for (;;) {
      const std::string_view rest = std::string_view(in_).substr(in_done_);
      if (rest.size() < kFrameHeaderBytes) break;
      const uint32_t size = LoadBig32(rest.data()) >> 8;
      if (rest.size() < kFrameHeaderBytes + size) break;
      frames->push_back({static_cast<uint8_t>(rest[3]), static_cast<uint8_t>(rest[4]),
                         static_cast<int32_t>(LoadBig32(rest.data() + 5) & kWindow),
                         rest.substr(kFrameHeaderBytes, size)});
      in_done_ += kFrameHeaderBytes + size;
    }
    if (!frames->empty()) break;
    if (!Receive(true)) return false;
  }
  if (automatic_) Answer(*frames);
  return true;
}

// Into the output; goes out with the caller's next Flush.
void RawClient::Answer(const std::vector<Frame>& frames) {
  for (const Frame& frame : frames) {
    if (frame.type == NGHTTP2_SETTINGS && frame.flags == 0) {
      AddFrame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
    } else if (frame.type == NGHTTP2_PING && frame.flags == 0) {
      AddFrame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload);
    } else if (frame.type == NGHTTP2_DATA) {
      unacknowledged_ += frame.payload.size();
    }
  }
  if (unacknowledged_ < kAcknowledgeAt) return;
  std::string increment;
  AppendBig32(increment, static_cast<uint32_t>(unacknowledged_));
  AddFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment);
  unacknowledged_ = 0;
}

}  // namespace keelson::http
