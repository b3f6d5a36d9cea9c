#include "storage/log_format.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"
#include "base/crc32c.h"

namespace keelson::storage {
namespace {

constexpr std::string_view kMagic("KEELLOG\n", 8);
constexpr size_t kHeaderCrcOffset = kSegmentHeaderBytes - 4;

// Offsets in a record.
enum : size_t {
  kTagAt = 4,
  kSizeAt = 8,
  kSyncedAt = 12,
  kIndexAt = 16,
  kTermAt = 24,
  kKindAt = 32,
  kTypeAt = 33,
  kFlagsAt = 34,
  kZeroAt = 35,
};

bool KnownKind(uint8_t kind) { return kind >= 1 && kind <= 6; }

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string to(kMagic);
  AppendLittle32(to, kLogFormat);
  AppendLittle32(to, 0);
  AppendLittle64(to, header.identity.cluster_id);
  AppendLittle64(to, header.identity.member_id.value());
  AppendLittle64(to, header.sequence);
  AppendLittle64(to, header.salt);
  to.append(kHeaderCrcOffset - to.size(), '\0');
  AppendLittle32(to, Crc32c(to));
  return to;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return absl::DataLossError("segment header is cut short");
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("not a segment of a raft log");
  }
  if (Crc32c(bytes.substr(0, kHeaderCrcOffset)) != LoadLittle32(bytes.data() + kHeaderCrcOffset)) {
    return absl::DataLossError("segment header does not match its checksum");
  }
  bytes.remove_prefix(kMagic.size());
  uint32_t format = 0, zero = 0;
  uint64_t member = 0;
  SegmentHeader header;
  TakeLittle32(bytes, format);
  TakeLittle32(bytes, zero);
  TakeLittle64(bytes, header.identity.cluster_id);
  TakeLittle64(bytes, member);
  TakeLittle64(bytes, header.sequence);
  TakeLittle64(bytes, header.salt);
  header.identity.member_id = NodeId(member);
  if (format != kLogFormat) {
    return absl::FailedPreconditionError(
        absl::StrCat("raft log of format ", format, "; this program knows ", kLogFormat));
  }
  return header;
}

RecordSalt::RecordSalt(uint64_t salt) : tag(static_cast<uint32_t>(salt ^ (salt >> 32))) {
  char bytes[8];
  StoreLittle64(bytes, salt);
  crc = Crc32c(std::string_view(bytes, sizeof bytes));
}

void AppendRecordHeader(const RecordSalt& salt, const RecordHeader& header,
                        std::string_view payload, std::string& to) {
  KV_CHECK_EQ(payload.size() >> 32, 0u);
  KV_CHECK_EQ(header.synced % kRecordAlignment, 0u);
  char bytes[kRecordHeaderBytes] = {};
  StoreLittle32(bytes + kTagAt, salt.tag);
  StoreLittle32(bytes + kSizeAt, static_cast<uint32_t>(payload.size()));
  StoreLittle32(bytes + kSyncedAt, static_cast<uint32_t>(header.synced / kRecordAlignment));
  StoreLittle64(bytes + kIndexAt, header.index.value());
  StoreLittle64(bytes + kTermAt, header.term.value());
  bytes[kKindAt] = static_cast<char>(header.kind);
  bytes[kTypeAt] = static_cast<char>(header.type);
  bytes[kFlagsAt] = static_cast<char>(header.flags);
  const uint32_t crc = Crc32cExtend(
      Crc32cExtend(salt.crc, std::string_view(bytes + kTagAt, kRecordHeaderBytes - kTagAt)),
      payload);
  StoreLittle32(bytes, crc);
  to.append(bytes, sizeof bytes);
}

bool HasTag(const RecordSalt& salt, std::string_view bytes) {
  return bytes.size() >= kRecordHeaderBytes && LoadLittle32(bytes.data() + kTagAt) == salt.tag;
}

std::optional<ParsedRecord> ParseRecord(const RecordSalt& salt, std::string_view bytes) {
  if (!HasTag(salt, bytes)) return std::nullopt;
  const char* p = bytes.data();
  const uint64_t size = LoadLittle32(p + kSizeAt);
  if (PaddedRecordBytes(size) > bytes.size()) return std::nullopt;
  const std::string_view covered = bytes.substr(kTagAt, kRecordHeaderBytes - kTagAt + size);
  if (Crc32cExtend(salt.crc, covered) != LoadLittle32(p)) return std::nullopt;
  if (!KnownKind(static_cast<uint8_t>(p[kKindAt]))) return std::nullopt;
  ParsedRecord record;
  record.header.kind = static_cast<RecordKind>(p[kKindAt]);
  record.header.type = static_cast<uint8_t>(p[kTypeAt]);
  record.header.flags = static_cast<uint8_t>(p[kFlagsAt]);
  record.header.synced = uint64_t{LoadLittle32(p + kSyncedAt)} * kRecordAlignment;
  record.header.index = LogIndex(LoadLittle64(p + kIndexAt));
  record.header.term = Term(LoadLittle64(p + kTermAt));
  record.payload = bytes.substr(kRecordHeaderBytes, size);
  record.padded_bytes = PaddedRecordBytes(size);
  return record;
}

std::string EncodeLogState(const LogState& state) {
  std::string to;
  AppendLittle64(to, state.term.value());
  AppendLittle64(to, state.vote.value());
  AppendLittle64(to, state.commit.value());
  return to;
}

bool DecodeLogState(std::string_view bytes, LogState& state) {
  uint64_t term, vote, commit;
  if (!TakeLittle64(bytes, term) || !TakeLittle64(bytes, vote) || !TakeLittle64(bytes, commit) ||
      !bytes.empty()) {
    return false;
  }
  state = {Term(term), NodeId(vote), LogIndex(commit)};
  return true;
}

std::string EncodeOpening(const Opening& opening) {
  std::string to;
  AppendLittle64(to, opening.previous_end);
  to += EncodeLogState(opening.state);
  return to;
}

bool DecodeOpening(std::string_view bytes, Opening& opening) {
  return TakeLittle64(bytes, opening.previous_end) && DecodeLogState(bytes, opening.state);
}

}  // namespace keelson::storage
