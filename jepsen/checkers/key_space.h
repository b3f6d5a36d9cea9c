// KeySpace: all that ever was in an etcd key space, told by its changes in the order of their
// revisions, and what a reader of any revision must see. The model that the replay and the watch
// checkers share.
#ifndef KEELSON_JEPSEN_CHECKERS_KEY_SPACE_H_
#define KEELSON_JEPSEN_CHECKERS_KEY_SPACE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct KeyVersion {
  std::string key;
  std::string value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;
  friend bool operator==(const KeyVersion&, const KeyVersion&) = default;
};
// In quotes, with what cannot be printed as \x00.
std::string Quoted(std::string_view text);
std::string Describe(const KeyVersion& version);

// One change as a watcher sees it; of a deletion only key and mod_revision are set.
struct Change {
  bool deleted = false;
  KeyVersion kv;
  friend bool operator==(const Change&, const Change&) = default;
};
std::string Describe(const Change& change);

// As etcd's requests have it: no `end` is the key alone, "\0" all from the key on.
bool InRange(std::string_view key, std::string_view begin, std::string_view end);

class KeySpace {
 public:
  // What a revision did, in its order.
  using Changes = std::vector<Change>;

  // Takes the changes of revision() + 1. Broken: they cannot follow from what is there, as numbers
  // of versions that do not go on where they were, or a deletion of what is absent.
  Verdict Apply(Changes changes);
  int64_t revision() const { return first_revision + static_cast<int64_t>(log_.size()) - 1; }
  // REQUIRES: first_revision <= revision <= revision().
  const Changes& At(int64_t revision) const { return log_[revision - first_revision]; }

  // The live version at `revision`.
  std::optional<KeyVersion> Find(const std::string& key, int64_t revision) const;
  // Those of the range, in key order.
  std::vector<KeyVersion> Range(const std::string& begin, const std::string& end,
                                int64_t revision) const;
  // The keys attached to `lease` at `revision`, in order.
  std::vector<std::string> KeysOf(int64_t lease, int64_t revision) const;

  // The first change of an empty etcd makes revision 2.
  static constexpr int64_t first_revision = 2;

 private:
  std::vector<Changes> log_;
  std::map<std::string, std::vector<Change>> history_;  // of each key, by revision
};

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_KEY_SPACE_H_
