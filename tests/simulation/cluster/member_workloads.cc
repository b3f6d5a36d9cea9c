// What operators do about members.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/simulation/cluster/workloads.h"

namespace keelson::simulation {
namespace {

enum class Joins { kAsVoter, kAsLearner };

std::string PeerUrlOf(int n) { return absl::StrCat("http://m", n, ":2380"); }

// A new place, or that of a member that was removed.
std::string DrawPeerUrl(Client& client) {
  World& world = client.world();
  std::vector<int> free = {world.members() + 1};
  for (int n = 1; n <= world.members(); ++n) {
    if (world.removed(n)) free.push_back(n);
  }
  return PeerUrlOf(client.dice().Pick(free));
}

// Asks some member that runs for one member more. It may have been added though the answer is an
// error.
Coroutine<absl::Status> AddMember(Client& client, int asked, std::string peer_url, Joins as) {
  etcdserverpb::MemberAddRequest request;
  request.add_peerurls(std::move(peer_url));
  request.set_islearner(as == Joins::kAsLearner);
  CallResult result = co_await client.Call(asked, "/etcdserverpb.Cluster/MemberAdd",
                                           request.SerializeAsString(), 10 * kSecond);
  client.world().Tell(0, absl::StrCat("addition of a member: ", result.status.ToString()));
  if (result.status.ok()) {
    client.world().counters().Add(as == Joins::kAsLearner ? Reached::kLearnersAdded
                                                          : Reached::kMembersAdded);
  }
  co_return result.status;
}

Coroutine<absl::Status> RemoveMember(Client& client, int asked, int victim) {
  etcdserverpb::MemberRemoveRequest request;
  request.set_id(client.world().id(victim).value());
  CallResult result = co_await client.Call(asked, "/etcdserverpb.Cluster/MemberRemove",
                                           request.SerializeAsString());
  client.world().Tell(0,
                      absl::StrCat("removal of member ", victim, ": ", result.status.ToString()));
  if (result.status.ok()) client.world().counters().Add(Reached::kMembersRemoved);
  co_return result.status;
}

Coroutine<> Promote(Client& client, int asked, int learner) {
  etcdserverpb::MemberPromoteRequest request;
  request.set_id(client.world().id(learner).value());
  CallResult result = co_await client.Call(asked, "/etcdserverpb.Cluster/MemberPromote",
                                           request.SerializeAsString());
  client.world().Tell(
      0, absl::StrCat("promotion of member ", learner, ": ", result.status.ToString()));
  if (result.status.ok()) client.world().counters().Add(Reached::kLearnersPromoted);
}

struct Alarm {
  uint64_t member;
  etcdserverpb::AlarmType type;
};

Coroutine<absl::Status> AskAlarm(Client& client, etcdserverpb::AlarmRequest::AlarmAction action,
                                 Alarm alarm) {
  etcdserverpb::AlarmRequest request;
  request.set_action(action);
  request.set_memberid(alarm.member);
  request.set_alarm(alarm.type);
  const CallResult result = co_await client.Call("/etcdserverpb.Maintenance/Alarm", request);
  etcdserverpb::AlarmResponse response;
  const bool taken_back = action == etcdserverpb::AlarmRequest::DEACTIVATE && result.status.ok() &&
                          response.ParseFromString(result.body) && response.alarms_size() > 0;
  if (taken_back) client.histories().alarmed_until = client.now();
  co_return result.status;
}

// Until member `n`, which refuses its disk, is a member no more and another has its place.
Coroutine<> Replace(Client& client, int n) {
  World& world = client.world();
  while (!world.removed(n)) {
    const std::vector<int> running = world.Running();
    if (client.stopped()) co_return;
    if (!running.empty()) (void)co_await RemoveMember(client, client.dice().Pick(running), n);
    co_await client.Sleep(kSecond);
  }
  const int before = world.members();
  std::string url = PeerUrlOf(n);
  while (world.members() == before) {
    const std::vector<int> running = world.Running();
    if (client.stopped()) co_return;
    if (!running.empty()) {
      const absl::Status status =
          co_await AddMember(client, client.dice().Pick(running), url, Joins::kAsVoter);
      // Its place was given to another meanwhile.
      if (absl::IsFailedPrecondition(status)) url = DrawPeerUrl(client);
    }
    co_await client.Sleep(kSecond);
  }
  const int heir = world.members();
  const uint64_t entries = world.ledger().entries();
  while (!world.removed(heir) &&
         !(world.running(heir) && world.host(heir).store().applied().value() >= entries)) {
    co_await client.Sleep(kSecond / 2);
  }
  world.OnReplaced(n);
}

}  // namespace

Coroutine<> ChangeMembers(Client& client) {
  World& world = client.world();
  while (!client.stopped()) {
    co_await client.Sleep(client.dice().Between(2 * kSecond, 9 * kSecond));
    const std::vector<int> running = world.Running();
    // What is asked for as the last thing shows that all goes well, and with a leader that is
    // removed just then it would be lost.
    if (client.now() > client.stops() - 2 * kSecond) co_return;
    if (running.empty()) continue;
    const int asked = client.dice().Pick(running);
    std::vector<int> present;
    for (int n = 1; n <= world.members(); ++n) {
      if (!world.removed(n)) present.push_back(n);
    }
    const std::set<int> learners = world.Learners();
    if (!learners.empty() && client.dice().Percent(40)) {
      co_await Promote(client, asked, *learners.begin());
    } else if (present.size() < 6 && world.members() < 10 && client.dice().Percent(55)) {
      const Joins as = client.dice().Percent(40) ? Joins::kAsLearner : Joins::kAsVoter;
      (void)co_await AddMember(client, asked, DrawPeerUrl(client), as);
    } else if (present.size() > 3) {
      const int victim = client.dice().Pick(present);
      const bool dear = !learners.contains(victim) && present.size() - learners.size() <= 3;
      if (victim != asked && !dear) (void)co_await RemoveMember(client, asked, victim);
    }
  }
}

Coroutine<> RaiseAlarms(Client& client) {
  World& world = client.world();
  std::vector<Alarm> raised;
  while (!client.stopped()) {
    co_await client.Sleep(world.faulty ? client.dice().Between(kSecond, 6 * kSecond) : kSecond);
    if (world.faulty) {
      const int n = static_cast<int>(client.dice().Between(1, world.members()));
      const Alarm alarm{world.id(n).value(),
                        client.dice().Percent(75) ? etcdserverpb::NOSPACE : etcdserverpb::CORRUPT};
      raised.push_back(alarm);
      const absl::Status status =
          co_await AskAlarm(client, etcdserverpb::AlarmRequest::ACTIVATE, alarm);
      if (status.ok()) world.counters().Add(Reached::kAlarmsRaised);
      world.Tell(0, absl::StrCat("alarm: ", status.ToString()));
      co_await client.Sleep(client.dice().Between(200 * kMillisecond, 2500 * kMillisecond));
    }
    // Whichever of them: one that was given up may be raised late.
    for (const Alarm& alarm : raised) {
      (void)co_await AskAlarm(client, etcdserverpb::AlarmRequest::DEACTIVATE, alarm);
    }
  }
}

Coroutine<> ReplaceDamaged(Client& client) {
  while (!client.stopped()) {
    co_await client.Sleep(client.dice().Between(kSecond / 2, 2 * kSecond));
    const int n = client.world().refusing();
    if (n != 0) co_await Replace(client, n);
  }
}

}  // namespace keelson::simulation
