// The first bytes of a connection between members (docs/peer-protocol.md): who dials whom, in which
// cluster, and for what.
//
//   hello  := magic:8 version:be32 cluster:be64 from:be64 to:be64 crc32c:le32      (of all before)
//   magic  := "KEELSONP" frames | "KEELSONS" one snapshot
//   answer := code:u8                                 HelloCode; any but 0 ends the connection
#ifndef KEELSON_SERVER_PEER_HELLO_H_
#define KEELSON_SERVER_PEER_HELLO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace keelson::server {

inline constexpr uint32_t kPeerVersion = 1;
inline constexpr size_t kHelloBytes = 8 + 4 + 8 + 8 + 8 + 4;

enum class PeerPurpose : uint8_t { kFrames, kSnapshot };

struct Hello {
  PeerPurpose purpose = PeerPurpose::kFrames;
  uint32_t version = kPeerVersion;
  uint64_t cluster = 0;
  NodeId from, to;
};

std::string EncodeHello(const Hello& hello);
// nullopt: no member's hello.
std::optional<Hello> DecodeHello(std::string_view bytes);

// Reaches the wire: do not renumber.
enum HelloCode : uint8_t { kWelcome = 0, kWrongVersion = 1, kWrongCluster = 2, kWrongMember = 3 };
const char* HelloCodeText(uint8_t code);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PEER_HELLO_H_
