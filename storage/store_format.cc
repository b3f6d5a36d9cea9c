#include "storage/store_format.h"

#include "base/coding.h"

namespace keelson::storage {
namespace {

constexpr uint64_t kSignBit = uint64_t{1} << 63;

// Lease ids may be negative; flipping the sign makes byte order numeric order.
uint64_t OrderedLease(LeaseId id) { return static_cast<uint64_t>(id.value()) ^ kSignBit; }

bool TakeOrderedLease(std::string_view& from, LeaseId& id) {
  uint64_t v;
  if (!TakeBig64(from, v)) return false;
  id = LeaseId(static_cast<int64_t>(v ^ kSignBit));
  return true;
}

void AppendRevision(std::string& to, Revision r) {
  AppendLittle64(to, static_cast<uint64_t>(r.value()));
}

bool TakeInt64(std::string_view& from, int64_t& v) {
  uint64_t bits;
  if (!TakeLittle64(from, bits)) return false;
  v = static_cast<int64_t>(bits);
  return true;
}

bool TakeRevision(std::string_view& from, Revision& r) {
  int64_t v;
  if (!TakeInt64(from, v) || v < 0) return false;
  r = Revision(v);
  return true;
}

bool TakeVarint63(std::string_view& from, int64_t& v) {
  uint64_t bits;
  if (!TakeVarint(from, bits) || (bits & kSignBit) != 0) return false;
  v = static_cast<int64_t>(bits);
  return true;
}

}  // namespace

void AppendVersionKey(VersionId id, std::string& to) {
  AppendBig64(to, static_cast<uint64_t>(id.main.value()));
  AppendBig64(to, static_cast<uint64_t>(id.sub));
}

bool ParseVersionKey(std::string_view bytes, VersionId& id) {
  uint64_t main, sub;
  if (!TakeBig64(bytes, main) || !TakeBig64(bytes, sub) || !bytes.empty()) return false;
  if (((main | sub) & kSignBit) != 0) return false;
  id = {Revision(static_cast<int64_t>(main)), static_cast<int64_t>(sub)};
  return true;
}

void AppendVersionRecordHead(EventKind kind, VersionId previous, std::string& to) {
  to.push_back(static_cast<char>(kind));
  AppendVarint(to, static_cast<uint64_t>(previous.main.value()));
  AppendVarint(to, static_cast<uint64_t>(previous.sub));
}

bool ParseVersionRecord(std::string_view bytes, VersionRecord& record) {
  uint8_t kind;
  int64_t main, sub;
  if (!TakeByte(bytes, kind) || kind > 1) return false;
  if (!TakeVarint63(bytes, main) || !TakeVarint63(bytes, sub)) return false;
  record = {static_cast<EventKind>(kind), {Revision(main), sub}, bytes};
  return true;
}

std::string EncodePosition(const Position& position) {
  std::string to;
  AppendLittle64(to, position.applied.value());
  AppendLittle64(to, position.term.value());
  AppendRevision(to, position.revision);
  AppendRevision(to, position.compacted);
  return to;
}

bool ParsePosition(std::string_view bytes, Position& position) {
  uint64_t applied, term;
  if (!TakeLittle64(bytes, applied) || !TakeLittle64(bytes, term) ||
      !TakeRevision(bytes, position.revision) || !TakeRevision(bytes, position.compacted) ||
      !bytes.empty()) {
    return false;
  }
  position.applied = LogIndex(applied);
  position.term = Term(term);
  return position.revision >= Revision(1) && position.compacted <= position.revision;
}

std::string EncodeCompactionProgress(const CompactionProgress& progress) {
  std::string to;
  AppendRevision(to, progress.through);
  AppendRevision(to, progress.next.main);
  AppendLittle64(to, static_cast<uint64_t>(progress.next.sub));
  return to;
}

bool ParseCompactionProgress(std::string_view bytes, CompactionProgress& progress) {
  return TakeRevision(bytes, progress.through) && TakeRevision(bytes, progress.next.main) &&
         TakeInt64(bytes, progress.next.sub) && bytes.empty() && progress.next.sub >= 0;
}

std::string EncodeIndexThrough(Revision through) {
  std::string to;
  AppendRevision(to, through);
  return to;
}

bool ParseIndexThrough(std::string_view bytes, Revision& through) {
  return TakeRevision(bytes, through) && bytes.empty();
}

bool TakeCount(std::string_view& from, int64_t& v) {
  uint64_t bits;
  if (!TakeVarint(from, bits) || bits >= uint64_t{1} << 62) return false;
  v = static_cast<int64_t>(bits);
  return true;
}

std::string MetaKey(MetaTable table) { return std::string(1, static_cast<char>(table)); }

std::string CountsMetaKey(std::string_view first) {
  std::string to = MetaKey(MetaTable::kCounts);
  to.append(first);
  return to;
}

std::string LeaseMetaKey(LeaseId id) {
  std::string to = MetaKey(MetaTable::kLease);
  AppendBig64(to, OrderedLease(id));
  return to;
}

std::string LeaseKeyMetaKey(LeaseId id, std::string_view key) {
  std::string to = MetaKey(MetaTable::kLeaseKey);
  AppendBig64(to, OrderedLease(id));
  to.append(key);
  return to;
}

std::string RecordMetaKey(Table table, std::string_view key) {
  std::string to = MetaKey(MetaTable::kRecord);
  to.push_back(static_cast<char>(table));
  to.append(key);
  return to;
}

std::string StateHashMetaKey(uint8_t slot) {
  std::string to = MetaKey(MetaTable::kStateHash);
  to.push_back(static_cast<char>(slot));
  return to;
}

bool ParseLeaseMetaKey(std::string_view rest, LeaseId& id) {
  return TakeOrderedLease(rest, id) && rest.empty();
}

bool ParseLeaseKeyMetaKey(std::string_view rest, LeaseId& id, std::string_view& key) {
  if (!TakeOrderedLease(rest, id)) return false;
  key = rest;
  return true;
}

bool ParseRecordMetaKey(std::string_view rest, Table& table, std::string_view& key) {
  uint8_t number;
  if (!TakeByte(rest, number)) return false;
  table = static_cast<Table>(number);
  key = rest;
  return true;
}

bool ParseStateHashMetaKey(std::string_view rest, uint8_t& slot) {
  return TakeByte(rest, slot) && rest.empty();
}

std::string EncodeLease(const LeaseRecord& lease) {
  std::string to;
  AppendLittle64(to, static_cast<uint64_t>(lease.granted_ttl));
  AppendLittle64(to, static_cast<uint64_t>(lease.remaining_ttl));
  return to;
}

bool ParseLease(std::string_view bytes, LeaseRecord& lease) {
  return TakeInt64(bytes, lease.granted_ttl) && TakeInt64(bytes, lease.remaining_ttl) &&
         bytes.empty();
}

}  // namespace keelson::storage
