#include "raft/read_rounds.h"

#include <utility>

#include "base/check.h"

namespace keelson::raft {

bool ReadRounds::AddOfPeer(ReadRequest request) {
  if (waiting_.size() >= kPeerRequestsMax) return false;
  waiting_.push_back(request);
  return true;
}

uint64_t ReadRounds::Begin(LogIndex index) {
  KV_CHECK(CanBegin());
  under_way_.push_back({++last_number_, index, std::exchange(waiting_, {})});
  return last_number_;
}

std::vector<ReadRound> ReadRounds::TakeConfirmed(uint64_t number) {
  std::vector<ReadRound> confirmed;
  while (!under_way_.empty() && under_way_.front().number <= number) {
    confirmed.push_back(std::move(under_way_.front()));
    under_way_.pop_front();
  }
  return confirmed;
}

ReadRound ReadRounds::TakeWaiting(LogIndex index) {
  return {.number = 0, .index = index, .requests = std::exchange(waiting_, {})};
}

std::vector<ReadRequest> ReadRounds::TakeAll() {
  std::vector<ReadRequest> all;
  for (ReadRound& round : under_way_) {
    all.insert(all.end(), round.requests.begin(), round.requests.end());
  }
  all.insert(all.end(), waiting_.begin(), waiting_.end());
  under_way_.clear();
  waiting_.clear();
  return all;
}

}  // namespace keelson::raft
