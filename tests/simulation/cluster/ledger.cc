#include "tests/simulation/cluster/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
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
