// RawClient: a client that says exactly what it is told, for tests and measurements: bytes or
// frames built by hand (header blocks by nghttp2's HPACK encoder, so that the server decodes what
// real clients send). Looks at frame headers only. Has no flow control of its own; by default it
// opens its windows wide and acknowledges SETTINGS and PING.
//
// Methods that must wait call `wait`, which may run the server's loop on this same thread, so that
// a test is one thread and reads like a conversation; without it they block in poll(2).
//
// Thread: one.
#ifndef KEELSON_HTTP_RAW_CLIENT_H_
#define KEELSON_HTTP_RAW_CLIENT_H_

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::http {

class RawClient {
 public:
  struct Frame {
    uint8_t type;
    uint8_t flags;
    int32_t stream;
    std::string_view payload;  // until the next ReadFrames
  };
  using Fields = std::vector<std::pair<std::string, std::string>>;
  enum class Greeting {
    kNone,         // bytes only
    kHttp2,        // preface, SETTINGS and WINDOW_UPDATE with the largest windows
    kHttp2Narrow,  // preface and empty SETTINGS: windows of 65,535 bytes; nothing is acknowledged
  };

  // Connects to 127.0.0.1. Ends the program when it cannot.
  RawClient(uint16_t port, Greeting greeting, std::function<void()> wait = nullptr);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // These append to the output.
  void AddBytes(std::string_view bytes) { out_.append(bytes); }
  void AddFrame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload);
  // A new stream's HEADERS; returns its id.
  int32_t AddHeaders(const Fields& fields, uint8_t flags);
  std::string EncodeHeaders(const Fields& fields);
  // The fields of a header block of the server's. REQUIRES: every HEADERS frame is given, in order
  // (HPACK has a memory).
  Fields DecodeHeaders(std::string_view block);
  int32_t NextStream();

  // Sends the output; what a closed connection does not take is dropped.
  void Flush();
  // Waits until at least one whole frame is there; false: the server closed first.
  bool ReadFrames(std::vector<Frame>* frames);
  // All bytes that came and were not taken by ReadFrames. ReadMore waits for more of them; false:
  // the server closed.
  bool ReadMore();
  std::string_view input() const { return std::string_view(in_).substr(in_done_); }
  void SkipInput(size_t bytes) { in_done_ += bytes; }
  void CloseWrite();
  // With RST, so that the server sees an error instead of an end.
  void Abort();

 private:
  bool Receive(bool wait);
  void Answer(const std::vector<Frame>& frames);

  const bool automatic_;
  const std::function<void()> wait_;
  int fd_;
  nghttp2_hd_deflater* deflater_;
  nghttp2_hd_inflater* inflater_;
  int32_t next_stream_ = 1;
  std::string out_;
  std::string in_;
  size_t in_done_ = 0;
  uint64_t unacknowledged_ = 0;  // DATA bytes since our last WINDOW_UPDATE of the connection
};

}  // namespace keelson::http

#endif  // KEELSON_HTTP_RAW_CLIENT_H_
