// message      := kind:u8 from:varint to:varint term:varint body
// entry_id     := term:varint index:varint
// body by kind:
//   1 VoteRequest        flags:u8 (1 pre-vote, 2 leader transfer) last:entry_id
//   2 VoteResponse       flags:u8 (1 pre-vote, 2 granted) commit:entry_id
//   3 AppendRequest      previous:entry_id commit:varint count:varint entry*
//        entry           := term:varint type:u8 size:varint payload      (indexes follow
//        previous.index)
//   4 AppendResponse     flags:u8 (1 rejected, 2 needs snapshot) index:varint reject_hint:entry_id
//   5 Heartbeat          commit:varint read_context:varint
//   6 HeartbeatResponse  read_context:varint
//   7 ReadIndexRequest   context:varint
//   8 ReadIndexResponse  context:varint index:varint
//   9 ProposeRequest     count:varint (type:u8 size:varint payload)*
//  10 InstallSnapshot    id:entry_id conf:conf_state size:varint data
//  11 TransferRequest    to:varint
//  12 TimeoutNow
//
// conf_state   := version:u8 = 1  flags:u8 (1 auto leave)
//                 voters:ids learners:ids voters_outgoing:ids learners_next:ids
// ids          := count:varint id:be64*                 ascending
//
// The kinds reach the wire, a conf_state the disk too: do not renumber.
#include "server/raft_codec.h"

#include <utility>

#include "base/coding.h"
#include "base/status_macros.h"
#include "raft/conf_change.h"

namespace keelson::server {
namespace {

constexpr size_t kCopyBelow = 1024;

enum Kind : uint8_t {
  kVoteRequest = 1,
  kVoteResponse = 2,
  kAppendRequest = 3,
  kAppendResponse = 4,
  kHeartbeat = 5,
  kHeartbeatResponse = 6,
  kReadIndexRequest = 7,
  kReadIndexResponse = 8,
  kProposeRequest = 9,
  kInstallSnapshot = 10,
  kTransferRequest = 11,
  kTimeoutNow = 12,
};

constexpr uint8_t kConfStateVersion = 1;

// Collects small fields in one string and hands it to the chain whenever a large payload comes
// between.
class Encoder {
 public:
  void Byte(uint8_t v) { text_.push_back(static_cast<char>(v)); }
  void Varint(uint64_t v) { AppendVarint(text_, v); }
  void Id(const raft::EntryId& id) {
    Varint(id.term.value());
    Varint(id.index.value());
  }
  void Ids(const std::vector<NodeId>& ids) {
    Varint(ids.size());
    for (const NodeId id : ids) AppendBig64(text_, id.value());
  }
  void Conf(const raft::ConfState& conf) {
    Byte(kConfStateVersion);
    Byte(conf.auto_leave ? 1 : 0);
    Ids(conf.voters);
    Ids(conf.learners);
    Ids(conf.voters_outgoing);
    Ids(conf.learners_next);
  }
  void Payload(const SharedBytes& data) {
    Varint(data.size());
    if (data.size() < kCopyBelow) {
      text_.append(data.view());
      return;
    }
    FlushText();
    chain_.Append(data);
  }
  void Reserve(size_t bytes) { text_.reserve(bytes); }
  ByteChain Take() {
    FlushText();
    return std::move(chain_);
  }

 private:
  void FlushText() {
    chain_.Append(SharedBytes(std::move(text_)));
    text_.clear();
  }
  std::string text_;
  ByteChain chain_;
};

struct BodyEncoder {
  Encoder& e;

  void operator()(const raft::VoteRequest& m) {
    e.Byte((m.pre_vote ? 1 : 0) | (m.leader_transfer ? 2 : 0));
    e.Id(m.last);
  }
  void operator()(const raft::VoteResponse& m) {
    e.Byte((m.pre_vote ? 1 : 0) | (m.granted ? 2 : 0));
    e.Id(m.commit);
  }
  void operator()(const raft::AppendRequest& m) {
    size_t bytes = 64;
    for (const raft::Entry& entry : m.entries) {
      bytes += 16 + (entry.data.size() < kCopyBelow ? entry.data.size() : 0);
    }
    e.Reserve(bytes);
    e.Id(m.previous);
    e.Varint(m.commit.value());
    e.Varint(m.entries.size());
    for (const raft::Entry& entry : m.entries) {
      e.Varint(entry.term.value());
      e.Byte(static_cast<uint8_t>(entry.type));
      e.Payload(entry.data);
    }
  }
  void operator()(const raft::AppendResponse& m) {
    e.Byte((m.rejected ? 1 : 0) | (m.needs_snapshot ? 2 : 0));
    e.Varint(m.index.value());
    e.Id(m.reject_hint);
  }
  void operator()(const raft::Heartbeat& m) {
    e.Varint(m.commit.value());
    e.Varint(m.read_context);
  }
  void operator()(const raft::HeartbeatResponse& m) { e.Varint(m.read_context); }
  void operator()(const raft::ReadIndexRequest& m) { e.Varint(m.context); }
  void operator()(const raft::ReadIndexResponse& m) {
    e.Varint(m.context);
    e.Varint(m.index.value());
  }
  void operator()(const raft::ProposeRequest& m) {
    e.Varint(m.proposals.size());
    for (const raft::Proposal& proposal : m.proposals) {
      e.Byte(static_cast<uint8_t>(proposal.type));
      e.Payload(proposal.data);
    }
  }
  void operator()(const raft::InstallSnapshot& m) {
    e.Id(m.snapshot->id);
    e.Conf(m.snapshot->conf);
    e.Payload(m.snapshot->data);
  }
  void operator()(const raft::TransferRequest& m) { e.Varint(m.to.value()); }
  void operator()(const raft::TimeoutNow&) {}
};

struct KindOf {
  Kind operator()(const raft::VoteRequest&) { return kVoteRequest; }
  Kind operator()(const raft::VoteResponse&) { return kVoteResponse; }
  Kind operator()(const raft::AppendRequest&) { return kAppendRequest; }
  Kind operator()(const raft::AppendResponse&) { return kAppendResponse; }
  Kind operator()(const raft::Heartbeat&) { return kHeartbeat; }
  Kind operator()(const raft::HeartbeatResponse&) { return kHeartbeatResponse; }
  Kind operator()(const raft::ReadIndexRequest&) { return kReadIndexRequest; }
  Kind operator()(const raft::ReadIndexResponse&) { return kReadIndexResponse; }
  Kind operator()(const raft::ProposeRequest&) { return kProposeRequest; }
  Kind operator()(const raft::InstallSnapshot&) { return kInstallSnapshot; }
  Kind operator()(const raft::TransferRequest&) { return kTransferRequest; }
  Kind operator()(const raft::TimeoutNow&) { return kTimeoutNow; }
};

// Reads fields from the front; after the first malformed one `ok` stays false and zeros come back.
class Decoder {
 public:
  explicit Decoder(const SharedBytes& bytes) : bytes_(bytes), rest_(bytes.view()) {}

  uint8_t Byte() {
    uint8_t v = 0;
    ok_ = ok_ && TakeByte(rest_, v);
    return ok_ ? v : 0;
  }
  uint64_t Varint() {
    uint64_t v = 0;
    ok_ = ok_ && TakeVarint(rest_, v);
    return ok_ ? v : 0;
  }
  raft::EntryId Id() {
    const Term term(Varint());
    return {term, LogIndex(Varint())};
  }
  raft::EntryType Type() {
    const uint8_t type = Byte();
    ok_ = ok_ && type <= static_cast<uint8_t>(raft::EntryType::kConfChange);
    return static_cast<raft::EntryType>(type);
  }
  SharedBytes Payload() {
    const uint64_t size = Varint();
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      return {};
    }
    SharedBytes slice = bytes_.Slice(bytes_.size() - rest_.size(), size);
    rest_.remove_prefix(size);
    return slice;
  }
  // A number of things that each take at least `bytes_min` bytes; more than can follow is
  // malformed.
  uint64_t Count(uint64_t bytes_min) {
    const uint64_t count = Varint();
    ok_ = ok_ && count <= rest_.size() / bytes_min;
    return ok_ ? count : 0;
  }
  std::vector<NodeId> Ids() {
    std::vector<NodeId> ids(Count(8));
    for (NodeId& id : ids) {
      uint64_t v = 0;
      ok_ = ok_ && TakeBig64(rest_, v);
      id = NodeId(v);
    }
    return ids;
  }
  raft::ConfState Conf() {
    raft::ConfState conf;
    ok_ = Byte() == kConfStateVersion && ok_;
    conf.auto_leave = (Byte() & 1) != 0;
    conf.voters = Ids();
    conf.learners = Ids();
    conf.voters_outgoing = Ids();
    conf.learners_next = Ids();
    return conf;
  }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && rest_.empty(); }

 private:
  const SharedBytes& bytes_;
  std::string_view rest_;
  bool ok_ = true;
};

raft::AppendRequest DecodeAppend(Decoder& d) {
  raft::AppendRequest m;
  m.previous = d.Id();
  m.commit = LogIndex(d.Varint());
  const uint64_t count = d.Count(3);
  m.entries.reserve(count);
  for (uint64_t i = 0; i < count && d.ok(); ++i) {
    raft::Entry entry;
    entry.term = Term(d.Varint());
    entry.index = m.previous.index + (i + 1);
    entry.type = d.Type();
    entry.data = d.Payload();
    m.entries.push_back(std::move(entry));
  }
  return m;
}

raft::ProposeRequest DecodePropose(Decoder& d) {
  raft::ProposeRequest m;
  const uint64_t count = d.Count(2);
  m.proposals.reserve(count);
  for (uint64_t i = 0; i < count && d.ok(); ++i) {
    raft::Proposal proposal;
    proposal.type = d.Type();
    proposal.data = d.Payload();
    m.proposals.push_back(std::move(proposal));
  }
  return m;
}

std::optional<raft::MessageBody> DecodeBody(uint8_t kind, Decoder& d) {
  switch (kind) {
    case kVoteRequest: {
      const uint8_t flags = d.Byte();
      return raft::VoteRequest{(flags & 1) != 0, (flags & 2) != 0, d.Id()};
    }
    case kVoteResponse: {
      const uint8_t flags = d.Byte();
      return raft::VoteResponse{(flags & 1) != 0, (flags & 2) != 0, d.Id()};
    }
    case kAppendRequest:
      return DecodeAppend(d);
    case kAppendResponse: {
      raft::AppendResponse m;
      const uint8_t flags = d.Byte();
      m.rejected = (flags & 1) != 0;
      m.needs_snapshot = (flags & 2) != 0;
      m.index = LogIndex(d.Varint());
      m.reject_hint = d.Id();
      return m;
    }
    case kHeartbeat: {
      const LogIndex commit(d.Varint());
      return raft::Heartbeat{commit, d.Varint()};
    }
    case kHeartbeatResponse:
      return raft::HeartbeatResponse{d.Varint()};
    case kReadIndexRequest:
      return raft::ReadIndexRequest{d.Varint()};
    case kReadIndexResponse: {
      const uint64_t context = d.Varint();
      return raft::ReadIndexResponse{context, LogIndex(d.Varint())};
    }
    case kProposeRequest:
      return DecodePropose(d);
    case kInstallSnapshot: {
      auto snapshot = std::make_shared<raft::Snapshot>();
      snapshot->id = d.Id();
      snapshot->conf = d.Conf();
      snapshot->data = d.Payload();
      return raft::InstallSnapshot{std::move(snapshot)};
    }
    case kTransferRequest:
      return raft::TransferRequest{NodeId(d.Varint())};
    case kTimeoutNow:
      return raft::TimeoutNow{};
    default:
      return std::nullopt;
  }
}

}  // namespace

ByteChain EncodeRaftMessage(const raft::Message& message) {
  Encoder e;
  e.Byte(std::visit(KindOf{}, message.body));
  e.Varint(message.from.value());
  e.Varint(message.to.value());
  e.Varint(message.term.value());
  std::visit(BodyEncoder{e}, message.body);
  return e.Take();
}

std::optional<raft::Message> DecodeRaftMessage(const SharedBytes& bytes) {
  Decoder d(bytes);
  const uint8_t kind = d.Byte();
  raft::Message message;
  message.from = NodeId(d.Varint());
  message.to = NodeId(d.Varint());
  message.term = Term(d.Varint());
  std::optional<raft::MessageBody> body = DecodeBody(kind, d);
  if (!body || !d.at_end()) return std::nullopt;
  message.body = *std::move(body);
  return message;
}

std::string EncodeConfState(const raft::ConfState& conf) {
  Encoder e;
  e.Conf(conf);
  return e.Take().Flatten();
}

std::optional<raft::ConfState> DecodeConfState(std::string_view bytes) {
  const SharedBytes held = SharedBytes::Copy(bytes);
  Decoder d(held);
  raft::ConfState conf = d.Conf();
  if (!d.at_end() || !raft::CheckConf(conf).ok()) return std::nullopt;
  return conf;
}

storage::LogAppend ToLogAppend(raft::LogWrite write) {
  storage::LogAppend append;
  if (write.snapshot != nullptr) {
    append.reset = storage::LogPosition{write.snapshot->id.term, write.snapshot->id.index};
  }
  if (write.hard_state) {
    append.state =
        storage::LogState{write.hard_state->term, write.hard_state->vote, write.hard_state->commit};
  }
  append.records.reserve(write.entries.size());
  for (raft::Entry& entry : write.entries) {
    append.records.push_back(storage::LogRecord{
        entry.term, entry.index, static_cast<uint8_t>(entry.type), std::move(entry.data)});
  }
  append.must_sync = write.must_sync;
  return append;
}

raft::HardState ToHardState(const storage::LogState& state) {
  return {state.term, state.vote, state.commit};
}

absl::StatusOr<raft::Snapshot> RaftLogView::TakeSnapshot() const {
  if (snapshots_ == nullptr) return absl::UnavailableError("this member makes no snapshots");
  return snapshots_->Take(log_->FirstIndex() - 1);
}

absl::StatusOr<std::vector<raft::Entry>> RaftLogView::Entries(LogIndex begin, LogIndex end,
                                                              uint64_t bytes_max) const {
  absl::StatusOr<std::vector<storage::LogRecord>> records = log_->Read(begin, end, bytes_max);
  if (!records.ok()) {
    // Cut off meanwhile is no damage.
    if (!absl::IsOutOfRange(records.status())) on_unreadable_(records.status());
    return records.status();
  }
  std::vector<raft::Entry> entries;
  entries.reserve(records->size());
  for (storage::LogRecord& record : *records) {
    entries.push_back(raft::Entry{record.term, record.index,
                                  static_cast<raft::EntryType>(record.type),
                                  std::move(record.data)});
  }
  return entries;
}

}  // namespace keelson::server
