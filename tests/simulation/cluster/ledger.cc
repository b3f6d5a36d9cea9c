#include "tests/simulation/cluster/ledger.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "server/auth/auth_records.h"
#include "server/auth/auth_store.h"
#include "storage/key_value.h"

namespace keelson::simulation {

checkers::KeyVersion ToKeyVersion(std::string_view encoded) {
  storage::KeyValue kv;
  KV_CHECK(storage::ParseKeyValue(encoded, kv));
  return {.key = std::string(kv.key),
          .value = std::string(kv.value),
          .create_revision = kv.create_revision.value(),
          .mod_revision = kv.mod_revision.value(),
          .version = kv.version,
          .lease = kv.lease.value()};
}

std::string Ledger::Describe(const Entry& entry) {
  return absl::StrCat("hash ", absl::Hex(entry.hash), ", term ", entry.term.value(), ", revision ",
                      entry.revision.value(), ", compacted ", entry.compacted.value());
}

Ledger::Entry Ledger::Of(const storage::Store& store) {
  return {store.state_hash(), store.applied_term(), store.revision(), store.compacted()};
}

std::string Ledger::OnApplied(const storage::Store& store,
                              absl::Span<const storage::StoredEvent> events) {
  const uint64_t index = store.applied().value();
  const Entry entry = Of(store);
  if (index <= entries_.size()) {
    const Entry& first = entries_[index - 1];
    if (entry == first) return "";
    return absl::StrCat("members that applied the same entries have the same state: entry ", index,
                        " led to ", Describe(entry), ", elsewhere to ", Describe(first));
  }
  if (index != entries_.size() + 1) {
    return absl::StrCat("entries are applied one after the other: ", index, " after ",
                        entries_.size());
  }
  entries_.push_back(entry);
  compacted_ = std::max(compacted_, entry.compacted.value());
  if (events.empty()) return "";
  checkers::KeySpace::Changes changes;
  for (const storage::StoredEvent& event : events) {
    changes.push_back({event.kind == storage::EventKind::kDelete, ToKeyVersion(event.kv.view())});
  }
  const checkers::Verdict verdict = truth_.Apply(std::move(changes));
  return verdict.broken() ? "revisions follow each other: " + verdict.why : "";
}

void Ledger::OnPermissions(const storage::Store& store, checkers::Time now) {
  checkers::Permissions permissions;
  permissions.since = now;
  std::map<std::string, std::vector<checkers::Grant>> roles;
  roles[server::kRootRole] = {{true, true, "", std::string(1, '\0')}};
  std::map<std::string, server::AuthUser> users;
  store.ForEachRecord(storage::Table::kAuth, [&](std::string_view key, std::string_view value) {
    std::string name;
    server::AuthState state;
    server::AuthRole role;
    if (key == server::kAuthStateKey) {
      KV_CHECK(server::ParseAuthState(value, state));
      permissions.enabled = state.enabled;
    } else if (server::ParseAuthUserKey(key, name)) {
      KV_CHECK(server::ParseAuthUser(value, users[name]));
    } else if (server::ParseAuthRoleKey(key, name)) {
      KV_CHECK(server::ParseAuthRole(value, role));
      for (const server::Permission& granted : role.permissions) {
        roles[name].push_back({granted.access != server::Access::kWrite,
                               granted.access != server::Access::kRead, granted.key,
                               granted.range_end});
      }
    }
  });
  for (const auto& [name, user] : users) {
    std::vector<checkers::Grant>& grants = permissions.grants[name];
    for (const std::string& role : user.roles) {
      grants.insert(grants.end(), roles[role].begin(), roles[role].end());
    }
  }
  permissions_.push_back(std::move(permissions));
}

std::string Ledger::OnOpened(const storage::Store& store) const {
  const uint64_t index = store.applied().value();
  if (index == 0) return "";
  if (index > entries_.size()) {
    return absl::StrCat("a state on disk is of an entry that was applied: ", index, " of ",
                        entries_.size());
  }
  const Entry entry = Of(store);
  if (entry == entries_[index - 1]) return "";
  return absl::StrCat("what is on disk is the state after an entry: at ", index, " there is ",
                      Describe(entry), ", and there was ", Describe(entries_[index - 1]));
}

}  // namespace keelson::simulation
