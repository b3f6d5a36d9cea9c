// Damage: bits of a member's disk that flip while nobody uses it.
//
// A log cannot tell damage of its last append from a write that a crash has torn, and cuts it off
// (docs/guarantees.md): such damage would be a promise forgotten, and is not done.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_DAMAGE_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_DAMAGE_H_

#include <string>

#include "tests/simulation/cluster/host.h"

namespace keelson::simulation {

// What was flipped, for the story; empty: nothing. REQUIRES: no file of the disk is open.
std::string DamageDisk(Disk& disk, Dice& dice);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_DAMAGE_H_
