// What the clients of a run do, each a coroutine that goes on until its client is stopped.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_WORKLOADS_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_WORKLOADS_H_

#include <string>
#include <vector>

#include "tests/simulation/cluster/client.h"

namespace keelson::simulation {

inline const std::vector<std::string> kAccounts = {"bank/a", "bank/b", "bank/c", "bank/d"};
inline constexpr int64_t kMoney = 400;
// May read and write everything, and no more; may do everything; may do what they are granted.
inline constexpr char kOrdinaryUser[] = "app";
inline constexpr char kAdministrator[] = "root";
inline const std::vector<std::string> kLimitedUsers = {"ann", "bob", "cid"};

// Puts, deletions, swaps, reads of now, of the past, and of whatever the member has.
Coroutine<> UseRegisters(Client& client);
// Transactions that read lists and append to them, guarded by what they read.
Coroutine<> AppendToLists(Client& client);
// Money moved between accounts, and all of it counted.
Coroutine<> MoveMoney(Client& client);
Coroutine<> GrowSet(Client& client);
// A watch that goes on where it broke off.
Coroutine<> Watch(Client& client);
// The same, of one member all the time, and patient.
Coroutine<> WatchSteadily(Client& client);
// Leases granted, kept alive for a while, left to end or revoked, and watched to their end.
Coroutine<> UseLeases(Client& client);
// The Lock service; under the lock a counter is changed, fenced by the lock's key.
Coroutine<> UseLocks(Client& client);
Coroutine<> StandForElection(Client& client);
Coroutine<> ObserveElection(Client& client);
// Objects as Kubernetes keeps them: listed, watched from there, and changed if they are as known.
Coroutine<> ControlObjects(Client& client);
Coroutine<> CompactNowAndThen(Client& client);
// More calls at once than a member takes.
Coroutine<> ComeInBursts(Client& client);
// Reads, and some writes, that do not wait for each other, at all members.
Coroutine<> ReadWithoutWaiting(Client& client);
// Members added, promoted by their being voters at once, and removed.
Coroutine<> ChangeMembers(Client& client);
// Alarms raised and disarmed: while there is one, nothing is written.
Coroutine<> RaiseAlarms(Client& client);
// A member whose disk is damaged is removed, and one with an empty disk added in its place.
Coroutine<> ReplaceDamaged(Client& client);
// Users, roles and permissions made, taken away and made again; auth switched on and off.
Coroutine<> AdministerUsers(Client& client);
// Keys used by somebody who may not use all of them; the client's user is one of kLimitedUsers.
Coroutine<> UseGuardedKeys(Client& client);
// One write and one read at `member`; Broken if they are not answered in time.
Coroutine<> Probe(Client& client, int member);

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_WORKLOADS_H_
