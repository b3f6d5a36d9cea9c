#include "storage/etcd_hash.h"

#include "base/coding.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "storage/key_value.h"

namespace keelson::storage {
namespace {

// A change as etcd stores it:
//   key    := main:be64 '_' sub:be64 ['t']      't': a tombstone
//   value  := the KeyValue; of a tombstone one with the key only
void AppendEtcdChange(VersionId id, bool tombstone, std::string_view key, std::string_view kv,
                      std::string& to) {
  AppendBig64(to, static_cast<uint64_t>(id.main.value()));
  to.push_back('_');
  AppendBig64(to, static_cast<uint64_t>(id.sub));
  if (!tombstone) {
    to.append(kv);
    return;
  }
  to.push_back('t');
  KeyValue deleted;
  deleted.key = key;
  AppendKeyValue(deleted, to);
}

}  // namespace

EtcdHasher::EtcdHasher(const Options& options, const KeyIndex& index)
    : options_(options), index_(index), crc_(Crc32c("key")) {}

absl::Status EtcdHasher::Add(VersionId id, std::string_view record) {
  VersionRecord change;
  KeyValue kv;
  if (!ParseVersionRecord(record, change) || !ParseKeyValue(change.kv, kv)) {
    return absl::DataLossError("state store: malformed version record");
  }
  const bool tombstone = change.kind == EventKind::kDelete;
  KV_ASSIGN_OR_RETURN(const bool counts, Counts(id, tombstone, kv.key));
  if (!counts) return absl::OkStatus();
  bytes_.clear();
  AppendEtcdChange(id, tombstone, kv.key, change.kv, bytes_);
  crc_ = Crc32cExtend(crc_, bytes_);
  return absl::OkStatus();
}

absl::StatusOr<bool> EtcdHasher::Counts(VersionId id, bool tombstone, std::string_view key) const {
  if (id.main > options_.compacted) return true;
  if (tombstone) return false;
  const Revision at = options_.nothing_live ? options_.compacted : options_.at;
  KV_ASSIGN_OR_RETURN(const auto live, index_.Find(key, at));
  return live.has_value() && live->id == id;
}

}  // namespace keelson::storage
