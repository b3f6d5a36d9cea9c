#include "storage/range_query.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/status_macros.h"

namespace keelson::storage {
namespace {

struct Chosen {
  IndexVersion version;
  std::string key;    // when keys only
  SharedBytes bytes;  // when sorted by value
  std::string_view value;
};

class RangeRun {
 public:
  RangeRun(const KeyIndex& index, const VersionReader& reader, const RangeQuery& query, Revision at)
      : index_(index),
        reader_(reader),
        query_(query),
        at_(at),
        by_value_(query.target == SortTarget::kValue),
        filtered_(query.min_mod || query.max_mod || query.min_create || query.max_create),
        natural_(query.target == SortTarget::kKey && query.order != SortOrder::kDescend) {}

  absl::Status Run(VersionReader::Visitor visit, RangeSummary& summary) {
    if (query_.count_only) {
      KV_ASSIGN_OR_RETURN(summary.count, index_.Count(query_.range, at_));
      return absl::OkStatus();
    }
    if (query_.range.single()) return RunSingle(visit, summary);
    KV_RETURN_IF_ERROR(Select(summary));
    if (by_value_ && !natural_) KV_RETURN_IF_ERROR(LoadValues());
    if (!natural_) Sort();
    const auto limit = static_cast<uint64_t>(std::max<int64_t>(query_.limit, 0));
    if (limit > 0 && chosen_.size() > limit) {
      chosen_.resize(limit);
      summary.more = true;
    }
    return Emit(visit);
  }

 private:
  // The commonest query, without the machinery: nothing to sort, nothing to cut.
  absl::Status RunSingle(VersionReader::Visitor visit, RangeSummary& summary) {
    KV_ASSIGN_OR_RETURN(const std::optional<IndexVersion> found,
                        index_.Find(query_.range.begin, at_));
    if (!found.has_value()) return absl::OkStatus();
    summary.count = 1;
    if (filtered_ && !Passes(*found)) return absl::OkStatus();
    Chosen& chosen = chosen_.emplace_back();
    chosen.version = *found;
    if (query_.keys_only && !by_value_) {
      chosen.key = query_.range.begin;
    } else {
      KV_ASSIGN_OR_RETURN(chosen.bytes, reader_.Load(found->id));
      if (!query_.keys_only) {
        visit(chosen.bytes.view());
        return absl::OkStatus();
      }
    }
    return Emit(visit);
  }

  // etcd's rule: without filter and without an order asked for, one key more than the limit is
  // looked at, also when a sort target then sorts just those.
  uint64_t SelectLimit() const {
    const bool cut_first = !filtered_ && (natural_ || query_.order == SortOrder::kNone);
    if (query_.limit <= 0 || !cut_first || query_.limit == std::numeric_limits<int64_t>::max()) {
      return std::numeric_limits<uint64_t>::max();
    }
    return static_cast<uint64_t>(query_.limit) + 1;
  }

  bool Passes(const IndexVersion& version) const {
    const Revision mod = version.id.main, create = version.create;
    return !(query_.min_mod && mod < query_.min_mod) && !(query_.max_mod && mod > query_.max_mod) &&
           !(query_.min_create && create < query_.min_create) &&
           !(query_.max_create && create > query_.max_create);
  }

  absl::Status Select(RangeSummary& summary) {
    const uint64_t limit = SelectLimit();
    bool stopped = false;
    const auto take = [&](std::string_view key, const IndexVersion& version) {
      if (static_cast<uint64_t>(summary.count) == limit) {
        stopped = true;
        return false;
      }
      ++summary.count;
      if (filtered_ && !Passes(version)) return true;
      Chosen& chosen = chosen_.emplace_back();
      chosen.version = version;
      if (query_.keys_only && !by_value_) chosen.key = key;
      return true;
    };
    KV_RETURN_IF_ERROR(index_.Walk(query_.range, at_, take));
    if (!stopped) return absl::OkStatus();
    KV_ASSIGN_OR_RETURN(summary.count, index_.Count(query_.range, at_));
    return absl::OkStatus();
  }

  std::vector<VersionId> Ids() const {
    std::vector<VersionId> ids;
    ids.reserve(chosen_.size());
    for (const Chosen& chosen : chosen_) ids.push_back(chosen.version.id);
    return ids;
  }

  absl::Status LoadValues() {
    size_t i = 0;
    KV_RETURN_IF_ERROR(reader_.LoadAll(
        Ids(), [this, &i](std::string_view kv) { chosen_[i++].bytes = SharedBytes::Copy(kv); }));
    for (Chosen& chosen : chosen_) {
      KeyValue kv;
      if (!ParseKeyValue(chosen.bytes.view(), kv)) {
        return absl::DataLossError("state store: malformed KeyValue");
      }
      chosen.value = kv.value;
    }
    return absl::OkStatus();
  }

  void Sort() {
    if (query_.target == SortTarget::kKey) {  // descending: they came in ascending order
      std::reverse(chosen_.begin(), chosen_.end());
      return;
    }
    const auto before = [target = query_.target](const Chosen& a, const Chosen& b) {
      switch (target) {
        case SortTarget::kVersion:
          return a.version.version < b.version.version;
        case SortTarget::kCreate:
          return a.version.create < b.version.create;
        case SortTarget::kMod:
          return a.version.id.main < b.version.id.main;
        case SortTarget::kValue:
          return a.value < b.value;
        case SortTarget::kKey:
          break;
      }
      return false;
    };
    if (query_.order == SortOrder::kDescend) {
      std::stable_sort(chosen_.begin(), chosen_.end(),
                       [&before](const Chosen& a, const Chosen& b) { return before(b, a); });
    } else {
      std::stable_sort(chosen_.begin(), chosen_.end(), before);
    }
  }

  absl::Status Emit(VersionReader::Visitor visit) {
    if (by_value_) return EmitLoaded(visit);
    if (!query_.keys_only) return reader_.LoadAll(Ids(), visit);
    std::string encoded;
    for (const Chosen& chosen : chosen_) {
      encoded.clear();
      AppendKeyValue({.key = chosen.key,
                      .create_revision = chosen.version.create,
                      .mod_revision = chosen.version.id.main,
                      .version = chosen.version.version,
                      .value = {},
                      .lease = LeaseId()},
                     encoded);
      visit(encoded);
    }
    return absl::OkStatus();
  }

  absl::Status EmitLoaded(VersionReader::Visitor visit) {
    std::string encoded;
    for (const Chosen& chosen : chosen_) {
      if (!query_.keys_only) {
        visit(chosen.bytes.view());
        continue;
      }
      KeyValue kv;
      if (!ParseKeyValue(chosen.bytes.view(), kv)) {
        return absl::DataLossError("state store: malformed KeyValue");
      }
      kv.value = {};
      encoded.clear();
      AppendKeyValue(kv, encoded);
      visit(encoded);
    }
    return absl::OkStatus();
  }

  const KeyIndex& index_;
  const VersionReader& reader_;
  const RangeQuery& query_;
  const Revision at_;
  const bool by_value_;
  const bool filtered_;
  const bool natural_;
  std::vector<Chosen> chosen_;
};

}  // namespace

absl::Status RunRange(const KeyIndex& index, const VersionReader& reader, const RangeQuery& query,
                      Revision at, VersionReader::Visitor visit, RangeSummary& summary) {
  return RangeRun(index, reader, query, at).Run(visit, summary);
}

}  // namespace keelson::storage
