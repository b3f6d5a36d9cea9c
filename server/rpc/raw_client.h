// RawClient: a gRPC client of few instructions for measurements and for tests that need the wire:
// builds frames by hand (headers by nghttp2's HPACK encoder, so that the server decodes what real
// clients send) and looks at frame headers only. Blocking; no flow control of its own, it opens its
// windows wide. For tests and benchmarks.
//
// Thread: one.
#ifndef KEELSON_SERVER_RPC_RAW_CLIENT_H_
#define KEELSON_SERVER_RPC_RAW_CLIENT_H_

#include <nghttp2/nghttp2.h>  // tidy-ok: measures and tests the server from outside it

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace keelson::rpc {

class RawClient {
 public:
  struct Frame {
    uint8_t type;
    uint8_t flags;
    int32_t stream;
    std::string_view payload;  // until the next ReadFrames
  };

  // Connects and sends preface and settings. Ends the program when it cannot.
  explicit RawClient(uint16_t port);
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  // Appends one whole unary request to the output; returns its stream.
  int32_t AddUnary(std::string_view path, std::string_view message);
  // The pieces of it.
  int32_t AddHeaders(const std::vector<std::pair<std::string, std::string>>& fields, uint8_t flags);
  void AddFrame(uint8_t type, uint8_t flags, int32_t stream, std::string_view payload);
  void AddData(int32_t stream, uint8_t flags, std::string_view message);
  // Sends the output.
  void Flush();
  // Blocks until at least one whole frame is there; false: the server closed.
  bool ReadFrames(std::vector<Frame>* frames);
  int fd() const { return fd_; }

 private:
  int fd_;
  nghttp2_hd_deflater* deflater_;
  int32_t next_stream_ = 1;
  std::string out_;
  std::string in_;
  size_t in_done_ = 0;
  uint64_t unacknowledged_ = 0;  // DATA bytes since our last WINDOW_UPDATE of the connection
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_RAW_CLIENT_H_
