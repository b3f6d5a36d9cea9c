#include "jepsen/checkers/key_space.h"

#include <algorithm>
#include <utility>

namespace keelson::checkers {

std::string Quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string quoted = "'";
  for (const char c : text) {
    if (c >= ' ' && c <= '~') {
      quoted.push_back(c);
    } else {
      quoted += "\\x";
      quoted.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
      quoted.push_back(kDigits[c & 15]);
    }
  }
  return quoted + "'";
}

std::string Describe(const KeyVersion& version) {
  return Quoted(version.key) + "=" + Quoted(version.value) + " (created " +
         std::to_string(version.create_revision) + ", changed " +
         std::to_string(version.mod_revision) + ", version " + std::to_string(version.version) +
         ", lease " + std::to_string(version.lease) + ")";
}

std::string Describe(const Change& change) {
  if (!change.deleted) return "put of " + Describe(change.kv);
  return "deletion of " + Quoted(change.kv.key) + " at " + std::to_string(change.kv.mod_revision);
}

bool InRange(std::string_view key, std::string_view begin, std::string_view end) {
  if (end.empty()) return key == begin;
  return key >= begin && (end == std::string_view("\0", 1) || key < end);
}

Verdict KeySpace::Apply(Changes changes) {
  const int64_t now = revision() + 1;
  for (const Change& change : changes) {
    const auto refuse = [&](const std::string& why) {
      return Verdict::Broken("revision " + std::to_string(now) + ": " + why + ": " +
                             Describe(change));
    };
    if (change.kv.mod_revision != now) return refuse("a change of another revision");
    std::vector<Change>& versions = history_[change.kv.key];
    const Change* const before =
        versions.empty() || versions.back().deleted ? nullptr : &versions.back();
    if (change.deleted) {
      if (before == nullptr) return refuse("what is absent was deleted");
    } else {
      const int64_t created = before ? before->kv.create_revision : now;
      const int64_t version = before ? before->kv.version + 1 : 1;
      if (change.kv.create_revision != created || change.kv.version != version) {
        return refuse("it does not follow the version before");
      }
    }
    versions.push_back(change);
  }
  log_.push_back(std::move(changes));
  return {};
}

namespace {

// The last change at or before `revision`; null: none, or it is a deletion.
const Change* LiveAt(const std::vector<Change>& versions, int64_t revision) {
  auto it = std::upper_bound(
      versions.begin(), versions.end(), revision,
      [](int64_t at, const Change& change) { return at < change.kv.mod_revision; });
  if (it == versions.begin()) return nullptr;
  --it;
  return it->deleted ? nullptr : &*it;
}

}  // namespace

std::optional<KeyVersion> KeySpace::Find(const std::string& key, int64_t revision) const {
  const auto found = history_.find(key);
  if (found == history_.end()) return std::nullopt;
  const Change* const change = LiveAt(found->second, revision);
  if (change == nullptr) return std::nullopt;
  return change->kv;
}

std::vector<KeyVersion> KeySpace::Range(const std::string& begin, const std::string& end,
                                        int64_t revision) const {
  std::vector<KeyVersion> found;
  for (auto it = history_.lower_bound(begin);
       it != history_.end() && InRange(it->first, begin, end); ++it) {
    if (const Change* const change = LiveAt(it->second, revision)) found.push_back(change->kv);
  }
  return found;
}

std::vector<std::string> KeySpace::KeysOf(int64_t lease, int64_t revision) const {
  std::vector<std::string> keys;
  for (const auto& [key, versions] : history_) {
    const Change* const change = LiveAt(versions, revision);
    if (change != nullptr && change->kv.lease == lease) keys.push_back(key);
  }
  return keys;
}

}  // namespace keelson::checkers
