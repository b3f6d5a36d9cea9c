#include "tests/crash/world.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/coding.h"

namespace keelson::storage {
namespace {

constexpr uint64_t kKeys = 30;

class Application {
 public:
  Application(std::string_view entry, World& world, Store* store)
      : world_(world), model_(world.keys), store_(store), random_(SeedOf(entry)) {}

  absl::Status Run() {
    if (OneIn(12)) {
      Compact();
      return status_;
    }
    for (uint64_t n = 1 + random_.Below(3); n > 0 && status_.ok(); --n) Change();
    return status_;
  }

 private:
  static uint64_t SeedOf(std::string_view entry) {
    uint64_t seed = 0;
    KV_CHECK(TakeLittle64(entry, seed));
    return seed;
  }
  bool OneIn(uint64_t n) { return random_.Below(n) == 0; }
  std::string Key() { return absl::StrCat("key-", random_.Below(kKeys)); }
  int64_t Lease() {
    if (model_.leases.empty() || !OneIn(3)) return 0;
    auto it = model_.leases.begin();
    std::advance(it, random_.Below(model_.leases.size()));
    return it->first;
  }
  void Note(const absl::Status& status) {
    if (status_.ok()) status_ = status;
  }

  void Change() {
    const uint64_t dice = random_.Below(100);
    if (dice < 65) return Put();
    if (dice < 80) return Delete();
    if (dice < 90) return ChangeLease();
    ChangeRecord();
  }

  void Put() {
    const std::string key = Key();
    const uint64_t size = OneIn(10) ? random_.Below(3000) : random_.Below(60);
    std::string value = absl::StrCat(random_.Next(), "-");
    while (value.size() < size) value.push_back(static_cast<char>('a' + random_.Below(26)));
    const int64_t lease = Lease();
    model_.Put(key, value, lease);
    if (store_ == nullptr) return;
    Note(store_->Put(key, value, {.lease = LeaseId(lease)}, false).status());
  }

  void Delete() {
    const std::string begin = Key(), end = OneIn(3) ? Key() : std::string();
    const KeyRange range = KeyRange::FromWire(begin, end);
    model_.Delete(range);
    if (store_ != nullptr) Note(store_->DeleteRange(range, false).status());
  }

  void ChangeLease() {
    const auto id = static_cast<int64_t>(random_.Below(9)) - 3;
    const auto ttl = static_cast<int64_t>(random_.Below(100));
    if (id == 0) return;
    if (!model_.leases.contains(id)) {
      model_.leases[id] = {60, 0};
      if (store_ != nullptr) store_->GrantLease({LeaseId(id), 60, 0});
    } else if (OneIn(2)) {
      model_.leases[id].second = ttl;
      if (store_ != nullptr) store_->CheckpointLease(LeaseId(id), ttl);
    } else {
      model_.Revoke(id);
      if (store_ != nullptr) Note(store_->RevokeLease(LeaseId(id)));
    }
  }

  void ChangeRecord() {
    const Table table = OneIn(2) ? Table::kMembers : Table::kAuth;
    const std::string key = Key(), value = absl::StrCat(random_.Next());
    if (OneIn(3)) {
      world_.records.erase({table, key});
      if (store_ != nullptr) store_->DeleteRecord(table, key);
    } else {
      world_.records[{table, key}] = value;
      if (store_ != nullptr) store_->PutRecord(table, key, value);
    }
  }

  void Compact() {
    const auto span = static_cast<uint64_t>(model_.revision - model_.compacted);
    if (span < 5) return;
    const int64_t at = model_.compacted + 1 + static_cast<int64_t>(random_.Below(span));
    model_.compacted = at;
    if (store_ != nullptr) Note(store_->Compact(Revision(at)));
  }

  World& world_;
  StoreModel& model_;
  Store* const store_;
  SeededRandom random_;
  absl::Status status_;
};

class Comparer {
 public:
  Comparer(const Store& store, const World& world, Random& random)
      : store_(store), world_(world), model_(world.keys), random_(random) {}

  Comparison Run() {
    Expect("applied", store_.applied(), world_.applied);
    Expect("term", store_.applied_term(), world_.term);
    Expect("revision", store_.revision(), Revision(model_.revision));
    Expect("compacted", store_.compacted(), Revision(model_.compacted));
    if (!found_.wrong.empty()) return found_;  // the rest would follow from it
    Keys(model_.revision);
    const auto span = static_cast<uint64_t>(model_.revision - model_.compacted);
    Keys(std::max<int64_t>(1, model_.compacted + static_cast<int64_t>(random_.Below(span + 1))));
    Events();
    Hash();
    Leases();
    Records();
    return found_;
  }

 private:
  template <typename T>
  void Expect(const std::string& what, const T& found, const T& expected) {
    if (found == expected || !found_.wrong.empty()) return;
    found_.wrong = absl::StrCat(what, " differs");
    if constexpr (requires { found.value(); }) {
      absl::StrAppend(&found_.wrong, ": ", found.value(), ", not ", expected.value());
    }
  }
  bool Refused(const absl::Status& status) {
    if (!status.ok() && found_.refused.ok()) found_.refused = status;
    return !status.ok();
  }

  void Keys(int64_t at) {
    RangeQuery query;
    query.range = {{}, {}, true};
    query.revision = Revision(at);
    std::vector<std::string> kvs;
    const auto summary = store_.Range(query, [&kvs](std::string_view kv) { kvs.emplace_back(kv); });
    const StoreModel::Answer answer = model_.Range(query, at);
    if (!Refused(summary.status())) {
      Expect("number of keys", summary->count, answer.count);
      Expect(absl::StrCat("keys at ", at), kvs, answer.kvs);
    }
    if (answer.count == 0) return;
    const auto live = model_.LiveIn(query.range, at);
    const auto& one = live[random_.Below(live.size())];
    const auto found = store_.Find(one.key, Revision(at));
    if (!Refused(found.status())) {
      Expect("presence of a key", found->has_value(), true);
      if (found->has_value()) {
        Expect("revision of a key", (*found)->mod_revision, Revision(one.main));
      }
    }
    if (!model_.Exact(one.key, one.main)) return;
    const auto version = store_.Version(one.key, Revision(one.main));
    if (!Refused(version.status())) {
      Expect("a version", std::string(version->view()), StoreModel::Encode(one));
    }
  }

  void Events() {
    const auto describe = [](bool deleted, int64_t main, int64_t sub, std::string_view kv) {
      return absl::StrCat(deleted ? "delete " : "put ", main, ".", sub, " ", std::string(kv));
    };
    // At the compacted revision itself only what is left of it is promised.
    const int64_t first = model_.compacted + 1;
    std::vector<std::string> found, expected;
    for (const auto& v : model_.Changes(first, model_.revision)) {
      expected.push_back(describe(v.deleted, v.main, v.sub, StoreModel::Encode(v)));
    }
    const auto next = store_.Events(
        Revision(first), Revision(model_.revision), uint64_t{1} << 40, 1 << 30,
        [&](const StoredEvent& event) {
          found.push_back(describe(event.kind == EventKind::kDelete, event.revision.value(),
                                   event.sub, event.kv.view()));
        });
    if (!Refused(next.status())) Expect("events", found, expected);
  }

  void Hash() {
    const auto hash = store_.HashKv(Revision());
    if (!Refused(hash.status())) Expect("hash", hash->hash, model_.Hash(model_.revision));
    Expect("count of live keys", store_.KeyCount(), model_.LiveKeys());
  }

  void Leases() {
    std::vector<std::string> found, expected;
    for (const LeaseRecord& lease : store_.Leases()) {
      std::string text =
          absl::StrCat(lease.id.value(), " ", lease.granted_ttl, " ", lease.remaining_ttl);
      for (const std::string& key : store_.LeaseKeys(lease.id)) absl::StrAppend(&text, " ", key);
      found.push_back(std::move(text));
    }
    for (const auto& [id, ttl] : model_.leases) {
      std::string text = absl::StrCat(id, " ", ttl.first, " ", ttl.second);
      for (const auto& [key, lease] : model_.lease_of) {
        if (lease == id) absl::StrAppend(&text, " ", key);
      }
      expected.push_back(std::move(text));
    }
    Expect("leases", found, expected);
  }

  void Records() {
    std::map<std::pair<Table, std::string>, std::string> found;
    for (const Table table : {Table::kCluster, Table::kMembers, Table::kAlarms, Table::kAuth}) {
      store_.ForEachRecord(table, [&](std::string_view key, std::string_view value) {
        found[{table, std::string(key)}] = value;
      });
    }
    Expect("records", found, world_.records);
  }

  const Store& store_;
  const World& world_;
  const StoreModel& model_;
  Random& random_;
  Comparison found_;
};

}  // namespace

std::string DrawEntry(Random& random) {
  std::string entry;
  AppendLittle64(entry, random.Next());
  if (random.Below(8) == 0) entry.append(random.Below(5000), 'e');
  return entry;
}

absl::Status ApplyEntry(std::string_view entry, Term term, World& world, Store* store) {
  ++world.applied;
  world.term = term;
  world.keys.Begin();
  if (store != nullptr) store->BeginEntry(world.applied, term);
  const absl::Status status = Application(entry, world, store).Run();
  if (store != nullptr) store->EndEntry();
  return status;
}

Comparison Compare(const Store& store, const World& world, Random& random) {
  return Comparer(store, world, random).Run();
}

}  // namespace keelson::storage
