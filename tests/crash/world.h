// World: what the state of a member must be after an entry, as a model says; and the comparison of
// a Store with it. What an entry does follows from its bytes and the state before it, so that it
// can be applied to the model alone, or to model and store together.
#ifndef KEELSON_TESTS_CRASH_WORLD_H_
#define KEELSON_TESTS_CRASH_WORLD_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "base/random.h"
#include "base/types.h"
#include "storage/store.h"
#include "storage/store_model.h"

namespace keelson::storage {

struct World {
  LogIndex applied;
  Term term;
  StoreModel keys;
  std::map<std::pair<Table, std::string>, std::string> records;
};

// Bytes of an entry that does something random.
std::string DrawEntry(Random& random);

// Applies it as entry world.applied + 1. `store` may be null; else it is where the world is, and
// its first error is returned.
absl::Status ApplyEntry(std::string_view entry, Term term, World& world, Store* store);

// What reading everything gave.
struct Comparison {
  absl::Status refused;  // the first read that failed, OK: none
  std::string wrong;     // what was answered otherwise than the world is, empty: nothing
};
// Reads everything: position, keys now and at an older revision, events, hash, leases, records.
Comparison Compare(const Store& store, const World& world, Random& random);

}  // namespace keelson::storage

#endif  // KEELSON_TESTS_CRASH_WORLD_H_
