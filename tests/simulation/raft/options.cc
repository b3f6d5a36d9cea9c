#include "tests/simulation/raft/options.h"

#include <algorithm>
#include <sstream>

namespace keelson::raft::simulation {
namespace {

void DrawLimits(Dice& dice, Config& config) {
  if (dice.Percent(40)) return;
  config.append_bytes_max = static_cast<uint64_t>(dice.Between(40, 300));
  config.inflight_messages_max = static_cast<int>(dice.Between(1, 5));
  config.inflight_bytes_max = static_cast<uint64_t>(dice.Between(60, 1000));
  config.uncommitted_bytes_max = static_cast<uint64_t>(dice.Between(20, 200));
  config.committed_bytes_max = static_cast<uint64_t>(dice.Between(40, 400));
  config.cache_bytes_max = static_cast<uint64_t>(dice.Between(0, 400));
}

void DrawProtocol(Dice& dice, Options& options) {
  Config& config = options.config;
  const bool lease = dice.Percent(25);
  config.election_timeout_ticks =
      static_cast<int>(lease ? dice.Between(7, 16) : dice.Between(4, 12));
  const int seldom = config.election_timeout_ticks / (dice.Percent(70) ? 4 : 2);
  config.heartbeat_ticks = static_cast<int>(dice.Between(1, std::max(1, seldom)));
  config.pre_vote = dice.Percent(60);
  config.check_quorum = lease || dice.Percent(50);
  config.step_down_on_removal = dice.Percent(60);
  config.disable_conf_change_validation = dice.Percent(15);
  DrawLimits(dice, config);
  options.rate_percent = dice.Percent(50) ? static_cast<int>(dice.Between(1, 60)) : 0;
  if (lease) {
    config.read_mode = ReadMode::kLease;
    config.clock_drift_percent = static_cast<int>(dice.Between(1, 25));
    options.rate_percent = config.clock_drift_percent;
  }
}

void DrawNetwork(Dice& dice, Options& options) {
  options.latency_max = dice.Skewed(kMillisecond, 2 * kTickTime);
  if (dice.Percent(50)) options.loss_percent = static_cast<uint64_t>(dice.Between(1, 25));
  if (dice.Percent(40)) options.duplicate_percent = static_cast<uint64_t>(dice.Between(1, 20));
  if (dice.Percent(30)) options.long_delay_percent = static_cast<uint64_t>(dice.Between(1, 6));
  options.reordering = dice.Percent(60);
  options.partitions = dice.Percent(60);
  options.one_way_cuts = dice.Percent(40);
  options.flapping = dice.Percent(30);
  options.unreachable_reports = dice.Percent(50);
  if (dice.Percent(50)) options.snapshot_loss_percent = static_cast<uint64_t>(dice.Between(5, 60));
  options.snapshot_mischief = dice.Percent(40);
}

}  // namespace

Options Options::Draw(Dice& dice) {
  Options options;
  static constexpr uint64_t kVoters[] = {3, 3, 3, 3, 4, 5, 5, 5, 6, 7};
  options.voters = kVoters[dice.Below(10)];
  options.conf_in_log = dice.Percent(40);
  options.safety_ticks = dice.Between(60, 260);
  DrawProtocol(dice, options);
  DrawNetwork(dice, options);
  options.crashes = dice.Percent(65);
  options.pauses = dice.Percent(35);
  // With leases the clocks are the promise that must hold; see docs/simulation.md.
  options.jumps = options.config.read_mode != ReadMode::kLease && dice.Percent(25);
  options.slow_disks = dice.Percent(40);
  options.disk_stalls = dice.Percent(35);
  options.late_acks = dice.Percent(40);
  options.slow_apply = dice.Percent(40);
  options.apply_stalls = dice.Percent(35);
  options.compaction = dice.Percent(60);
  options.membership = dice.Percent(60);
  options.transfers = dice.Percent(50);
  options.forgetting = dice.Percent(30);
  options.campaigns = dice.Percent(40);
  options.fault_interval = dice.Between(kTickTime / 2, 12 * kTickTime);
  options.client_interval = dice.Skewed(kTickTime / 4, 8 * kTickTime);
  options.read_percent =
      static_cast<uint64_t>(dice.Percent(70) ? dice.Between(10, 30) : dice.Between(60, 97));
  options.ready_delay_percent = dice.Percent(60) ? static_cast<uint64_t>(dice.Between(5, 60)) : 0;
  return options;
}

std::string Options::Describe() const {
  std::ostringstream os;
  auto flag = [&os](bool on, const char* name) {
    if (on) os << ' ' << name;
  };
  auto number = [&os](const char* name, auto value) {
    if (value != 0) os << ' ' << name << '=' << value;
  };
  os << "voters=" << voters << " safety_ticks=" << safety_ticks
     << " election_timeout_ticks=" << config.election_timeout_ticks
     << " heartbeat_ticks=" << config.heartbeat_ticks;
  flag(conf_in_log, "conf_in_log");
  flag(config.pre_vote, "pre_vote");
  flag(config.check_quorum, "check_quorum");
  if (config.read_mode == ReadMode::kLease) os << " lease_drift=" << config.clock_drift_percent;
  flag(config.step_down_on_removal, "step_down_on_removal");
  flag(config.disable_conf_change_validation, "no_conf_change_validation");
  if (config.cache_bytes_max <= 400) {
    os << " limits(append_bytes=" << config.append_bytes_max
       << " inflight_messages=" << config.inflight_messages_max
       << " inflight_bytes=" << config.inflight_bytes_max
       << " uncommitted_bytes=" << config.uncommitted_bytes_max
       << " committed_bytes=" << config.committed_bytes_max
       << " cache_bytes=" << config.cache_bytes_max << ')';
  }
  number("rate_percent", rate_percent);
  flag(pauses, "pauses");
  flag(jumps, "jumps");
  flag(crashes, "crashes");
  os << " latency_max_ms=" << latency_max / kMillisecond;
  number("loss_percent", loss_percent);
  number("duplicate_percent", duplicate_percent);
  number("long_delay_percent", long_delay_percent);
  flag(reordering, "reordering");
  flag(partitions, "partitions");
  flag(one_way_cuts, "one_way_cuts");
  flag(flapping, "flapping");
  flag(unreachable_reports, "unreachable_reports");
  number("snapshot_loss_percent", snapshot_loss_percent);
  flag(snapshot_mischief, "snapshot_mischief");
  flag(slow_disks, "slow_disks");
  flag(disk_stalls, "disk_stalls");
  flag(late_acks, "late_acks");
  flag(slow_apply, "slow_apply");
  flag(apply_stalls, "apply_stalls");
  flag(compaction, "compaction");
  flag(membership, "membership");
  flag(transfers, "transfers");
  flag(forgetting, "forgetting");
  flag(campaigns, "campaigns");
  os << " fault_interval_ms=" << fault_interval / kMillisecond
     << " client_interval_ms=" << client_interval / kMillisecond;
  number("read_percent", read_percent);
  number("ready_delay_percent", ready_delay_percent);
  return os.str();
}

}  // namespace keelson::raft::simulation
