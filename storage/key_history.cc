#include "storage/key_history.h"

#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "base/planted_bug.h"

namespace keelson::storage {
namespace {

constexpr uint8_t kSpilledFlag = 1;
constexpr int64_t kHasSub = 1;
constexpr int64_t kTombstone = 2;

void AppendCount(std::string& to, int64_t v) { AppendVarint(to, static_cast<uint64_t>(v)); }

void AppendWhole(const IndexVersion& version, std::string& to) {
  AppendCount(to, version.id.main.value());
  AppendCount(to, version.id.sub);
  AppendCount(to, version.version);
  if (!version.deleted()) AppendCount(to, version.id.main - version.create);
}

bool TakeWhole(std::string_view& from, IndexVersion& version) {
  int64_t main, age = 0;
  if (!TakeCount(from, main) || main == 0 || main > kRevisionMax ||
      !TakeCount(from, version.id.sub) || !TakeCount(from, version.version) ||
      version.version > kRevisionMax) {
    return false;
  }
  version.id.main = Revision(main);
  version.create = Revision();
  if (version.deleted()) return true;
  if (!TakeCount(from, age) || age >= main) return false;
  version.create = version.id.main - age;
  return true;
}

void AppendStep(Revision before, const IndexVersion& version, std::string& to) {
  const bool has_sub = version.id.sub != 0;
  AppendCount(to, 4 * (version.id.main - before) + (version.deleted() ? kTombstone : 0) +
                      (has_sub ? kHasSub : 0));
  if (has_sub) AppendCount(to, version.id.sub);
}

// From the version before to the next.
bool TakeStep(std::string_view& from, IndexVersion& version) {
  int64_t advance, sub = 0;
  if (!TakeCount(from, advance)) return false;
  if ((advance & kHasSub) != 0 && (!TakeCount(from, sub) || sub == 0)) return false;
  if ((advance >> 2) > kRevisionMax - version.id.main.value()) return false;
  const VersionId id{version.id.main + (advance >> 2), sub};
  if (id <= version.id) return false;
  version.id = id;
  if ((advance & kTombstone) != 0) {
    if (version.deleted()) return false;
    version.create = Revision();
    version.version = 0;
    return true;
  }
  if (version.deleted()) version.create = id.main;
  ++version.version;
  return true;
}

// Steps over `older` bytes, ascending.
class OlderCursor {
 public:
  explicit OlderCursor(std::string_view bytes) : rest_(bytes) {}
  // False: at the end, or malformed.
  bool Next() {
    if (rest_.empty()) return false;
    malformed_ = !(begun_ ? TakeStep(rest_, version_) : TakeWhole(rest_, version_));
    begun_ = true;
    return !malformed_;
  }
  bool malformed() const { return malformed_; }
  const IndexVersion& version() const { return version_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool begun_ = false;
  bool malformed_ = false;
  IndexVersion version_;
};

// The newest at or before `at`, nullopt if none. False: malformed.
bool FindInOlder(std::string_view older, Revision at, std::optional<IndexVersion>& found) {
  OlderCursor cursor(older);
  found.reset();
  while (cursor.Next() && cursor.version().id.main <= at) found = cursor.version();
  return !cursor.malformed();
}

bool TakeHead(std::string_view& bytes, bool& spilled, IndexVersion& newest) {
  uint8_t flags;
  if (!TakeByte(bytes, flags) || flags > kSpilledFlag) return false;
  spilled = flags == kSpilledFlag;
  return TakeWhole(bytes, newest);
}

}  // namespace

std::vector<IndexVersion> KeyHistory::Older() const {
  std::vector<IndexVersion> versions;
  versions.reserve(older_count_);
  OlderCursor cursor(older_);
  while (cursor.Next()) versions.push_back(cursor.version());
  return versions;
}

KeyHistory::Lookup KeyHistory::At(Revision at) const {
  if (empty()) return {};
  if (newest_.id.main <= at) return {newest_, false};
  Lookup found;
  KV_CHECK(FindInOlder(older_, at, found.version)) << "malformed history in memory";
  found.in_chunks = spilled_ && !found.version.has_value() && !KV_PLANTED("index-forgets-chunks");
  return found;
}

void KeyHistory::Push(const IndexVersion& version) {
  if (!empty()) {
    KV_CHECK(newest_.id < version.id)
        << "revision " << version.id.main << " after " << newest_.id.main;
    if (older_.empty()) {
      AppendWhole(newest_, older_);
    } else {
      AppendStep(last_older_, newest_, older_);
    }
    last_older_ = newest_.id.main;
    ++older_count_;
  }
  newest_ = version;
}

void KeyHistory::DropOldest(size_t count) {
  if (count == 0) return;
  if (count >= older_count_) {
    std::string().swap(older_);
    older_count_ = 0;
    return;
  }
  OlderCursor cursor(older_);
  for (size_t i = 0; i <= count; ++i) KV_CHECK(cursor.Next()) << "malformed history in memory";
  std::string kept;
  AppendWhole(cursor.version(), kept);
  kept.append(cursor.rest());
  older_ = std::move(kept);
  older_count_ -= static_cast<uint32_t>(count);
}

bool KeyHistory::Trim(Revision floor) {
  if (empty()) return false;
  if (newest_.id.main <= floor) {
    DropOldest(older_count_);
    spilled_ = false;
    if (newest_.deleted() && newest_.id.main < floor) newest_ = IndexVersion();
    return true;
  }
  OlderCursor cursor(older_);
  size_t through = 0;  // versions at or before the floor
  IndexVersion last;
  while (cursor.Next() && cursor.version().id.main <= floor) {
    last = cursor.version();
    ++through;
  }
  if (through == 0) return false;
  const bool all = (last.deleted() && last.id.main < floor) || KV_PLANTED("index-trims-one-more");
  DropOldest(all ? through : through - 1);
  spilled_ = false;
  return true;
}

void KeyHistory::Spill(size_t count) {
  DropOldest(count);
  spilled_ = spilled_ || count > 0;
}

void KeyHistory::AppendTo(std::string& to) const {
  to.push_back(static_cast<char>(spilled_ ? kSpilledFlag : 0));
  AppendWhole(newest_, to);
  to.append(older_);
}

bool KeyHistory::Parse(std::string_view bytes, KeyHistory& history) {
  history = KeyHistory();
  if (!TakeHead(bytes, history.spilled_, history.newest_)) return false;
  OlderCursor cursor(bytes);
  while (cursor.Next()) ++history.older_count_;
  if (cursor.malformed()) return false;
  if (history.older_count_ == 0) return true;
  // The newest must follow the last of them.
  const IndexVersion& last = cursor.version();
  const IndexVersion& newest = history.newest_;
  const bool follows = newest.deleted() ? !last.deleted() : newest.version == last.version + 1;
  if (!follows || newest.id <= last.id) return false;
  history.last_older_ = last.id.main;
  history.older_ = bytes;
  return true;
}

bool FindInHistory(std::string_view bytes, Revision at, KeyHistory::Lookup& found) {
  bool spilled;
  IndexVersion newest;
  if (!TakeHead(bytes, spilled, newest)) return false;
  if (newest.id.main <= at) {
    found = {newest, false};
    return true;
  }
  if (!FindInOlder(bytes, at, found.version)) return false;
  found.in_chunks = spilled && !found.version.has_value();
  return true;
}

std::string EncodeHistory(absl::Span<const IndexVersion> versions) {
  std::string to(1, '\0');
  AppendWhole(versions.back(), to);
  versions.remove_suffix(1);
  if (versions.empty()) return to;
  AppendWhole(versions.front(), to);
  for (size_t i = 1; i < versions.size(); ++i) {
    AppendStep(versions[i - 1].id.main, versions[i], to);
  }
  return to;
}

std::string ChunkKey(std::string_view key, VersionId newest) {
  std::string to;
  to.reserve(4 + key.size() + kVersionKeyBytes);
  AppendBig32(to, static_cast<uint32_t>(key.size()));
  to.append(key);
  AppendVersionKey(newest, to);
  return to;
}

bool ParseChunkKey(std::string_view bytes, std::string_view& key, VersionId& newest) {
  uint32_t size;
  if (!TakeBig32(bytes, size) || bytes.size() != size + kVersionKeyBytes) return false;
  key = bytes.substr(0, size);
  return ParseVersionKey(bytes.substr(size), newest);
}

}  // namespace keelson::storage
