// KeyMatcher: which watchers watch a key. Single keys lie in a hash table; ranges cut the key space
// into segments between their bounds, each segment listing the ranges that cover it, so that a
// lookup costs one ordered search and the matches. Equal ranges share one entry.
//
// T is a pointer-like handle; iteration order is insertion order.
#ifndef KEELSON_SERVER_KEY_MATCHER_H_
#define KEELSON_SERVER_KEY_MATCHER_H_

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "storage/store.h"

namespace keelson::server {

template <typename T>
class KeyMatcher {
 public:
  void Add(const storage::KeyRange& range, T watcher) {
    if (range.single()) {
      singles_[std::string(range.begin)].push_back(watcher);
      return;
    }
    std::unique_ptr<Group>& group = groups_[Bounds(range)];
    if (!group) {
      group = std::make_unique<Group>();
      Cover(range, group.get());
    }
    group->watchers.push_back(watcher);
  }

  // REQUIRES: was added with the same range.
  void Remove(const storage::KeyRange& range, T watcher) {
    if (range.single()) {
      const auto it = singles_.find(range.begin);
      KV_CHECK(it != singles_.end());
      std::erase(it->second, watcher);
      if (it->second.empty()) singles_.erase(it);
      return;
    }
    const auto it = groups_.find(Bounds(range));
    KV_CHECK(it != groups_.end());
    std::erase(it->second->watchers, watcher);
    if (!it->second->watchers.empty()) return;
    Uncover(range, it->second.get());
    groups_.erase(it);
  }

  template <typename F>
  void ForEach(std::string_view key, F&& visit) const {
    if (const auto it = singles_.find(key); it != singles_.end()) {
      for (const T& watcher : it->second) visit(watcher);
    }
    auto segment = segments_.upper_bound(key);
    if (segment == segments_.begin()) return;
    --segment;
    for (const Group* group : segment->second) {
      for (const T& watcher : group->watchers) visit(watcher);
    }
  }

  bool empty() const { return singles_.empty() && groups_.empty(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
  };
  struct Group {
    std::vector<T> watchers;
  };
  using BoundsKey = std::pair<std::string, std::pair<bool, std::string>>;

  static BoundsKey Bounds(const storage::KeyRange& range) {
    return {std::string(range.begin), {range.open_end, std::string(range.end)}};
  }

  // Makes `at` a segment's beginning; the new segment is covered by what covered the place before.
  void Split(std::string_view at) {
    auto next = segments_.lower_bound(at);
    if (next != segments_.end() && next->first == at) return;
    std::vector<Group*> covering;
    if (next != segments_.begin()) covering = std::prev(next)->second;
    segments_.emplace(std::string(at), std::move(covering));
  }

  auto SegmentEnd(const storage::KeyRange& range) {
    return range.open_end ? segments_.end() : segments_.find(range.end);
  }

  void Cover(const storage::KeyRange& range, Group* group) {
    Split(range.begin);
    if (!range.open_end) Split(range.end);
    for (auto it = segments_.find(range.begin); it != SegmentEnd(range); ++it) {
      it->second.push_back(group);
    }
  }

  void Uncover(const storage::KeyRange& range, Group* group) {
    for (auto it = segments_.find(range.begin); it != SegmentEnd(range); ++it) {
      std::erase(it->second, group);
    }
    if (!range.open_end) MergeAt(range.end);
    MergeAt(range.begin);
  }

  // Drops a boundary that separates segments with the same cover.
  void MergeAt(std::string_view at) {
    const auto it = segments_.find(at);
    if (it == segments_.end()) return;
    const bool redundant =
        it == segments_.begin() ? it->second.empty() : std::prev(it)->second == it->second;
    if (redundant) segments_.erase(it);
  }

  std::unordered_map<std::string, std::vector<T>, Hash, std::equal_to<>> singles_;
  std::map<BoundsKey, std::unique_ptr<Group>> groups_;
  // A segment reaches from its key to the next; the last one has no end. std::map: iterators stay
  // valid.
  std::map<std::string, std::vector<Group*>, std::less<>> segments_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_KEY_MATCHER_H_
