#include "raft/testing/describe.h"

#include <algorithm>
#include <sstream>
#include <variant>

#include "raft/conf_change.h"

namespace keelson::raft {
namespace {

constexpr std::string_view kMessageNames[] = {
    "Vote",          "VoteResp",   "Append",        "AppendResp", "Heartbeat",
    "HeartbeatResp", "ReadIndex",  "ReadIndexResp", "Propose",    "Snapshot",
    "Transfer",      "TimeoutNow", "PreVote",       "PreVoteResp"};
constexpr size_t kPreVotes = 12;  // a vote in another word
static_assert(std::variant_size_v<MessageBody> == kPreVotes);

// The payload of an entry or a proposal.
std::string DescribePayload(EntryType type, const SharedBytes& data) {
  if (type == EntryType::kNormal) return '"' + std::string(data.view()) + '"';
  const std::optional<ConfChange> change = DecodeConfChange(data);
  return "conf(" + (change ? Describe(*change) : "malformed") + ")";
}

// Writes the fields of a message body.
struct Fields {
  std::ostream& os;

  void operator()(const VoteRequest& m) const {
    os << "last=" << Describe(m.last) << (m.leader_transfer ? " transfer" : "");
  }
  void operator()(const VoteResponse& m) const {
    os << (m.granted ? "granted" : "refused");
    if (!m.granted && m.commit.index) os << " commit=" << Describe(m.commit);
  }
  void operator()(const AppendRequest& m) const {
    os << "prev=" << Describe(m.previous) << " commit=" << m.commit;
    if (!m.entries.empty()) os << " " << Describe(m.entries);
  }
  void operator()(const AppendResponse& m) const {
    if (m.rejected) {
      os << "rejected=" << m.index << " hint=" << Describe(m.reject_hint);
    } else {
      os << "match=" << m.index;
    }
  }
  void operator()(const Heartbeat& m) const {
    os << "commit=" << m.commit;
    if (m.read_context != 0) os << " round=" << m.read_context;
  }
  void operator()(const HeartbeatResponse& m) const {
    if (m.read_context != 0) os << "round=" << m.read_context;
  }
  void operator()(const ReadIndexRequest& m) const { os << "batch=" << m.context; }
  void operator()(const ReadIndexResponse& m) const {
    os << "batch=" << m.context << " index=" << m.index;
  }
  void operator()(const ProposeRequest& m) const {
    for (size_t i = 0; i < m.proposals.size(); ++i) {
      os << (i == 0 ? "" : " ") << DescribePayload(m.proposals[i].type, m.proposals[i].data);
    }
  }
  void operator()(const InstallSnapshot& m) const { os << Describe(*m.snapshot); }
  void operator()(const TransferRequest& m) const { os << "to=" << m.to; }
  void operator()(const TimeoutNow&) const {}
};

}  // namespace

std::string Describe(EntryId id) {
  std::ostringstream os;
  os << id.term << "/" << id.index;
  return os.str();
}

std::string Describe(const Entry& entry) {
  return Describe(entry.id()) + " " + DescribePayload(entry.type, entry.data);
}

std::string Describe(const std::vector<Entry>& entries) {
  std::string text = "[";
  for (const Entry& entry : entries) {
    if (text.size() > 1) text += ", ";
    text += Describe(entry);
  }
  return text + "]";
}

std::string Describe(const HardState& state) {
  std::ostringstream os;
  os << "HardState{term=" << state.term << " vote=" << state.vote << " commit=" << state.commit
     << "}";
  return os.str();
}

std::string Describe(const Snapshot& snapshot) {
  return Describe(snapshot.id) + " " + Describe(snapshot.conf);
}

std::string Describe(const ConfChange& change) {
  static constexpr std::string_view kTransitions[] = {"auto", "implicit", "explicit"};
  static constexpr std::string_view kLetters = "vrul";  // in the order of ConfChangeType
  if (IsLeave(change)) return "leave";
  std::ostringstream os;
  os << kTransitions[static_cast<size_t>(change.transition)];
  for (const ConfChangeStep& step : change.steps) {
    os << " " << kLetters[static_cast<size_t>(step.type)] << step.node;
  }
  return os.str();
}

std::string_view NameOf(const MessageBody& body) {
  const auto* request = std::get_if<VoteRequest>(&body);
  const auto* response = std::get_if<VoteResponse>(&body);
  const bool pre_vote =
      (request != nullptr && request->pre_vote) || (response != nullptr && response->pre_vote);
  return kMessageNames[body.index() + (pre_vote ? kPreVotes : 0)];
}

bool IsMessageName(std::string_view name) {
  return std::find(std::begin(kMessageNames), std::end(kMessageNames), name) !=
         std::end(kMessageNames);
}

std::string Describe(const Message& message) {
  std::ostringstream os;
  os << message.from << "->" << message.to << " " << NameOf(message.body)
     << "{term=" << message.term;
  std::ostringstream fields;
  std::visit(Fields{fields}, message.body);
  if (!fields.str().empty()) os << " " << fields.str();
  os << "}";
  return os.str();
}

std::string_view Describe(Role role) {
  static constexpr std::string_view kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<size_t>(role)];
}

std::string_view Describe(ProgressState state) {
  static constexpr std::string_view kNames[] = {"probe", "replicate", "snapshot"};
  return kNames[static_cast<size_t>(state)];
}

std::string_view Describe(ProposeResult result) {
  static constexpr std::string_view kNames[] = {"accepted", "forwarded",    "no leader",
                                                "full",     "transferring", "refused"};
  return kNames[static_cast<size_t>(result)];
}

std::string Describe(const Ready& ready) {
  std::ostringstream os;
  for (const Message& message : ready.send_now) os << " now:   " << Describe(message) << "\n";
  if (!ready.write.empty()) {
    os << " write:";
    if (ready.write.hard_state) os << " " << Describe(*ready.write.hard_state);
    if (ready.write.snapshot) os << " Snapshot{" << Describe(*ready.write.snapshot) << "}";
    if (!ready.write.entries.empty()) os << " " << Describe(ready.write.entries);
    os << (ready.write.must_sync ? " sync\n" : "\n");
  }
  for (const Message& message : ready.send_after_write) {
    os << " after: " << Describe(message) << "\n";
  }
  if (!ready.committed.empty()) os << " apply: " << Describe(ready.committed) << "\n";
  for (const ReadGrant& read : ready.reads) {
    os << " read:  " << read.context << " at index " << read.index << "\n";
  }
  for (uint64_t context : ready.dropped_reads) os << " read:  " << context << " dropped\n";
  return os.str();
}

}  // namespace keelson::raft
