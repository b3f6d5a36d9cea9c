#include "raft/testing/scenario.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <utility>

#include "raft/conf_change.h"
#include "raft/testing/describe.h"

namespace keelson::raft {
namespace {

// Settling takes fewer rounds in any scenario; a core that never rests must end the test.
constexpr int kSettleRoundsMax = 1000;

// The longest timeouts. The first number drawn is that of the first batch of forwarded reads.
class LongestRandom final : public Random {
 public:
  uint64_t Next() override { return std::exchange(next_, UINT64_MAX); }

 private:
  uint64_t next_ = 100;
};

std::optional<uint64_t> ToNumber(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), number);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return number;
}

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

bool Contains(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// What a usage says of a part: a word, an option (its key in `name`), or a flag.
struct PartSpec {
  enum { kWord, kOption, kFlag } kind = kWord;
  std::string name;
  std::string values;  // TEXT, one|another, or any other capitals for numbers
  bool optional = false;
  bool repeated = false;
};

std::vector<PartSpec> SpecsOf(std::string_view usage) {
  std::vector<PartSpec> specs;
  for (std::string part : Split(usage, ' ')) {
    PartSpec spec;
    if (part.starts_with('[')) {
      spec.optional = true;
      part = part.substr(1, part.size() - 2);
    }
    if (part.ends_with("..")) {
      spec.repeated = true;
      part.resize(part.size() - 2);
    }
    const size_t equals = part.find('=');
    if (equals != std::string::npos) {
      spec.kind = PartSpec::kOption;
      spec.name = part.substr(0, equals);
      spec.values = part.substr(equals + 1);
    } else if (std::isupper(static_cast<unsigned char>(part[0])) != 0 ||
               part.find('|') != std::string::npos) {
      spec.values = part;
    } else {
      spec.kind = PartSpec::kFlag;
      spec.name = part;
    }
    specs.push_back(std::move(spec));
  }
  return specs;
}

bool Fits(const std::string& value, const PartSpec& spec) {
  if (spec.values == "TEXT") return true;
  if (spec.values.find('|') != std::string::npos) return Contains(Split(spec.values, '|'), value);
  return ToNumber(value).has_value();
}

bool WordsFit(const std::vector<std::string>& words, const std::vector<PartSpec>& specs) {
  size_t word = 0;
  for (const PartSpec& spec : specs) {
    if (spec.kind != PartSpec::kWord) continue;
    bool any = spec.optional;
    while (word < words.size() && Fits(words[word], spec)) {
      any = true;
      ++word;
      if (!spec.repeated) break;
    }
    if (!any) return false;
  }
  return word == words.size();
}

std::vector<NodeId> ToIds(const std::vector<uint64_t>& numbers) {
  std::vector<NodeId> ids;
  for (uint64_t number : numbers) ids.push_back(NodeId{number});
  return ids;
}

// v1 l2 r3 u4; nullopt: something else.
std::optional<ConfChangeStep> ToStep(const std::string& word) {
  static constexpr std::string_view kLetters = "vrul";  // in the order of ConfChangeType
  const size_t letter = kLetters.find(word.at(0));
  const std::optional<uint64_t> id = ToNumber(std::string_view(word).substr(1));
  if (letter == std::string_view::npos || !id) return std::nullopt;
  return ConfChangeStep{static_cast<ConfChangeType>(letter), NodeId{*id}};
}

}  // namespace

bool Scenario::Command::Has(std::string_view flag) const { return Contains(flags, flag); }

uint64_t Scenario::Command::Number(size_t word) const {
  return word < words.size() ? ToNumber(words[word]).value() : 0;
}

uint64_t Scenario::Command::Number(const std::string& option, uint64_t otherwise) const {
  const auto found = options.find(option);
  return found == options.end() ? otherwise : ToNumber(found->second.at(0)).value();
}

std::vector<uint64_t> Scenario::Command::Numbers(const std::string& option) const {
  std::vector<uint64_t> numbers;
  const auto found = options.find(option);
  if (found == options.end()) return numbers;
  for (const std::string& value : found->second) numbers.push_back(ToNumber(value).value());
  return numbers;
}

const std::map<std::string_view, Scenario::Kind>& Scenario::Kinds() {
  static const std::map<std::string_view, Kind> kKinds = {
      {"add-nodes",
       {"COUNT [voters=IDS] [learners=IDS] [term=TERM] [log=TERMS] [snapshot=INDEX] "
        "[election=TICKS] [prevote] "
        "[checkquorum] [read=quorum|lease] [drift=PERCENT] [step-down-on-removal] "
        "[disable-conf-validation] [append-bytes=BYTES] [inflight=MESSAGES] "
        "[cache-bytes=BYTES] [inflight-bytes=BYTES] [uncommitted-bytes=BYTES] "
        "[committed-bytes=BYTES]",
        &Scenario::AddNodes}},
      {"deliver", {"ID.. [from=ID] [type=TEXT] [count=K] [drop] [repeat]", &Scenario::Deliver}},
      {"settle", {"[ID..] [quiet]", &Scenario::Settle}},
      {"crash", {"N [keep=K] [applied=INDEX]", &Scenario::Crash}},
      {"restart", {"ID", &Scenario::Restart}},
      {"campaign", {"N", &Scenario::Campaign}},
      {"tick", {"N [COUNT]", &Scenario::Tick}},
      {"propose", {"N TEXT..", &Scenario::Propose}},
      {"propose-conf", {"N [transition=auto|implicit|explicit] [TEXT..]", &Scenario::ProposeConf}},
      {"read", {"N CONTEXT", &Scenario::Read}},
      {"transfer", {"N TO", &Scenario::Transfer}},
      {"revoke-lease", {"N", &Scenario::RevokeLease}},
      {"forget-leader", {"N", &Scenario::ForgetLeader}},
      {"unreachable", {"N PEER", &Scenario::Unreachable}},
      {"report-snapshot", {"N PEER delivered|failed", &Scenario::ReportSnapshot}},
      {"stall", {"N", &Scenario::Stall}},
      {"ready", {"N..", &Scenario::TakeReady}},
      {"write", {"N..", &Scenario::Write}},
      {"ack", {"N..", &Scenario::Acknowledge}},
      {"apply", {"N..", &Scenario::Apply}},
      {"compact", {"N INDEX", &Scenario::Compact}},
      {"status", {"N..", &Scenario::ShowStatus}},
      {"log", {"ID..", &Scenario::ShowLog}},
  };
  return kKinds;
}

std::string Scenario::Run(std::string_view line) {
  out_.str("");
  const std::string_view name = line.substr(0, line.find(' '));
  const auto kind = Kinds().find(name);
  Command command;
  if (kind == Kinds().end()) {
    Error("unknown command " + std::string(name));
  } else if (Parse(line.substr(name.size()), kind->second.usage, command)) {
    (this->*kind->second.run)(command);
  }
  if (out_.str().empty()) out_ << "ok\n";
  return out_.str();
}

bool Scenario::Parse(std::string_view line, std::string_view usage, Command& command) {
  const std::vector<PartSpec> specs = SpecsOf(usage);
  const auto spec_of = [&](auto kind, const std::string& name) {
    return std::find_if(specs.begin(), specs.end(), [&](const PartSpec& spec) {
      return spec.kind == kind && spec.name == name;
    });
  };
  bool fits = true;
  for (const std::string& part : Split(line, ' ')) {
    const size_t equals = part.find('=');
    if (equals != std::string::npos) {
      const std::string key = part.substr(0, equals);
      std::string value = part.substr(equals + 1);
      if (value.starts_with('(') && value.ends_with(')')) value = value.substr(1, value.size() - 2);
      const std::vector<std::string> values = Split(value, ',');
      const auto spec = spec_of(PartSpec::kOption, key);
      fits = fits && spec != specs.end() && !values.empty() &&
             std::all_of(values.begin(), values.end(),
                         [&](const std::string& one) { return Fits(one, *spec); });
      command.options[key] = values;
    } else if (spec_of(PartSpec::kFlag, part) != specs.end()) {
      command.flags.push_back(part);
    } else {
      command.words.push_back(part);
    }
  }
  if (!fits || !WordsFit(command.words, specs)) {
    Error("usage: " + std::string(usage));
    return false;
  }
  return !usage.starts_with("N") || FindNodes(usage, command);
}

bool Scenario::FindNodes(std::string_view usage, Command& command) {
  const size_t count = usage.starts_with("N..") ? command.words.size() : 1;
  for (size_t word = 0; word < count; ++word) {
    TestNode* node = Find(command.Number(word));
    if (node == nullptr) {
      Error("no such node");
      return false;
    }
    if (!node->alive()) {
      Error("the node is down");
      return false;
    }
    command.nodes.push_back(node);
  }
  command.node = command.nodes.front();
  return true;
}

TestNode* Scenario::Find(uint64_t id) {
  const auto found = nodes_.find(id);
  return found == nodes_.end() ? nullptr : found->second.get();
}

// -------------------------------------------------------------------------------------------
// world

// COUNT members more, all alike. Without voters= they wait to be added. log= are the terms of the
// entries they start with; snapshot= is what stands for the entries before, applied and of term 1.
void Scenario::AddNodes(const Command& command) {
  for (uint64_t i = 0; i < command.Number(0); ++i) AddNode(command);
}

void Scenario::AddNode(const Command& command) {
  const uint64_t id = nodes_.size() + 1;
  Config config = TestConfig(id, 0);
  config.election_timeout_ticks = static_cast<int>(command.Number("election", 3));
  config.conf.voters = ToIds(command.Numbers("voters"));
  config.conf.learners = ToIds(command.Numbers("learners"));
  config.pre_vote = command.Has("prevote");
  config.check_quorum = command.Has("checkquorum");
  if (command.HasOption("read")) {
    const bool lease = command.options.at("read").front() == "lease";
    config.read_mode = lease ? ReadMode::kLease : ReadMode::kQuorum;
  }
  config.clock_drift_percent = static_cast<int>(command.Number("drift", 10));
  config.step_down_on_removal = command.Has("step-down-on-removal");
  config.disable_conf_change_validation = command.Has("disable-conf-validation");
  config.append_bytes_max = command.Number("append-bytes", config.append_bytes_max);
  config.inflight_messages_max = static_cast<int>(command.Number("inflight", 256));
  config.inflight_bytes_max = command.Number("inflight-bytes", config.inflight_bytes_max);
  config.uncommitted_bytes_max = command.Number("uncommitted-bytes", config.uncommitted_bytes_max);
  config.cache_bytes_max = command.Number("cache-bytes", config.cache_bytes_max);
  config.committed_bytes_max = command.Number("committed-bytes", config.committed_bytes_max);

  EntryId last;
  if (command.HasOption("snapshot")) last = {Term{1}, LogIndex{command.Number("snapshot", 0)}};
  config.applied = last.index;
  MemoryLog log(last);
  if (last.index) log.SetSnapshot({.id = last, .conf = config.conf, .data = {}});
  LogWrite write;
  for (uint64_t term : command.Numbers("log")) {
    last = {Term{term}, last.index + 1};
    write.entries.push_back({.term = last.term, .index = last.index, .data = {}});
  }
  log.Write(write);
  config.hard_state.term = Term{command.Number("term", last.term.value())};
  config.hard_state.commit = config.applied;
  nodes_[id] =
      std::make_unique<TestNode>(config, std::move(log), std::make_unique<LongestRandom>());
  const RawNode& raft = nodes_[id]->raft();
  seen_[id] = {raft.role(), raft.term(), raft.leader(), raft.commit(), raft.conf()};
}

// The messages that wait for members, in order; repeat leaves them on the wire, to come again.
void Scenario::Deliver(const Command& command) {
  if (command.HasOption("type") && !IsMessageName(command.options.at("type").front())) {
    return Error("no such message");
  }
  for (size_t word = 0; word < command.words.size(); ++word) {
    if (!DeliverTo(command.Number(word), command)) Nothing(command.Number(word));
  }
}

bool Scenario::DeliverTo(uint64_t id, const Command& command) {
  TestNode* node = Find(id);
  std::vector<Message> kept;
  uint64_t left = command.Number("count", UINT64_MAX);
  const uint64_t from = command.Number("from", 0);
  const auto type = command.options.find("type");
  const bool drop = command.Has("drop") || node == nullptr || !node->alive();
  bool any = false;
  for (Message& message : std::exchange(wire_, {})) {
    const bool wanted = message.to.value() == id && left > 0 &&
                        (from == 0 || message.from.value() == from) &&
                        (type == command.options.end() || type->second[0] == NameOf(message.body));
    if (!wanted || command.Has("repeat")) kept.push_back(message);
    if (!wanted) continue;
    any = true;
    --left;
    out_ << (drop ? "lost: " : "") << Describe(message) << "\n";
    if (drop) continue;
    node->raft().Step(std::move(message));
    TellChanges(*node);
  }
  wire_ = std::move(kept);
  return any;
}

// Everything happens, between these members or between all, until nothing moves.
void Scenario::Settle(const Command& command) {
  std::vector<TestNode*> nodes;
  for (auto& [id, node] : nodes_) {
    const bool wanted = command.words.empty() || Contains(command.words, std::to_string(id));
    if (node->alive() && wanted) nodes.push_back(node.get());
  }
  std::ostringstream before;
  before.swap(out_);
  bool moved = true;
  for (int round = 0; moved && round < kSettleRoundsMax; ++round) {
    moved = false;
    for (TestNode* node : nodes) {
      moved |= DeliverTo(node->id().value(), Command());
      while (ReadyOf(*node)) moved = true;
      while (AcknowledgeOf(*node)) moved = true;
      while (ApplyOf(*node)) moved = true;
    }
  }
  if (command.Has("quiet")) out_.swap(before);
  if (moved) Error("it does not settle");
}

// Writes that did not reach the disk, and what was applied beyond INDEX (by default all of it is
// durable), are lost. keep=K: the oldest K writes handed out reach the disk, and nobody is told.
void Scenario::Crash(const Command& command) {
  TestNode& node = *command.node;
  const size_t waiting = node.writes_waiting();
  const uint64_t keep = command.Number("keep", 0);
  if (keep > waiting) return Error("only " + std::to_string(waiting) + " writes wait");
  while (node.writes_carried_out() < keep) node.Write();
  const size_t kept = node.writes_carried_out();
  node.Crash(LogIndex{command.Number("applied", UINT64_MAX)});
  out_ << node.id() << ": down";
  if (waiting > 0) out_ << ", " << waiting << " not acknowledged";
  if (kept > 0) out_ << ", of which " << kept << " written";
  out_ << "\n";
}

void Scenario::Restart(const Command& command) {
  const uint64_t id = command.Number(0);
  TestNode* node = Find(id);
  if (node == nullptr || node->alive()) return Error("the node is not down");
  node->Restart(std::make_unique<LongestRandom>());
  const RawNode& raft = node->raft();
  seen_[id] = {raft.role(), raft.term(), raft.leader(), raft.commit(), raft.conf()};
  TellStatus(*node);
}

// -------------------------------------------------------------------------------------------
// inputs of the core

void Scenario::Campaign(const Command& command) {
  command.node->raft().Campaign();
  TellChanges(*command.node);
}

void Scenario::Tick(const Command& command) {
  const uint64_t count = command.words.size() > 1 ? command.Number(1) : 1;
  for (uint64_t i = 0; i < count; ++i) command.node->raft().Tick();
  TellChanges(*command.node);
}

// One proposal a word.
void Scenario::Propose(const Command& command) {
  std::vector<Proposal> proposals;
  for (size_t i = 1; i < command.words.size(); ++i) {
    proposals.push_back({.data = SharedBytes(command.words[i])});
  }
  out_ << Describe(command.node->raft().Propose(std::move(proposals))) << "\n";
}

// Steps are v1 (add a voter, promote), l2 (add a learner, demote), r3 (remove), u4 (update).
// Without any: leaves a joint configuration.
void Scenario::ProposeConf(const Command& command) {
  static const std::map<std::string, ConfTransition> kTransitions = {
      {"auto", ConfTransition::kAuto},
      {"implicit", ConfTransition::kJointImplicit},
      {"explicit", ConfTransition::kJointExplicit}};
  ConfChange change;
  if (command.HasOption("transition")) {
    change.transition = kTransitions.at(command.options.at("transition").front());
  }
  for (size_t i = 1; i < command.words.size(); ++i) {
    const std::optional<ConfChangeStep> step = ToStep(command.words[i]);
    if (!step) return Error("a step is v1, l2, r3 or u4");
    change.steps.push_back(*step);
  }
  out_ << Describe(command.node->raft().ProposeConfChange(change)) << "\n";
}

void Scenario::Read(const Command& command) {
  if (!command.node->raft().RequestReadIndex(command.Number(1))) out_ << "no leader\n";
}

void Scenario::Transfer(const Command& command) {
  command.node->raft().TransferLeadership(NodeId{command.Number(1)});
  TellChanges(*command.node);
}

// Its ticks came late: what was answered before proves nothing.
void Scenario::RevokeLease(const Command& command) { command.node->raft().RevokeLease(); }

void Scenario::ForgetLeader(const Command& command) {
  command.node->raft().ForgetLeader();
  TellChanges(*command.node);
}

// N's transport lost its connection to PEER.
void Scenario::Unreachable(const Command& command) {
  command.node->raft().OnUnreachable(NodeId{command.Number(1)});
}

void Scenario::ReportSnapshot(const Command& command) {
  const bool delivered = command.words[2] == "delivered";
  command.node->raft().OnSnapshotSent(
      NodeId{command.Number(1)}, delivered ? SnapshotResult::kDelivered : SnapshotResult::kFailed);
}

// N's log has not carried out a write for too long.
void Scenario::Stall(const Command& command) {
  command.node->raft().OnStorageStalled();
  TellChanges(*command.node);
}

// -------------------------------------------------------------------------------------------
// the life of a Ready, and the disk

// Takes a Ready; its write and its batch to apply wait, send_now leaves.
void Scenario::TakeReady(const Command& command) {
  for (TestNode* node : command.nodes) {
    if (!ReadyOf(*node)) Nothing(node->id().value());
  }
}

bool Scenario::ReadyOf(TestNode& node) {
  const std::optional<Ready> ready = node.TakeReady();
  if (!ready) return false;
  const std::string text = Describe(*ready);
  if (!text.empty()) out_ << node.id() << ": ready #" << ready->number << "\n" << text;
  Collect(node);
  return true;
}

// The oldest waiting write reaches the disk; nobody is told.
void Scenario::Write(const Command& command) {
  for (TestNode* node : command.nodes) {
    if (!node->Write()) Nothing(node->id().value());
  }
}

// The core hears what was written (the oldest is written first, if none was), and what was promised
// leaves.
void Scenario::Acknowledge(const Command& command) {
  for (TestNode* node : command.nodes) {
    if (!AcknowledgeOf(*node)) Nothing(node->id().value());
  }
}

bool Scenario::AcknowledgeOf(TestNode& node) {
  const uint64_t number = node.Acknowledge();
  if (number == 0) return false;
  out_ << node.id() << ": #" << number << " is durable\n";
  Collect(node);
  TellChanges(node);
  return true;
}

// The oldest waiting batch. A snapshot for others is always of what is applied.
void Scenario::Apply(const Command& command) {
  for (TestNode* node : command.nodes) {
    if (!ApplyOf(*node)) Nothing(node->id().value());
  }
}

bool Scenario::ApplyOf(TestNode& node) {
  if (!node.Apply()) return false;
  node.MakeSnapshot();
  out_ << node.id() << ": applied " << node.applied_index() << "\n";
  TellChanges(node);
  return true;
}

// The log up to INDEX goes from the disk; it must be applied.
void Scenario::Compact(const Command& command) {
  const LogIndex index{command.Number(1)};
  if (index < command.node->disk().FirstIndex() || index > command.node->applied_index()) {
    return Error("not held, or not applied");
  }
  command.node->Compact(index);
}

// -------------------------------------------------------------------------------------------
// views

void Scenario::ShowStatus(const Command& command) {
  for (TestNode* node : command.nodes) TellStatus(*node);
}

void Scenario::TellStatus(TestNode& node) {
  const raft::Status status = node.raft().status();
  out_ << status.id << ": " << Describe(status.role) << " term=" << status.term
       << " vote=" << status.vote << " leader=" << status.leader << " commit=" << status.commit
       << " applied=" << status.applied << " last=" << status.last;
  if (status.transferee) out_ << " transferee=" << status.transferee;
  if (status.holds_lease) out_ << " lease";
  if (status.storage_stalled) out_ << " stalled";
  if (status.refused_messages > 0) out_ << " refused=" << status.refused_messages;
  out_ << "\n " << Describe(status.conf) << "\n";
  for (const ProgressStatus& progress : status.progress) {
    out_ << " " << progress.id << ": " << Describe(progress.state) << " match=" << progress.match
         << " next=" << progress.next << (progress.learner ? " learner" : "");
    if (progress.pending_snapshot) out_ << " snapshot=" << progress.pending_snapshot;
    if (progress.inflight_messages > 0) out_ << " inflight=" << progress.inflight_messages;
    out_ << (progress.paused ? " paused" : "") << (progress.recent_active ? "" : " inactive")
         << "\n";
  }
}

// What the disk holds.
void Scenario::ShowLog(const Command& command) {
  for (size_t word = 0; word < command.words.size(); ++word) {
    const TestNode* node = Find(command.Number(word));
    if (node == nullptr) return Error("no such node");
    const MemoryLog& disk = node->disk();
    out_ << node->id() << ": " << Describe(disk.hard_state()) << " ";
    const LogIndex base = disk.FirstIndex() - 1;
    if (base) out_ << "after " << Describe(EntryId{disk.TermAt(base).value(), base}) << " ";
    out_ << Describe(disk.entries()) << "\n";
  }
}

void Scenario::Collect(TestNode& node) {
  for (Message& message : node.TakeSent()) wire_.push_back(std::move(message));
}

void Scenario::TellChanges(TestNode& node) {
  const RawNode& raft = node.raft();
  Visible& seen = seen_[node.id().value()];
  if (raft.role() != seen.role || raft.term() != seen.term || raft.leader() != seen.leader) {
    out_ << node.id() << ": " << Describe(raft.role()) << " in term " << raft.term();
    if (raft.role() == Role::kFollower) {
      if (raft.leader()) {
        out_ << ", follows " << raft.leader();
      } else {
        out_ << ", knows no leader";
      }
    }
    out_ << "\n";
  }
  if (raft.commit() != seen.commit) out_ << node.id() << ": commit " << raft.commit() << "\n";
  if (raft.conf() != seen.conf) out_ << node.id() << ": " << Describe(raft.conf()) << "\n";
  seen = {raft.role(), raft.term(), raft.leader(), raft.commit(), raft.conf()};
}

}  // namespace keelson::raft
