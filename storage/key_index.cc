#include "storage/key_index.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::storage {
namespace {

constexpr int kKeysPerLock = 512;

bool EndsBefore(const KeyRange& range, std::string_view key) {
  if (range.open_end) return false;
  return range.single() ? key != range.begin : key >= range.end;
}

}  // namespace

const IndexVersion* KeyIndex::History::At(Revision at) const {
  if (newest.id.main <= at) return &newest;
  if (older == nullptr) return nullptr;
  auto after =
      std::upper_bound(older->begin(), older->end(), at,
                       [](Revision r, const IndexVersion& version) { return r < version.id.main; });
  return after == older->begin() ? nullptr : &*std::prev(after);
}

void KeyIndex::History::Push(const IndexVersion& version) {
  KV_CHECK(newest.id < version.id) << "revision " << version.id.main << " after " << newest.id.main;
  if (older == nullptr) older = std::make_unique<std::vector<IndexVersion>>();
  older->push_back(newest);
  newest = version;
}

KeyIndex::PutResult KeyIndex::Put(std::string_view key, VersionId id) {
  absl::MutexLock lock(&mutex_);
  newest_ = id.main;
  PutResult result{.now = {.id = id, .create = id.main, .version = 1}, .replaced = std::nullopt};
  Entry* entry = FindEntry(key);
  if (entry == nullptr) {
    AddEntry(key, result.now);
    ++live_keys_;
    return result;
  }
  History& history = entry->history;
  if (history.newest.deleted()) {
    ++live_keys_;
  } else {
    result.replaced = history.newest;
    result.now.create = history.newest.create;
    result.now.version = history.newest.version + 1;
  }
  history.Push(result.now);
  return result;
}

IndexVersion KeyIndex::Delete(std::string_view key, VersionId id) {
  absl::MutexLock lock(&mutex_);
  newest_ = id.main;
  Entry* entry = FindEntry(key);
  KV_CHECK(entry != nullptr && !entry->history.newest.deleted()) << "deleting an absent key";
  const IndexVersion replaced = entry->history.newest;
  entry->history.Push({.id = id, .create = Revision(), .version = 0});
  --live_keys_;
  return replaced;
}

void KeyIndex::Restore(std::string_view key, const IndexVersion& version) {
  absl::MutexLock lock(&mutex_);
  newest_ = version.id.main;
  Entry* entry = FindEntry(key);
  if (entry == nullptr) {
    AddEntry(key, version);
    live_keys_ += version.deleted() ? 0 : 1;
    return;
  }
  live_keys_ += (entry->history.newest.deleted() ? 1 : 0) - (version.deleted() ? 1 : 0);
  entry->history.Push(version);
}

void KeyIndex::Trim(std::string_view key, Revision revision) {
  absl::MutexLock lock(&mutex_);
  Entry* entry = FindEntry(key);
  if (entry == nullptr) return;
  History& history = entry->history;
  if (history.newest.id.main <= revision) {
    history.older.reset();
    if (history.newest.deleted() && history.newest.id.main < revision) {
      const auto it = keys_.find(key);
      by_hash_.erase(entry->key);
      keys_.erase(it);
    }
    return;
  }
  if (history.older == nullptr) return;
  std::vector<IndexVersion>& older = *history.older;
  auto keep =
      std::upper_bound(older.begin(), older.end(), revision,
                       [](Revision r, const IndexVersion& version) { return r < version.id.main; });
  if (keep != older.begin()) --keep;
  if (keep != older.end() && keep->deleted() && keep->id.main < revision) ++keep;
  older.erase(older.begin(), keep);
  if (older.empty()) history.older.reset();
}

std::optional<IndexVersion> KeyIndex::Find(std::string_view key, Revision at) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Entry* entry = FindEntry(key);
  if (entry == nullptr) return std::nullopt;
  const IndexVersion* version = entry->history.At(at);
  if (version == nullptr || version->deleted()) return std::nullopt;
  return *version;
}

std::optional<KeyIndex::Exact> KeyIndex::FindExact(std::string_view key, Revision main) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Entry* entry = FindEntry(key);
  if (entry == nullptr) return std::nullopt;
  const History& history = entry->history;
  const IndexVersion* version = history.At(main);
  if (version == nullptr || version->id.main != main) return std::nullopt;
  if (version == &history.newest) return Exact{*version, Revision()};
  const IndexVersion* last = &history.older->back();
  return Exact{*version, version == last ? history.newest.id.main : (version + 1)->id.main};
}

void KeyIndex::Walk(const KeyRange& range, Revision at, Visitor visit) const {
  std::string resume(range.begin);
  while (true) {
    absl::ReaderMutexLock lock(&mutex_);
    auto it = keys_.lower_bound(resume);
    for (int i = 0; i < kKeysPerLock; ++i, ++it) {
      if (it == keys_.end() || EndsBefore(range, it->first)) return;
      const IndexVersion* version = it->second->history.At(at);
      if (version == nullptr || version->deleted()) continue;
      if (!visit(it->first, *version)) return;
    }
    if (it == keys_.end()) return;
    resume = it->first;
  }
}

int64_t KeyIndex::Count(const KeyRange& range, Revision at) const {
  if (range.single()) return Find(range.begin, at).has_value() ? 1 : 0;
  if (range.open_end && range.begin <= std::string_view("\0", 1)) {
    absl::ReaderMutexLock lock(&mutex_);
    if (at >= newest_) return live_keys_;
  }
  int64_t count = 0;
  Walk(range, at, [&count](std::string_view, const IndexVersion&) {
    ++count;
    return true;
  });
  return count;
}

int64_t KeyIndex::LiveKeys() const {
  absl::ReaderMutexLock lock(&mutex_);
  return live_keys_;
}

}  // namespace keelson::storage
