// The bytes of the Store's records in RocksDB (docs/on-disk-format.md, "State"). Encoders and
// decoders only.
//
//   column family "rev"      one record a change, ascending, never overwritten
//     key    := main:be64 sub:be64
//     value  := kind:u8 previous_main:varint previous_sub:varint kv
//     kind   := 00 put | 01 delete
//     previous              the version replaced; 0 0 when there was none
//     kv                    put: the KeyValue; delete: a KeyValue of key and mod_revision only
//
//   column family "idx"      one record a key: its history (storage/key_history.h)
//   column family "hist"     older versions of keys with very many (storage/key_history.h)
//   column family "default"  key := table:u8 …   value := see MetaKey
//
// Numbers here reach disk: do not renumber.
#ifndef KEELSON_STORAGE_STORE_FORMAT_H_
#define KEELSON_STORAGE_STORE_FORMAT_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/types.h"
#include "storage/store.h"

namespace keelson::storage {

inline constexpr uint32_t kStoreFormat = 3;

// The place of one change: the sub-th change of the main revision. Byte order of the keys is the
// order of the changes.
struct VersionId {
  Revision main;
  int64_t sub = 0;
  friend auto operator<=>(const VersionId&, const VersionId&) = default;
};

inline constexpr size_t kVersionKeyBytes = 16;
void AppendVersionKey(VersionId id, std::string& to);
bool ParseVersionKey(std::string_view bytes, VersionId& id);

struct VersionRecord {
  EventKind kind = EventKind::kPut;
  VersionId previous;
  std::string_view kv;
};
// Appends what stands before the KeyValue.
void AppendVersionRecordHead(EventKind kind, VersionId previous, std::string& to);
// `record.kv` points into `bytes`; it is not parsed.
bool ParseVersionRecord(std::string_view bytes, VersionRecord& record);

// First byte of the keys of "default"; what follows it, and the value.
enum class MetaTable : uint8_t {
  kFormat = 1,        // -> format:le32
  kPosition = 2,      // -> applied:le64 term:le64 revision:le64 compacted:le64
  kCompaction = 3,    // -> through:le64 next_main:le64 next_sub:le64
  kLease = 4,         // id:be64 (sign bit flipped) -> granted:le64 remaining:le64
  kLeaseKey = 5,      // id:be64 (sign bit flipped) key -> nothing
  kRecord = 6,        // table:u8 key -> the value given
  kIndexThrough = 7,  // -> through:le64
  kCounts = 8,        // first key -> a leaf of the counts (storage/block_counts.h)
  kStateHash = 9,     // slot:u8 -> see storage/recent_state_hashes.h
};

// Written with every batch.
struct Position {
  LogIndex applied;
  Term term;
  Revision revision{1};
  Revision compacted;
  friend bool operator==(const Position&, const Position&) = default;
};
std::string EncodePosition(const Position& position);
bool ParsePosition(std::string_view bytes, Position& position);

// How far superseded versions have been removed.
struct CompactionProgress {
  Revision through;  // everything superseded at or before it is gone
  VersionId next;    // where the scan for the next target begins, or goes on
  friend bool operator==(const CompactionProgress&, const CompactionProgress&) = default;
};
std::string EncodeCompactionProgress(const CompactionProgress& progress);
bool ParseCompactionProgress(std::string_view bytes, CompactionProgress& progress);

// All changes up to `through` are in "idx" and in the counts.
std::string EncodeIndexThrough(Revision through);
bool ParseIndexThrough(std::string_view bytes, Revision& through);

// A varint that fits a revision or a count with room for sums: below 2^62.
bool TakeCount(std::string_view& from, int64_t& v);

std::string MetaKey(MetaTable table);
std::string CountsMetaKey(std::string_view first);
std::string LeaseMetaKey(LeaseId id);
std::string LeaseKeyMetaKey(LeaseId id, std::string_view key);
std::string RecordMetaKey(Table table, std::string_view key);
std::string StateHashMetaKey(uint8_t slot);
// Without their first byte.
bool ParseLeaseMetaKey(std::string_view rest, LeaseId& id);
bool ParseLeaseKeyMetaKey(std::string_view rest, LeaseId& id, std::string_view& key);
bool ParseRecordMetaKey(std::string_view rest, Table& table, std::string_view& key);
bool ParseStateHashMetaKey(std::string_view rest, uint8_t& slot);
std::string EncodeLease(const LeaseRecord& lease);
// Leaves lease.id.
bool ParseLease(std::string_view bytes, LeaseRecord& lease);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STORE_FORMAT_H_
