// GrantedRanges: the keys that somebody may read, or may write: a union of ranges. Ranges that
// touch or overlap are one, so that a question is one binary search and copies nothing.
#ifndef KEELSON_SERVER_AUTH_GRANTED_RANGES_H_
#define KEELSON_SERVER_AUTH_GRANTED_RANGES_H_

#include <string>
#include <string_view>
#include <vector>

#include "storage/store.h"

namespace keelson::server {

class GrantedRanges {
 public:
  // Between Add and the first Covers comes Merge.
  void Add(const storage::KeyRange& range);
  void Merge();

  // Whether every key of `range` is granted. A range that holds no key (its end is not behind its
  // begin) asks for its begin.
  bool Covers(const storage::KeyRange& range) const;

  size_t size() const { return ranges_.size(); }

 private:
  struct Range {
    std::string begin;
    std::string end;  // exclusive
    bool open_end = false;
  };
  std::vector<Range> ranges_;  // once merged: ascending, with a gap between any two
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_GRANTED_RANGES_H_
