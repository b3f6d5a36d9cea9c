#include "server/rpc/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/coding.h"
#include "server/rpc/message_reader.h"

namespace keelson::rpc {
namespace {

constexpr size_t kFrameHeaderBytes = 9;
constexpr uint32_t kWindow = 0x7fffffff;
constexpr uint32_t kWindowDefault = 65535;
constexpr uint64_t kAcknowledgeAt = 64 << 20;

}  // namespace

RawClient::RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  KV_CHECK_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const int on = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  KV_CHECK_EQ(nghttp2_hd_deflate_new(&deflater_, 4096), 0);
  out_ = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings;
  settings.append({0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE});
  AppendBig32(settings, kWindow);
  AddFrame(NGHTTP2_SETTINGS, 0, 0, settings);
  std::string increment;
  AppendBig32(increment, kWindow - kWindowDefault);
  AddFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment);
}

RawClient::~RawClient() {
  nghttp2_hd_deflate_del(deflater_);
  ::close(fd_);
}

void RawClient::AddFrame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload) {
  const auto size = static_cast<uint32_t>(payload.size());
  out_.append({static_cast<char>(size >> 16), static_cast<char>(size >> 8), static_cast<char>(size),
               static_cast<char>(type), static_cast<char>(flags)});
  AppendBig32(out_, static_cast<uint32_t>(stream));
  out_.append(payload);
}

int32_t RawClient::AddHeaders(const std::vector<std::pair<std::string, std::string>>& fields,
                              uint8_t flags) {
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
  const int32_t stream = next_stream_;
  next_stream_ += 2;
  AddFrame(NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream, block);
  return stream;
}

void RawClient::AddData(int32_t stream, uint8_t flags, std::string_view message) {
  char prefix[kMessagePrefixBytes];
  EncodeMessagePrefix(false, message.size(), prefix);
  AddFrame(NGHTTP2_DATA, flags, stream, std::string(prefix, kMessagePrefixBytes).append(message));
}

int32_t RawClient::AddUnary(std::string_view path, std::string_view message) {
  const int32_t stream = AddHeaders({{":method", "POST"},
                                     {":scheme", "http"},
                                     {":path", std::string(path)},
                                     {":authority", "127.0.0.1:2379"},
                                     {"content-type", "application/grpc"},
                                     {"user-agent", "grpc-go/1.59.0"},
                                     {"te", "trailers"}},
                                    0);
  AddData(stream, NGHTTP2_FLAG_END_STREAM, message);
  return stream;
}

void RawClient::Flush() {
  std::string_view rest = out_;
  while (!rest.empty()) {
    const ssize_t n = ::send(fd_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) break;  // seen by the next read
    rest.remove_prefix(static_cast<size_t>(n));
  }
  out_.clear();
}

bool RawClient::ReadFrames(std::vector<Frame>* frames) {
  frames->clear();
  in_.erase(0, in_done_);
  in_done_ = 0;
  while (frames->empty()) {
    constexpr size_t kRead = 256 * 1024;
    const size_t before = in_.size();
    in_.resize(before + kRead);
    const ssize_t n = ::recv(fd_, in_.data() + before, kRead, 0);
    in_.resize(before + static_cast<size_t>(n > 0 ? n : 0));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    for (;;) {
      const std::string_view rest = std::string_view(in_).substr(in_done_);
      if (rest.size() < kFrameHeaderBytes) break;
      const uint32_t size = LoadBig32(rest.data()) >> 8;
      if (rest.size() < kFrameHeaderBytes + size) break;
      frames->push_back({static_cast<uint8_t>(rest[3]), static_cast<uint8_t>(rest[4]),
                         static_cast<int32_t>(LoadBig32(rest.data() + 5) & kWindow),
                         rest.substr(kFrameHeaderBytes, size)});
      if (frames->back().type == NGHTTP2_DATA) unacknowledged_ += size;
      in_done_ += kFrameHeaderBytes + size;
    }
  }
  for (const Frame& frame : *frames) {
    if (frame.type == NGHTTP2_SETTINGS && frame.flags == 0) {
      AddFrame(NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, "");
    } else if (frame.type == NGHTTP2_PING && frame.flags == 0) {
      AddFrame(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, frame.payload);
    }
  }
  if (unacknowledged_ >= kAcknowledgeAt) {
    std::string increment;
    AppendBig32(increment, static_cast<uint32_t>(unacknowledged_));
    AddFrame(NGHTTP2_WINDOW_UPDATE, 0, 0, increment);
    unacknowledged_ = 0;
  }
  return true;
}

}  // namespace keelson::rpc
