// The frames of a connection between members (docs/peer-protocol.md).
//
//   frame := size:le32 crc32c:le32 channel:u8 payload       size and crc cover channel and payload
#ifndef KEELSON_SERVER_PEER_FRAME_H_
#define KEELSON_SERVER_PEER_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/shared_bytes.h"

namespace keelson::server {

inline constexpr size_t kPeerFrameHeadBytes = 9;

// What goes in front of `payload`. REQUIRES: size below 4 GiB.
SharedBytes EncodePeerFrameHead(uint8_t channel, const ByteChain& payload);

enum class PeerFrameOutcome : uint8_t { kFrame, kPartial, kMalformed, kBadChecksum };
struct PeerFrame {
  uint8_t channel;
  std::string_view payload;
  size_t bytes;  // with its head
};
// The frame at the beginning of `bytes`, valid as long as these; kPartial: not there whole.
PeerFrameOutcome ParsePeerFrame(std::string_view bytes, uint64_t bytes_max, PeerFrame* frame);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PEER_FRAME_H_
