#include "server/peer_hello.h"

#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::server {
namespace {

constexpr std::string_view kFramesMagic = "KEELSONP";
constexpr std::string_view kSnapshotMagic = "KEELSONS";

}  // namespace

std::string EncodeHello(const Hello& hello) {
  std::string out(hello.purpose == PeerPurpose::kSnapshot ? kSnapshotMagic : kFramesMagic);
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
    default:
      return "it refused the connection";
  }
}

}  // namespace keelson::server
