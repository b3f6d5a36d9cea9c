#include "raft/testing/scenario.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "raft/testing/describe.h"
#include "raft/testing/test_cluster.h"

namespace keelson::raft {
namespace {

// The longest timeouts. The first number drawn is that of the first batch of forwarded reads.
class LongestRandom final : public Random {
 public:
  uint64_t Next() override { return std::exchange(next_, UINT64_MAX); }

 private:
  uint64_t next_ = 100;
};

uint64_t ToNumber(const std::string& text) { return std::strtoull(text.c_str(), nullptr, 10); }

std::vector<std::string> Split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

}  // namespace

bool Scenario::Command::Has(const std::string& word) const {
  return std::find(words.begin(), words.end(), word) != words.end();
}

uint64_t Scenario::Command::Number(const std::string& option, uint64_t otherwise) const {
  const auto found = options.find(option);
  return found == options.end() ? otherwise : ToNumber(found->second.at(0));
}

Scenario::Command Scenario::Parse(std::string_view line) {
  Command command;
  for (const std::string& part : Split(line, ' ')) {
    const size_t equals = part.find('=');
    if (command.name.empty()) {
      command.name = part;
    } else if (equals == std::string::npos) {
      command.words.push_back(part);
    } else {
      std::string value = part.substr(equals + 1);
      if (value.starts_with('(') && value.ends_with(')')) value = value.substr(1, value.size() - 2);
      command.options[part.substr(0, equals)] = Split(value, ',');
    }
  }
  return command;
}

std::string Scenario::Run(std::string_view line) {
  out_.str("");
  Execute(Parse(line));
  if (out_.str().empty()) out_ << "ok\n";
  return out_.str();
}

void Scenario::Execute(const Command& command) {
  static const std::map<std::string, void (Scenario::*)(const Command&)> kCommands = {
      {"add-nodes", &Scenario::AddNodes},     {"campaign", &Scenario::Campaign},
      {"tick", &Scenario::Tick},              {"propose", &Scenario::Propose},
      {"read", &Scenario::Read},              {"ready", &Scenario::TakeReady},
      {"write", &Scenario::Write},            {"ack", &Scenario::Acknowledge},
      {"apply", &Scenario::Apply},            {"deliver", &Scenario::Deliver},
      {"settle", &Scenario::Settle},          {"status", &Scenario::ShowStatus},
      {"log", &Scenario::ShowLog},            {"crash", &Scenario::Crash},
      {"restart", &Scenario::Restart},        {"unreachable", &Scenario::Unreachable},
  };
  const auto known = kCommands.find(command.name);
  if (known == kCommands.end()) return Error("unknown command " + command.name);
  (this->*known->second)(command);
}

TestNode* Scenario::NodeOf(const Command& command) {
  const uint64_t id = command.words.empty() ? 0 : ToNumber(command.words[0]);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) {
    Error("no such node");
    return nullptr;
  }
  if (!found->second->alive()) {
    Error("the node is down");
    return nullptr;
  }
  return found->second.get();
}

// add-nodes N [voters=(..)] [learners=(..)] [log=(1,1,2)] [term=] [append-bytes=] [inflight=]
//   [committed-bytes=] [prevote] [checkquorum]: N members more; log= are the terms of the entries
//   they start with
void Scenario::AddNodes(const Command& command) {
  const uint64_t count = command.words.empty() ? 0 : ToNumber(command.words[0]);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t id = nodes_.size() + 1;
    Config config = TestConfig(id, 0);
    config.election_timeout_ticks = 3;
    config.pre_vote = command.Has("prevote");
    config.check_quorum = command.Has("checkquorum");
    config.append_bytes_max = command.Number("append-bytes", config.append_bytes_max);
    config.inflight_messages_max = static_cast<int>(command.Number("inflight", 256));
    config.committed_bytes_max = command.Number("committed-bytes", config.committed_bytes_max);
    for (const auto& [option, ids] : {std::pair("voters", &config.conf.voters),
                                      std::pair("learners", &config.conf.learners)}) {
      const auto given = command.options.find(option);
      if (given == command.options.end()) continue;
      for (const std::string& voter : given->second) ids->push_back(NodeId{ToNumber(voter)});
    }
    MemoryLog log;
    const auto terms = command.options.find("log");
    if (terms != command.options.end()) {
      LogWrite write;
      for (const std::string& term : terms->second) {
        const LogIndex index{write.entries.size() + 1};
        write.entries.push_back({.term = Term{ToNumber(term)}, .index = index, .data = {}});
        config.hard_state.term = Term{ToNumber(term)};
      }
      log.Write(write);
    }
    config.hard_state.term = Term{command.Number("term", config.hard_state.term.value())};
    nodes_[id] = std::make_unique<TestNode>(config, std::move(log),
                                            std::make_unique<LongestRandom>());
    seen_[id].term = nodes_[id]->raft().term();
  }
}

// campaign N
void Scenario::Campaign(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr) return;
  node->raft().Campaign();
  TellChanges(*node);
}

// tick N [COUNT]
void Scenario::Tick(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr) return;
  const uint64_t count = command.words.size() > 1 ? ToNumber(command.words[1]) : 1;
  for (uint64_t i = 0; i < count; ++i) node->raft().Tick();
  TellChanges(*node);
}

// propose N DATA..: one proposal a word
void Scenario::Propose(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr) return;
  std::vector<Proposal> proposals;
  for (size_t i = 1; i < command.words.size(); ++i) {
    proposals.push_back({.data = SharedBytes(command.words[i])});
  }
  out_ << Describe(node->raft().Propose(std::move(proposals))) << "\n";
}

// read N CONTEXT
void Scenario::Read(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr || command.words.size() < 2) return;
  if (!node->raft().RequestReadIndex(ToNumber(command.words[1]))) out_ << "no leader\n";
}

// ready N: takes a Ready; its write and its batch to apply wait, send_now leaves
void Scenario::TakeReady(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node != nullptr && !ReadyOf(*node)) out_ << "nothing\n";
}

bool Scenario::ReadyOf(TestNode& node) {
  const std::optional<Ready> ready = node.TakeReady();
  if (!ready) return false;
  const std::string text = Describe(*ready);
  if (!text.empty()) out_ << node.id() << ": ready #" << ready->number << "\n" << text;
  Collect(node);
  return true;
}

// write N: the oldest waiting write reaches the disk; nobody is told
void Scenario::Write(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node != nullptr) WriteOf(*node);
}

void Scenario::WriteOf(TestNode& node) {
  if (!node.Write()) out_ << "nothing\n";
}

// ack N: the core hears what was written (the oldest is written first, if none was), and what was
// promised leaves
void Scenario::Acknowledge(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node != nullptr && !AcknowledgeOf(*node)) out_ << "nothing\n";
}

bool Scenario::AcknowledgeOf(TestNode& node) {
  const uint64_t number = node.Acknowledge();
  if (number == 0) return false;
  out_ << node.id() << ": #" << number << " is durable\n";
  Collect(node);
  TellChanges(node);
  return true;
}

// apply N: the oldest waiting batch
void Scenario::Apply(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node != nullptr && !ApplyOf(*node)) out_ << "nothing\n";
}

bool Scenario::ApplyOf(TestNode& node) {
  if (!node.Apply()) return false;
  out_ << node.id() << ": applied " << node.applied().back().index << "\n";
  return true;
}

// deliver N [from=M] [type=Append] [count=K] [drop]: the messages that wait for N, in order
void Scenario::Deliver(const Command& command) {
  const uint64_t id = command.words.empty() ? 0 : ToNumber(command.words[0]);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return Error("no such node");
  if (!DeliverTo(*found->second, command)) out_ << "nothing\n";
}

bool Scenario::DeliverTo(TestNode& node, const Command& command) {
  std::vector<Message> kept;
  uint64_t left = command.Number("count", UINT64_MAX);
  const uint64_t from = command.Number("from", 0);
  const auto type = command.options.find("type");
  const bool drop = command.Has("drop") || !node.alive();
  bool any = false;
  for (Message& message : std::exchange(wire_, {})) {
    const bool wanted = message.to == node.id() && left > 0 &&
                        (from == 0 || message.from.value() == from) &&
                        (type == command.options.end() || type->second[0] == NameOf(message.body));
    if (!wanted) {
      kept.push_back(std::move(message));
      continue;
    }
    any = true;
    --left;
    out_ << (drop ? "lost: " : "") << Describe(message) << "\n";
    if (drop) continue;
    node.raft().Step(std::move(message));
    TellChanges(node);
  }
  wire_ = std::move(kept);
  return any;
}

// settle [N..] [quiet]: everything happens, between these nodes or between all, until nothing moves
void Scenario::Settle(const Command& command) {
  std::vector<TestNode*> nodes;
  for (auto& [id, node] : nodes_) {
    const bool all = std::none_of(command.words.begin(), command.words.end(),
                                  [](const std::string& word) { return word != "quiet"; });
    if (node->alive() && (all || command.Has(std::to_string(id)))) nodes.push_back(node.get());
  }
  std::ostringstream before;
  before.swap(out_);
  bool moved = true;
  while (moved) {
    moved = false;
    for (TestNode* node : nodes) {
      moved |= DeliverTo(*node, Command());
      while (ReadyOf(*node)) moved = true;
      while (AcknowledgeOf(*node)) moved = true;
      while (ApplyOf(*node)) moved = true;
    }
  }
  if (command.Has("quiet")) out_.swap(before);
}

// status N
void Scenario::ShowStatus(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr) return;
  const raft::Status status = node->raft().status();
  out_ << status.id << ": " << Describe(status.role) << " term=" << status.term
       << " vote=" << status.vote << " leader=" << status.leader << " commit=" << status.commit
       << " applied=" << status.applied << " last=" << status.last << "\n";
  for (const ProgressStatus& progress : status.progress) {
    out_ << " " << progress.id << ": " << Describe(progress.state) << " match=" << progress.match
         << " next=" << progress.next << (progress.recent_active ? "" : " inactive") << "\n";
  }
}

// log N: what the disk holds
void Scenario::ShowLog(const Command& command) {
  const uint64_t id = command.words.empty() ? 0 : ToNumber(command.words[0]);
  const auto found = nodes_.find(id);
  if (found == nodes_.end()) return Error("no such node");
  const MemoryLog& disk = found->second->disk();
  out_ << id << ": " << Describe(disk.hard_state()) << " " << Describe(disk.entries()) << "\n";
}

// crash N [applied=INDEX]: writes that did not reach the disk, and what was applied beyond INDEX
// (by default all of it is durable), are lost
void Scenario::Crash(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr) return;
  const size_t waiting = node->writes_waiting();
  node->Crash(LogIndex{command.Number("applied", UINT64_MAX)});
  out_ << node->id() << ": down";
  if (waiting > 0) out_ << ", " << waiting << " not acknowledged";
  out_ << "\n";
}

// restart N
void Scenario::Restart(const Command& command) {
  const uint64_t id = command.words.empty() ? 0 : ToNumber(command.words[0]);
  const auto found = nodes_.find(id);
  if (found == nodes_.end() || found->second->alive()) return Error("the node is not down");
  found->second->Restart(std::make_unique<LongestRandom>());
  seen_[id] = {};
  seen_[id].term = found->second->raft().term();
  seen_[id].commit = found->second->raft().commit();
  ShowStatus(command);
}

// unreachable N M: node N's transport lost its connection to M
void Scenario::Unreachable(const Command& command) {
  TestNode* node = NodeOf(command);
  if (node == nullptr || command.words.size() < 2) return;
  node->raft().OnUnreachable(NodeId{ToNumber(command.words[1])});
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
  seen = {raft.role(), raft.term(), raft.leader(), raft.commit()};
}

}  // namespace keelson::raft
