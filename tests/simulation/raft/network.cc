#include "tests/simulation/raft/network.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace keelson::raft::simulation {

Network::Network(const Options& options, Dice& dice) : options_(options), dice_(dice) {
  for (auto& row : latency_) {
    for (Time& latency : row) latency = dice.Between(50, options.latency_max);
  }
}

Network::Arrivals Network::DrawArrivals(const Message& message, Time now) {
  const bool snapshot = std::holds_alternative<InstallSnapshot>(message.body);
  const uint64_t loss = snapshot ? options_.snapshot_loss_percent : options_.loss_percent;
  if (loss > 0 && dice_.Percent(loss)) return {};
  const Time latency = latency_[message.from.value()][message.to.value()];
  Arrivals arrivals;
  arrivals.count = 1;
  if (options_.duplicate_percent > 0 && dice_.Percent(options_.duplicate_percent)) {
    arrivals.count = 2;
  }
  if (snapshot && options_.snapshot_mischief && dice_.Percent(25)) arrivals.count = 2;
  const Time timeout = options_.config.election_timeout_ticks * kTickTime;
  for (size_t i = 0; i < arrivals.count; ++i) {
    Time delay = latency;
    if (options_.reordering) delay += dice_.Between(0, 2 * latency);
    if (options_.long_delay_percent > 0 && dice_.Percent(options_.long_delay_percent)) {
      delay += dice_.Skewed(kTickTime, 5 * timeout);
    }
    if (snapshot) delay += dice_.Between(0, kTickTime);
    if (snapshot && options_.snapshot_mischief && dice_.Percent(30)) {
      delay += dice_.Between(0, 4 * timeout);
    }
    arrivals.at[i] = now + delay;
  }
  if (!options_.reordering && !snapshot && options_.long_delay_percent == 0) {
    Time& newest = newest_[message.from.value()][message.to.value()];
    for (size_t i = 0; i < arrivals.count; ++i) {
      newest = std::max(newest + 1, arrivals.at[i]);
      arrivals.at[i] = newest;
    }
  }
  return arrivals;
}

uint64_t Network::Keep(Message message) {
  if (free_.empty()) {
    slots_.push_back(std::move(message));
    return slots_.size() - 1;
  }
  const uint64_t slot = free_.back();
  free_.pop_back();
  slots_[slot] = std::move(message);
  return slot;
}

Message Network::Take(uint64_t slot) {
  free_.push_back(slot);
  return std::exchange(slots_[slot], {});
}

void Network::SetIsolated(NodeId member, bool isolated) {
  for (uint64_t other = 1; other <= kMembersMax; ++other) {
    cut_[member.value()][other] = isolated;
    cut_[other][member.value()] = isolated;
  }
}

void Network::MendAll() { cut_ = {}; }

void Network::StopFaults() {
  MendAll();
  options_.loss_percent = options_.snapshot_loss_percent = options_.duplicate_percent = 0;
  options_.long_delay_percent = 0;
  options_.snapshot_mischief = false;
  for (auto& row : latency_) {
    for (Time& latency : row) latency = std::min(latency, kTickTime / 4);
  }
}

}  // namespace keelson::raft::simulation
