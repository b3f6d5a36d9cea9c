#include "server/peer_hello.h"

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::server {
namespace {

constexpr std::string_view kFramesMagic = "KEELSONP";
constexpr std::string_view kSnapshotMagic = "KEELSONS";
constexpr std::string_view kMembersMagic = "KEELSONM";

std::string_view MagicOf(PeerPurpose purpose) {
  switch (purpose) {
    case PeerPurpose::kSnapshot:
      return kSnapshotMagic;
    case PeerPurpose::kMembers:
      return kMembersMagic;
    case PeerPurpose::kFrames:
      break;
  }
  return kFramesMagic;
}

}  // namespace

std::string EncodeHello(const Hello& hello) {
  std::string out(MagicOf(hello.purpose));
  AppendBig32(out, hello.version);
  AppendBig64(out, hello.cluster);
  AppendBig64(out, hello.from.value());
  AppendBig64(out, hello.to.value());
  AppendLittle32(out, Crc32c(out));
  return out;
}

std::optional<Hello> DecodeHello(std::string_view bytes) {
  if (bytes.size() != kHelloBytes) return std::nullopt;
  const uint32_t crc = Crc32c(bytes.substr(0, kHelloBytes - 4));
  Hello hello;
  if (bytes.starts_with(kSnapshotMagic)) {
    hello.purpose = PeerPurpose::kSnapshot;
  } else if (bytes.starts_with(kMembersMagic)) {
    hello.purpose = PeerPurpose::kMembers;
  } else if (!bytes.starts_with(kFramesMagic)) {
    return std::nullopt;
  }
  bytes.remove_prefix(kFramesMagic.size());
  uint64_t from, to;
  uint32_t stored;
  if (!TakeBig32(bytes, hello.version) || !TakeBig64(bytes, hello.cluster) ||
      !TakeBig64(bytes, from) || !TakeBig64(bytes, to) || !TakeLittle32(bytes, stored) ||
      stored != crc) {
    return std::nullopt;
  }
  hello.from = NodeId(from);
  hello.to = NodeId(to);
  return hello;
}

const char* HelloCodeText(uint8_t code) {
  switch (code) {
    case kWrongVersion:
      return "it speaks another version of the peer protocol";
    case kWrongCluster:
      return "cluster ID mismatch";
    case kWrongMember:
      return "it is not the member expected at this address";
    case kRemoved:
      return "the member has been permanently removed from the cluster";
    default:
      return "it refused the connection";
  }
}

std::string EncodeMembersReply(uint64_t cluster, std::string_view members) {
  std::string body;
  AppendBig64(body, cluster);
  body += members;
  std::string reply;
  AppendLittle32(reply, static_cast<uint32_t>(body.size()));
  AppendLittle32(reply, Crc32c(body));
  return reply + body;
}

std::optional<MembersReplyHead> DecodeMembersReplyHead(std::string_view head) {
  MembersReplyHead decoded;
  if (!TakeLittle32(head, decoded.size) || !TakeLittle32(head, decoded.crc) ||
      decoded.size > kMembersBytesMax) {
    return std::nullopt;
  }
  return decoded;
}

}  // namespace keelson::server
