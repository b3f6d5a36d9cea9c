// StoreModel: the key space as a map of maps, each answer found by looking at everything; slow,
// obvious, and written without a look at the Store. The oracle of its property test.
#ifndef KEELSON_STORAGE_STORE_MODEL_H_
#define KEELSON_STORAGE_STORE_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/crc32c.h"
#include "storage/errors.h"
#include "storage/store.h"

namespace keelson::storage {

class StoreModel {
 public:
  struct Version {
    int64_t main = 0, sub = 0;
    bool deleted = false;
    std::string key, value;
    int64_t create = 0, version = 0, lease = 0;
    int64_t previous = 0;  // mod revision of what it replaced
  };

  // ---- position
  int64_t revision = 1;
  int64_t compacted = 0;
  std::map<int64_t, std::pair<int64_t, int64_t>> leases;  // id -> granted, remaining
  std::map<std::string, int64_t> lease_of;

  // ---- changes of one entry
  void Begin() { sub_ = 0; }
  bool Changed() const { return sub_ > 0; }
  bool Live(const std::string& key) const { return At(key, revision).has_value(); }
  void Put(const std::string& key, const std::string& value, int64_t lease) {
    const auto old = At(key, revision);
    Version v;
    v.key = key;
    v.value = value;
    v.lease = lease;
    v.version = old ? old->version + 1 : 1;
    Add(v, old);
    v = changes_.back();
    lease_of.erase(key);
    if (lease != 0) lease_of[key] = lease;
  }
  std::vector<Version> Delete(const KeyRange& range) {
    std::vector<Version> gone = LiveIn(range, revision);
    for (const Version& old : gone) {
      Version v;
      v.key = old.key;
      v.deleted = true;
      Add(v, old);
      lease_of.erase(old.key);
    }
    return gone;
  }
  // The next change of a history that is built again, as Put and Delete left it.
  void Restore(const Version& v) {
    if (v.main != revision) {
      revision = v.main;
      starts_.resize(static_cast<size_t>(revision) + 1, changes_.size());
    }
    keys_[v.key][{v.main, v.sub}] = changes_.size();
    changes_.push_back(v);
  }
  void Revoke(int64_t id) {
    std::set<std::string> keys;
    for (const auto& [key, lease] : lease_of) {
      if (lease == id) keys.insert(key);
    }
    for (const std::string& key : keys) Delete({key, {}, false});
    leases.erase(id);
  }
  std::vector<Version> EntryEvents() const {
    return {changes_.end() - static_cast<int64_t>(sub_), changes_.end()};
  }

  // ---- reads
  std::optional<Version> At(const std::string& key, int64_t at) const {
    auto it = keys_.find(key);
    if (it == keys_.end()) return std::nullopt;
    auto after = it->second.upper_bound({at, INT64_MAX});
    if (after == it->second.begin()) return std::nullopt;
    const Version& v = changes_[std::prev(after)->second];
    if (v.deleted) return std::nullopt;
    return v;
  }
  std::vector<Version> LiveIn(const KeyRange& range, int64_t at) const {
    std::vector<Version> live;
    for (auto it = keys_.lower_bound(std::string(range.begin));
         it != keys_.end() && range.Contains(it->first); ++it) {
      if (auto v = At(it->first, at)) live.push_back(*v);
    }
    return live;
  }
  struct Answer {
    std::vector<std::string> kvs;
    int64_t count = 0;
    bool more = false;
  };
  Answer Range(const RangeQuery& q, int64_t at) const {
    Answer answer;
    std::vector<Version> live = LiveIn(q.range, at);
    answer.count = static_cast<int64_t>(live.size());
    if (q.count_only) return answer;
    const bool filters = q.min_mod || q.max_mod || q.min_create || q.max_create;
    const bool key_order = q.target == SortTarget::kKey && q.order != SortOrder::kDescend;
    if (q.limit > 0 && !filters && q.order == SortOrder::kNone && !key_order &&
        live.size() > static_cast<size_t>(q.limit) + 1) {
      live.resize(static_cast<size_t>(q.limit) + 1);
    }
    std::erase_if(live, [&q](const Version& v) {
      return (q.min_mod && v.main < q.min_mod.value()) ||
             (q.max_mod && v.main > q.max_mod.value()) ||
             (q.min_create && v.create < q.min_create.value()) ||
             (q.max_create && v.create > q.max_create.value());
    });
    const auto field = [&q](const Version& v) -> std::pair<int64_t, std::string> {
      switch (q.target) {
        case SortTarget::kKey:
          return {0, v.key};
        case SortTarget::kVersion:
          return {v.version, ""};
        case SortTarget::kCreate:
          return {v.create, ""};
        case SortTarget::kMod:
          return {v.main, ""};
        case SortTarget::kValue:
          return {0, v.value};
      }
      return {};
    };
    std::stable_sort(live.begin(), live.end(), [&](const Version& a, const Version& b) {
      return q.order == SortOrder::kDescend ? field(b) < field(a) : field(a) < field(b);
    });
    if (q.limit > 0 && live.size() > static_cast<size_t>(q.limit)) {
      answer.more = true;
      live.resize(static_cast<size_t>(q.limit));
    }
    for (Version& v : live) {
      if (q.keys_only) {
        v.value.clear();
        if (q.target != SortTarget::kValue) v.lease = 0;
      }
      answer.kvs.push_back(Encode(v));
    }
    return answer;
  }
  std::optional<Version> Exact(const std::string& key, int64_t main) const {
    auto it = keys_.find(key);
    if (it == keys_.end()) return std::nullopt;
    auto next = it->second.upper_bound({main, INT64_MAX});
    if (next == it->second.begin()) return std::nullopt;
    auto v = std::prev(next);  // the last of the revision, if it was changed more than once
    if (v->first.first != main || changes_[v->second].deleted) return std::nullopt;
    if (next != it->second.end() && next->first.first <= compacted) return std::nullopt;
    return changes_[v->second];
  }
  // Changes with first <= main <= last.
  std::vector<Version> Changes(int64_t first, int64_t last) const {
    std::vector<Version> found;
    for (size_t i = starts_.size() > static_cast<size_t>(first) ? starts_[first] : changes_.size();
         i < changes_.size() && changes_[i].main <= last; ++i) {
      found.push_back(changes_[i]);
    }
    return found;
  }
  uint32_t Hash(int64_t at) const {
    bool any_live = false;
    for (const auto& [key, versions] : keys_) any_live = any_live || At(key, at).has_value();
    uint32_t crc = Crc32c("key");
    for (const Version& v : changes_) {
      if (v.main > at) break;
      if (v.main <= compacted) {
        const auto live = At(v.key, any_live ? at : compacted);
        if (!live || live->main != v.main || live->sub != v.sub) continue;
      }
      std::string bytes;
      AppendBig64(bytes, static_cast<uint64_t>(v.main));
      bytes += "_";
      AppendBig64(bytes, static_cast<uint64_t>(v.sub));
      if (v.deleted) {
        bytes += "t";
        KeyValue kv;
        kv.key = v.key;
        AppendKeyValue(kv, bytes);
      } else {
        bytes += Encode(v);
      }
      crc = Crc32cExtend(crc, bytes);
    }
    return crc;
  }
  int64_t LiveKeys() const {
    int64_t count = 0;
    for (const auto& [key, versions] : keys_) {
      count += changes_[versions.rbegin()->second].deleted ? 0 : 1;
    }
    return count;
  }
  // As watchers and ranges see it.
  static std::string Encode(const Version& v) {
    KeyValue kv;
    kv.key = v.key;
    kv.mod_revision = Revision(v.main);
    if (!v.deleted) {
      kv.create_revision = Revision(v.create);
      kv.version = v.version;
      kv.value = v.value;
      kv.lease = LeaseId(v.lease);
    }
    std::string bytes;
    AppendKeyValue(kv, bytes);
    return bytes;
  }

 private:
  void Add(Version v, const std::optional<Version>& old) {
    if (sub_ == 0) {
      ++revision;
      starts_.resize(static_cast<size_t>(revision) + 1, changes_.size());
    }
    v.main = revision;
    v.sub = sub_++;
    v.previous = old ? old->main : 0;
    if (!v.deleted) v.create = old ? old->create : revision;
    keys_[v.key][{v.main, v.sub}] = changes_.size();
    changes_.push_back(v);
  }

  int64_t sub_ = 0;
  std::vector<Version> changes_;
  std::vector<size_t> starts_;  // by main revision: its first change
  std::map<std::string, std::map<std::pair<int64_t, int64_t>, size_t>> keys_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_STORE_MODEL_H_
