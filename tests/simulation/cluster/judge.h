// Judge: whether a run that has come to its end was as it must be: what the clients saw, by the
// checkers; and what the members hold.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_JUDGE_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_JUDGE_H_

#include "tests/simulation/cluster/histories.h"
#include "tests/simulation/cluster/world.h"

namespace keelson::simulation {

// What is wrong is told to the world. `healed`: when the faults ended.
void JudgeMembers(World& world);
void JudgeHistories(World& world, Histories& histories, Time healed);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_JUDGE_H_
