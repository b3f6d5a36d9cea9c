#include "tests/simulation/raft/counters.h"

namespace keelson::raft::simulation {

std::string_view Counters::NameOf(size_t i) {
  static constexpr std::array<std::string_view, kCount> kNames = {
      "elections",
      "split_votes",
      "pre_vote_rejects",
      "check_quorum_step_downs",
      "entries_committed",
      "truncations",
      "appends_rejected",
      "late_acks",
      "restarts",
      "restarts_with_lost_tail",
      "restarts_replaying",
      "snapshots_sent",
      "snapshots_lost",
      "snapshots_installed",
      "snapshots_stale",
      "crashes_before_snapshot_install",
      "crashes_after_snapshot_install",
      "conf_changes_proposed",
      "conf_changes_refused",
      "conf_changes_rejected_by_layer_above",
      "conf_changes_illegal_when_applied",
      "conf_changes_overtaken_by_snapshot",
      "joint_enters",
      "joint_leaves",
      "joint_auto_leaves",
      "commits_in_joint",
      "learners_added",
      "learner_promotions",
      "demotions",
      "voters_added",
      "removals",
      "leader_removals",
      "campaigns_blocked",
      "transfers_done",
      "transfers_aborted",
      "proposals_while_transferring",
      "forgotten_leaders",
      "storage_stalls",
      "storage_stall_step_downs",
      "uncommitted_limit_refusals",
      "reads_granted",
      "reads_forwarded",
      "reads_dropped",
      "lease_reads",
      "pauses",
      "partitions",
      "healed_catch_up_by_snapshot",
      "healed_catch_up_by_log",
  };
  return kNames[i];
}

}  // namespace keelson::raft::simulation
