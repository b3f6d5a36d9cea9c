#include "tests/simulation/planted_bugs.h"

#include "base/planted_bug.h"

namespace keelson::simulation {

const char* NameOf(Hunter hunter) {
  switch (hunter) {
    case Hunter::kRaft:
      return "raft_simulation";
    case Hunter::kCluster:
      return "cluster_simulation";
    case Hunter::kRealStores:
      return "cluster_simulation --real-stores";
    case Hunter::kStoreModel:
      return "store_property_test";
    case Hunter::kPowerFailure:
      return "power_failure_test";
    case Hunter::kAuth:
      return "auth_test";
  }
  return "";
}

const PlantedBugEntry* FindPlantedBug(std::string_view name) {
  for (const PlantedBugEntry& bug : kPlantedBugs) {
    if (bug.name == name) return &bug;
  }
  return nullptr;
}

std::string PlantBug(const std::string& name) {
  const PlantedBugEntry* const bug = FindPlantedBug(name);
  if (bug == nullptr) return "there is no bug " + name;
#ifdef KEELSON_PLANTED_BUGS
  PlantedBug() = bug->name;
  return "";
#else
  return "this build has no planted bugs (KEELSON_PLANTED_BUGS), so not " + name;
#endif
}

}  // namespace keelson::simulation
