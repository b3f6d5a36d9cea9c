#include "storage/version_reader.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::storage {
namespace {

// A forward scan beats single reads when few records lie between those wanted: a step of the
// iterator costs a tenth of a read.
constexpr int64_t kNearRevisions = 8;
constexpr VersionId kNowhere{Revision(-1), 0};

absl::Status BadRecord(VersionId id) {
  return absl::DataLossError(absl::StrCat("state store: version ", id.main.value(), ".", id.sub,
                                          " is missing or damaged"));
}

bool Near(VersionId a, VersionId b) { return a < b && b.main - a.main <= kNearRevisions; }

bool MostlyAscendClosely(absl::Span<const VersionId> ids) {
  size_t near = 0;
  for (size_t i = 1; i < ids.size(); ++i) near += Near(ids[i - 1], ids[i]) ? 1 : 0;
  return near * 4 >= ids.size() * 3;
}

bool KeyValueIn(std::string_view record, std::string_view& kv) {
  VersionRecord parsed;
  if (!ParseVersionRecord(record, parsed)) return false;
  kv = parsed.kv;
  return true;
}

}  // namespace

absl::StatusOr<SharedBytes> KeyValueOf(const SharedBytes& record) {
  std::string_view kv;
  if (!KeyValueIn(record.view(), kv)) {
    return absl::DataLossError("state store: malformed version record");
  }
  return record.Slice(record.size() - kv.size(), kv.size());
}

absl::StatusOr<SharedBytes> VersionReader::Load(VersionId id) const {
  if (const auto record = recent_.Find(id)) return KeyValueOf(*record);
  std::string key, value;
  AppendVersionKey(id, key);
  const rocksdb::Status status = rocks_.db->Get({}, rocks_.rev, key, &value);
  if (status.IsNotFound()) return BadRecord(id);
  KV_RETURN_IF_ERROR(FromRocks(status, "cannot read the state store"));
  return KeyValueOf(SharedBytes(std::move(value)));
}

absl::Status VersionReader::LoadAll(absl::Span<const VersionId> ids, Visitor visit) const {
  std::unique_ptr<rocksdb::Iterator> it;
  for (size_t begin = 0; begin < ids.size(); begin += kChunk) {
    const auto chunk = ids.subspan(begin, kChunk);
    if (chunk.size() > 2 && MostlyAscendClosely(chunk)) {
      if (it == nullptr) it.reset(rocks_.db->NewIterator({}, rocks_.rev));
      KV_RETURN_IF_ERROR(LoadByScan(chunk, *it, visit));
    } else {
      KV_RETURN_IF_ERROR(LoadByKeys(chunk, visit));
    }
  }
  return absl::OkStatus();
}

absl::Status VersionReader::LoadByScan(absl::Span<const VersionId> ids, rocksdb::Iterator& it,
                                       Visitor visit) const {
  VersionId at = kNowhere;  // where `it` is
  const auto locate = [&it, &at]() {
    if (!it.Valid() || !ParseVersionKey(ToView(it.key()), at)) at = kNowhere;
  };
  std::string key;
  for (const VersionId id : ids) {
    std::string_view kv;
    if (const auto record = recent_.Find(id)) {
      if (!KeyValueIn(record->view(), kv)) return BadRecord(id);
      visit(kv);
      continue;
    }
    for (int i = 0; i < kNearRevisions && at != kNowhere && at < id; ++i) {
      it.Next();
      locate();
    }
    if (at != id) {
      key.clear();
      AppendVersionKey(id, key);
      it.Seek(key);
      locate();
    }
    KV_RETURN_IF_ERROR(FromRocks(it.status(), "cannot read the state store"));
    if (at != id || !KeyValueIn(ToView(it.value()), kv)) return BadRecord(id);
    visit(kv);
  }
  return absl::OkStatus();
}

absl::Status VersionReader::LoadByKeys(absl::Span<const VersionId> ids, Visitor visit) const {
  std::vector<std::optional<SharedBytes>> held(ids.size());
  std::vector<size_t> missing;  // positions in `ids`
  for (size_t i = 0; i < ids.size(); ++i) {
    held[i] = recent_.Find(ids[i]);
    if (!held[i].has_value()) missing.push_back(i);
  }
  // In the order of the files, which is what MultiGet likes best.
  std::sort(missing.begin(), missing.end(), [ids](size_t a, size_t b) { return ids[a] < ids[b]; });
  const size_t count = missing.size();
  std::string key_bytes;
  key_bytes.reserve(count * kVersionKeyBytes);
  std::vector<rocksdb::Slice> keys;
  for (const size_t i : missing) {
    AppendVersionKey(ids[i], key_bytes);
    keys.emplace_back(key_bytes.data() + key_bytes.size() - kVersionKeyBytes, kVersionKeyBytes);
  }
  std::vector<rocksdb::PinnableSlice> values(count);
  std::vector<rocksdb::Status> statuses(count);
  if (count > 0) {
    rocks_.db->MultiGet({}, rocks_.rev, count, keys.data(), values.data(), statuses.data(),
                        /*sorted_input=*/true);
  }
  std::vector<const rocksdb::PinnableSlice*> value_of(ids.size());
  for (size_t i = 0; i < count; ++i) {
    if (statuses[i].IsNotFound()) return BadRecord(ids[missing[i]]);
    KV_RETURN_IF_ERROR(FromRocks(statuses[i], "cannot read the state store"));
    value_of[missing[i]] = &values[i];
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string_view record = held[i].has_value() ? held[i]->view() : ToView(*value_of[i]);
    std::string_view kv;
    if (!KeyValueIn(record, kv)) return BadRecord(ids[i]);
    visit(kv);
  }
  return absl::OkStatus();
}

}  // namespace keelson::storage
