#include "tests/simulation/cluster/judge.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/cluster_records.h"
#include "server/membership.h"
#include "tests/simulation/cluster/adversary.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

void Take(World& world, const char* what, const checkers::Verdict& verdict) {
  if (verdict.broken()) world.Broken(absl::StrCat(what, ": ", verdict.why));
}

// All that a member's clients can read, and the layers above keep.
std::string Everything(storage::Store& store) {
  const std::string zero(1, '\0');
  std::string all;
  storage::RangeQuery query;
  query.range = storage::KeyRange::FromWire(zero, zero);
  const auto keys = store.Range(
      query, [&all](std::string_view kv) { absl::StrAppend(&all, std::string(kv), "\n"); });
  const auto hash = store.HashKv(Revision());
  absl::StrAppend(&all, "keys ", keys.ok() ? keys->count : -1, " hash ", hash.ok() ? hash->hash : 0,
                  "\n");
  for (const storage::LeaseRecord& lease : store.Leases()) {
    absl::StrAppend(&all, "lease ", lease.id.value(), " ", lease.granted_ttl, " ",
                    lease.remaining_ttl, "\n");
  }
  for (const auto table :
       {storage::Table::kMembers, storage::Table::kAlarms, storage::Table::kAuth}) {
    store.ForEachRecord(table, [&all](std::string_view key, std::string_view value) {
      absl::StrAppend(&all, "record ", std::string(key), "=", std::string(value), "\n");
    });
  }
  return all;
}

// What a member has of its own, and what it takes for the membership.
void CheckOwn(World& world, int n) {
  storage::Store& store = world.host(n).store();
  const auto name = store.FindRecord(storage::Table::kCluster, server::kNameKey);
  if (name != std::to_string(world.id(n).value())) {
    world.Broken(absl::StrCat("a member keeps what is its own: member ", n, " has the name ",
                              name.value_or("of nobody")));
  }
  if (world.host(n).core().node().status().conf != server::StoredConfState(store)) {
    world.Broken(
        absl::StrCat("the membership in force is the one in the state: not at member ", n));
  }
}

// Every change of the counter, with what it says of itself.
std::vector<checkers::GuardedUpdate> FencedUpdates(const checkers::KeySpace& truth) {
  std::vector<checkers::GuardedUpdate> updates;
  for (int64_t revision = checkers::KeySpace::first_revision; revision <= truth.revision();
       ++revision) {
    for (const checkers::Change& change : truth.At(revision)) {
      if (change.kv.key != "fence/counter") continue;
      checkers::GuardedUpdate update;
      update.revision = revision;
      long long written = 0, read = 0, token = 0;
      int client = 0;
      if (std::sscanf(change.kv.value.c_str(), "%lld %lld %lld %d", &written, &read, &token,
                      &client) != 4) {
        continue;
      }
      update.written = written;
      update.read = read;
      update.token = token;
      update.client = client;
      updates.push_back(update);
    }
  }
  return updates;
}

std::vector<int64_t> CreatedUnder(const checkers::KeySpace& truth, const std::string& prefix) {
  std::vector<int64_t> created;
  for (int64_t revision = checkers::KeySpace::first_revision; revision <= truth.revision();
       ++revision) {
    for (const checkers::Change& change : truth.At(revision)) {
      if (!change.deleted && absl::StartsWith(change.kv.key, prefix)) {
        created.push_back(change.kv.create_revision);
      }
    }
  }
  return created;
}

void JudgeCaches(World& world, const Histories& histories) {
  const checkers::KeySpace& truth = world.ledger().truth();
  for (const ObjectCache& cache : histories.caches) {
    if (cache.revision < checkers::KeySpace::first_revision) continue;
    std::vector<checkers::KeyVersion> known;
    for (const auto& [key, version] : cache.objects) known.push_back(version);
    const auto there = truth.Range(cache.prefix, cache.end, cache.revision);
    if (known == there) continue;
    world.Broken(absl::StrCat("list and watch tell all of the objects: client ", cache.client,
                              " knows ", known.size(), " at revision ", cache.revision,
                              ", and there are ", there.size()));
  }
}

void JudgeGrants(World& world, const Histories& histories) {
  const checkers::KeySpace& truth = world.ledger().truth();
  for (const LockGrant& grant : histories.lock_grants) {
    const auto there = truth.Range(grant.key, "", grant.revision);
    if (there.size() == 1) continue;
    world.Broken(absl::StrCat("who is granted a lock has its key: client ", grant.client,
                              " has not ", grant.key, " at revision ", grant.revision));
  }
}

void JudgeWatches(World& world, Histories& histories) {
  const checkers::KeySpace& truth = world.ledger().truth();
  for (checkers::WatchHistory& watch : histories.watches) {
    const auto& answers = watch.streams.back().answers;
    if (answers.empty()) {
      world.Broken(
          absl::StrCat("a healed cluster serves watchers: client ", watch.client, " has none"));
      return;
    }
    watch.complete_through = truth.revision();
    Take(world, "watch", CheckWatch(truth, world.ledger().compacted(), watch));
  }
}

}  // namespace

void JudgeMembers(World& world) {
  std::string first;
  int first_of = 0;
  for (const int n : world.Running()) {
    if (world.removed(n)) continue;
    storage::Store& store = world.host(n).store();
    if (store.applied().value() != world.ledger().entries()) {
      world.Broken(absl::StrCat("healed members catch up: member ", n, " is at entry ",
                                store.applied().value(), " of ", world.ledger().entries()));
      return;
    }
    CheckOwn(world, n);
    const std::string all = Everything(store);
    if (first_of == 0) {
      first = all;
      first_of = n;
    } else if (all != first) {
      world.Broken(absl::StrCat("members have the same bytes: members ", first_of, " and ", n,
                                " differ:\n", first, "\nand\n", all));
    }
  }
  if (first_of == 0) world.Broken("a healed cluster has members");
  if (world.damaged() != 0) {
    world.Broken(absl::StrCat("a damaged member is replaced: member ", world.damaged(), " is not"));
  }
}

void JudgeHistories(World& world, Histories& histories, Time healed) {
  const checkers::KeySpace& truth = world.ledger().truth();
  Take(world, "replay by revision",
       CheckReplay(truth, histories.operations, {"lock/", "election/"}));
  Take(world, "registers", CheckRegisters(histories.registers, {.states_max = 300'000}));
  Take(world, "list-append", CheckListAppend(histories.lists));
  Take(world, "set", CheckSet(histories.sets));
  Take(world, "bank", CheckBank(histories.bank_reads, kAccounts, kMoney));
  JudgeWatches(world, histories);
  JudgeCaches(world, histories);
  // A leader that is new gives leases their time anew, and none is revoked while a member is said
  // to be corrupt.
  const checkers::LeaseBounds bounds{
      .drift = 2 * Adversary::kDrift,
      .healed = std::max({healed, world.last_election(), histories.alarmed_until}),
      .slack = 8 * kSecond};
  for (const auto& lease : histories.leases) Take(world, "lease", CheckLease(lease, bounds));
  Take(world, "lock", CheckOwnership(histories.locks));
  JudgeGrants(world, histories);
  Take(world, "fencing", checkers::CheckFenced(FencedUpdates(truth)));
  Take(world, "permissions", CheckPermissions(world.ledger().permissions(), histories.accesses));
  Take(world, "election", CheckOwnership(histories.terms));
  Take(world, "observation",
       CheckObservations(histories.observations, CreatedUnder(truth, "election/")));
}

}  // namespace keelson::simulation
