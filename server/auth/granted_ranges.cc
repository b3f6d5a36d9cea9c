#include "server/auth/granted_ranges.h"

#include <algorithm>
#include <utility>

namespace keelson::server {

using storage::KeyRange;

void GrantedRanges::Add(const KeyRange& range) {
  Range added{std::string(range.begin), std::string(range.end), range.open_end};
  if (range.single()) {
    // The first key behind it.
    added.end = added.begin;
    added.end.push_back('\0');
  }
  if (added.open_end || added.begin < added.end) ranges_.push_back(std::move(added));
}

void GrantedRanges::Merge() {
  std::sort(ranges_.begin(), ranges_.end(),
            [](const Range& a, const Range& b) { return a.begin < b.begin; });
  std::vector<Range> merged;
  for (Range& range : ranges_) {
    if (merged.empty() || (!merged.back().open_end && merged.back().end < range.begin)) {
      merged.push_back(std::move(range));
      continue;
    }
    Range& last = merged.back();
    if (last.open_end) continue;
    if (range.open_end) {
      last.open_end = true;
      last.end.clear();
    } else if (range.end > last.end) {
      last.end = std::move(range.end);
    }
  }
  ranges_ = std::move(merged);
}

bool GrantedRanges::Covers(const KeyRange& range) const {
  // The last one that begins at or before the range.
  auto found = std::upper_bound(
      ranges_.begin(), ranges_.end(), range.begin,
      [](std::string_view begin, const Range& granted) { return begin < granted.begin; });
  if (found == ranges_.begin()) return false;
  const Range& granted = *--found;
  if (granted.open_end) return true;
  if (range.begin >= granted.end || range.open_end) return false;
  return range.single() || range.end <= granted.end;
}

}  // namespace keelson::server
