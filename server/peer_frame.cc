#include "server/peer_frame.h"

#include <string>
#include <utility>

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::server {
namespace {

// Of the head: those that the size does not count.
constexpr size_t kUncountedBytes = 8;

}  // namespace

SharedBytes EncodePeerFrameHead(uint8_t channel, const ByteChain& payload) {
  const char channel_byte = static_cast<char>(channel);
  uint32_t crc = Crc32c({&channel_byte, 1});
  for (const SharedBytes& piece : payload.pieces()) crc = Crc32cExtend(crc, piece.view());
  std::string head;
  head.reserve(kPeerFrameHeadBytes);
  AppendLittle32(head, static_cast<uint32_t>(payload.size() + 1));
  AppendLittle32(head, crc);
  head.push_back(channel_byte);
  return SharedBytes(std::move(head));
}

PeerFrameOutcome ParsePeerFrame(std::string_view bytes, uint64_t bytes_max, PeerFrame* frame) {
  if (bytes.size() < kPeerFrameHeadBytes) return PeerFrameOutcome::kPartial;
  const uint64_t size = LoadLittle32(bytes.data());
  if (size == 0 || size > bytes_max) return PeerFrameOutcome::kMalformed;
  if (bytes.size() < kUncountedBytes + size) return PeerFrameOutcome::kPartial;
  const std::string_view body = bytes.substr(kUncountedBytes, size);
  if (Crc32c(body) != LoadLittle32(bytes.data() + 4)) return PeerFrameOutcome::kBadChecksum;
  *frame = {static_cast<uint8_t>(body[0]), body.substr(1), kUncountedBytes + body.size()};
  return PeerFrameOutcome::kFrame;
}

}  // namespace keelson::server
