#include "raft/testing/lone_member.h"

#include <utility>

#include "base/check.h"

namespace keelson::raft {

void LoneMember::Start(uint64_t voters, MemoryLog disk) {
  Start(TestConfig(1, voters), std::move(disk));
}

void LoneMember::Start(Config config, MemoryLog disk, uint64_t seed) {
  config.hard_state = disk.hard_state();
  node_ = std::make_unique<TestNode>(config, std::move(disk), seed);
}

ProgressStatus LoneMember::progress(uint64_t id) {
  for (const ProgressStatus& progress : raft().status().progress) {
    if (progress.id == NodeId{id}) return progress;
  }
  KV_CHECK(false) << "no progress of " << id;
  return {};
}

void LoneMember::Receive(uint64_t from, uint64_t term, MessageBody body) {
  raft().Step({NodeId{from}, NodeId{1}, Term{term}, std::move(body)});
}

void LoneMember::Hear(uint64_t from, MessageBody body) {
  Receive(from, raft().term().value(), std::move(body));
}

std::vector<Message> LoneMember::Sent() {
  node_->Run();
  return node_->TakeSent();
}

void LoneMember::BecomeCandidate() {
  raft().Campaign();
  Sent();
}

void LoneMember::BecomeLeader() {
  raft().Campaign();
  for (int round = 0; raft().role() != Role::kLeader; ++round) {
    KV_CHECK_LT(round, 3) << "nobody left to ask";
    for (const Message& message : Sent()) {
      if (!Is<VoteRequest>(message)) continue;
      const VoteRequest& request = As<VoteRequest>(message);
      Receive(message.to.value(), message.term.value(),
              VoteResponse{.pre_vote = request.pre_vote, .granted = true});
    }
  }
  Sent();
}

void LoneMember::AcceptFrom(uint64_t peer, uint64_t index) {
  Hear(peer, AppendResponse{.index = LogIndex{index}});
}

ProposeResult LoneMember::Propose(std::string_view data) {
  return raft().Propose({{.data = SharedBytes::Copy(data)}});
}

void LoneMember::Tick(int ticks) {
  for (int i = 0; i < ticks; ++i) raft().Tick();
}

}  // namespace keelson::raft
