// The bytes of the raft log's segments (docs/on-disk-format.md, "Raft log"). Encoders and decoders
// only; RaftLog says what the records mean together.
//
//   segment       := header record*                      all integers little-endian
//   header        := magic:8 format:u32 zero:u32 cluster:u64 member:u64 sequence:u64 salt:u64
//                    zero:12 crc:u32                      64 bytes; crc = CRC-32C of the first 60
//   record        := crc:u32 tag:u32 size:u32 synced:u32 index:u64 term:u64 kind:u8 type:u8
//                    flags:u8 zero:5 payload:size zero*   40 bytes + payload, padded to 8
//   crc           := CRC-32C of the 8 bytes of the salt, the record from its tag to its payload's
//   end tag           := low half of the salt xor its high half synced        := everything in this
//   segment before 8 * synced was on disk when this was written
//
// Keys of the file names and numbers below reach disk: do not renumber.
#ifndef KEELSON_STORAGE_LOG_FORMAT_H_
#define KEELSON_STORAGE_LOG_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/raft_log.h"

namespace keelson::storage {

inline constexpr uint32_t kLogFormat = 1;
inline constexpr uint64_t kSegmentHeaderBytes = 64;
inline constexpr uint64_t kRecordHeaderBytes = 40;
inline constexpr uint64_t kRecordAlignment = 8;

struct SegmentHeader {
  LogIdentity identity;
  uint64_t sequence = 0;
  uint64_t salt = 0;
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

std::string EncodeSegmentHeader(const SegmentHeader& header);
// DataLoss: damaged. FailedPrecondition: a newer format. The message does not name the file.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

enum class RecordKind : uint8_t {
  kOpening = 1,  // first of a segment; index, term: the last entry before it; payload: Opening
  kEntry = 2,    // index, term, type, payload of an entry; follows the entry before it by one
  kState = 3,    // payload: LogState
  kCut = 4,      // the log now ends with the entry `index` of `term`; later ones are forgotten
  kMark = 5,     // nothing but its `synced`; written when the log is closed
  kReset = 6,    // the log is empty and goes on after the entry `index` of `term`
};

inline constexpr uint8_t kLastOfAppend =
    1;  // flag: the records since the previous such are one unit

struct RecordHeader {
  RecordKind kind = RecordKind::kMark;
  uint8_t type = 0;
  uint8_t flags = 0;
  uint64_t synced = 0;  // in bytes; a multiple of kRecordAlignment
  LogIndex index{};
  Term term{};
};

struct Opening {
  uint64_t previous_end = 0;  // where the records of the previous segment end; 0: there is none
  LogState state;
  friend bool operator==(const Opening&, const Opening&) = default;
};

// What the checks of a segment's records need of its salt.
struct RecordSalt {
  explicit RecordSalt(uint64_t salt);
  uint32_t tag;
  uint32_t crc;
};

constexpr uint64_t PaddedRecordBytes(uint64_t payload_bytes) {
  return (kRecordHeaderBytes + payload_bytes + kRecordAlignment - 1) & ~(kRecordAlignment - 1);
}

// Appends the 40 bytes that go before `payload`. REQUIRES: payload.size() < 2^32.
void AppendRecordHeader(const RecordSalt& salt, const RecordHeader& header,
                        std::string_view payload, std::string& to);

struct ParsedRecord {
  RecordHeader header;
  std::string_view payload;  // points into the bytes parsed
  uint64_t padded_bytes = 0;
};

// The record at the front of `bytes`; nullopt when there is no whole, undamaged one of this salt.
std::optional<ParsedRecord> ParseRecord(const RecordSalt& salt, std::string_view bytes);
// Cheap: may a record of this salt begin here?
bool HasTag(const RecordSalt& salt, std::string_view bytes);

std::string EncodeLogState(const LogState& state);
bool DecodeLogState(std::string_view bytes, LogState& state);
std::string EncodeOpening(const Opening& opening);
bool DecodeOpening(std::string_view bytes, Opening& opening);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_LOG_FORMAT_H_
