// The first bytes of a connection between members (docs/peer-protocol.md): who dials whom, in which
// cluster, and for what.
//
//   hello  := magic:8 version:be32 cluster:be64 from:be64 to:be64 crc32c:le32      (of all before)
//   magic  := "KEELSONP" frames | "KEELSONS" one snapshot | "KEELSONM" who the members are
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

// kMembers: asked by whoever is about to join and does not know the cluster or its own id yet.
enum class PeerPurpose : uint8_t { kFrames, kSnapshot, kMembers };

struct Hello {
  PeerPurpose purpose = PeerPurpose::kFrames;
  uint32_t version = kPeerVersion;
  uint64_t cluster = 0;
  NodeId from = {}, to = {};
};

std::string EncodeHello(const Hello& hello);
// nullopt: no member's hello.
std::optional<Hello> DecodeHello(std::string_view bytes);

// Reaches the wire: do not renumber.
enum HelloCode : uint8_t {
  kWelcome = 0,
  kWrongVersion = 1,
  kWrongCluster = 2,
  kWrongMember = 3,
  kRemoved = 4
};
const char* HelloCodeText(uint8_t code);

// What is said to a kMembers, after the welcome: reply := size:le32 crc32c:le32 body:size.
//   body := cluster:be64 members        members: etcdserverpb.MemberListResponse, members only
inline constexpr size_t kMembersHeadBytes = 8;
inline constexpr uint32_t kMembersBytesMax = 1 << 20;
std::string EncodeMembersReply(uint64_t cluster, std::string_view members);
// The size and the checksum of the body in the head of a reply; nullopt: too large.
struct MembersReplyHead {
  uint32_t size = 0;
  uint32_t crc = 0;
};
std::optional<MembersReplyHead> DecodeMembersReplyHead(std::string_view head);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_PEER_HELLO_H_
