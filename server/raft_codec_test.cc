#include "server/raft_codec.h"

#include <fstream>
#include <string>
#include <vector>

#include "base/coding.h"
#include "base/random.h"
#include "gtest/gtest.h"
#include "server/testing/seed.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using raft::Entry;
using raft::EntryId;
using raft::EntryType;
using raft::Message;
using raft::MessageBody;
using raft::Proposal;

// A random message of every kind, with numbers of every length.
class MessageMaker {
 public:
  explicit MessageMaker(uint64_t seed) : random_(seed) {}

  static constexpr int kKinds = std::variant_size_v<MessageBody>;
  Message Make(int kind) {
    return {NodeId(Number()), NodeId(Number()), Term(Number()), Body(kind)};
  }
  uint64_t Below(uint64_t n) { return random_.Below(n); }
  std::string Text() {
    // Around the size from which payloads are not copied, and small ones.
    const size_t size = Below(4) == 0 ? 1000 + Below(50) : Below(20);
    std::string text(size, '\0');
    for (char& c : text) c = static_cast<char>(random_.Next());
    return text;
  }

 private:
  uint64_t Number() { return random_.Next() >> Below(64); }
  bool Flag() { return Below(2) == 0; }
  EntryId Id() { return {Term(Number()), LogIndex(Number())}; }
  EntryType Type() { return Flag() ? EntryType::kNormal : EntryType::kConfChange; }

  MessageBody Body(int kind) {
    switch (kind) {
      case 0:
        return raft::VoteRequest{Flag(), Flag(), Id()};
      case 1:
        return raft::VoteResponse{Flag(), Flag(), Id()};
      case 2:
        return Append();
      case 3:
        return raft::AppendResponse{Flag(), Flag(), LogIndex(Number()), Id()};
      case 4:
        return raft::Heartbeat{LogIndex(Number()), Number()};
      case 5:
        return raft::HeartbeatResponse{Number()};
      case 6:
        return raft::ReadIndexRequest{Number()};
      case 7:
        return raft::ReadIndexResponse{Number(), LogIndex(Number())};
      case 8:
        return Propose();
      case 9:
        return raft::InstallSnapshot{
            std::make_shared<raft::Snapshot>(raft::Snapshot{Id(), Conf(), SharedBytes(Text())})};
      case 10:
        return raft::TransferRequest{NodeId(Number())};
      default:
        return raft::TimeoutNow{};
    }
  }
  std::vector<NodeId> Ids() {
    std::vector<NodeId> ids;
    for (uint64_t i = Below(4); i > 0; --i) ids.emplace_back(random_.Next());
    return ids;
  }
  raft::ConfState Conf() { return {Ids(), Ids(), Ids(), Ids(), Flag()}; }
  raft::AppendRequest Append() {
    raft::AppendRequest m{Id(), LogIndex(Number()), {}};
    const uint64_t count = Below(6);
    for (uint64_t i = 1; i <= count; ++i) {
      m.entries.push_back({Term(Number()), m.previous.index + i, Type(), SharedBytes(Text())});
    }
    return m;
  }
  raft::ProposeRequest Propose() {
    raft::ProposeRequest m;
    for (uint64_t i = Below(6); i > 0; --i) m.proposals.push_back({Type(), SharedBytes(Text())});
    return m;
  }

  SeededRandom random_;
};

// Every field of a message as text, so that two can be compared and a difference can be read.
struct Describer {
  std::string text;

  Describer& operator<<(uint64_t v) {
    text += std::to_string(v) + " ";
    return *this;
  }
  Describer& operator<<(const EntryId& id) { return *this << id.term.value() << id.index.value(); }
  void operator()(const raft::VoteRequest& m) {
    *this << m.pre_vote << m.leader_transfer << m.last;
  }
  void operator()(const raft::VoteResponse& m) { *this << m.pre_vote << m.granted << m.commit; }
  void operator()(const raft::AppendRequest& m) {
    *this << m.previous << m.commit.value() << m.entries.size();
    for (const Entry& e : m.entries) {
      *this << e.id() << static_cast<uint64_t>(e.type);
      text += "'" + std::string(e.data.view()) + "' ";
    }
  }
  void operator()(const raft::AppendResponse& m) {
    *this << m.rejected << m.needs_snapshot << m.index.value() << m.reject_hint;
  }
  void operator()(const raft::Heartbeat& m) { *this << m.commit.value() << m.read_context; }
  void operator()(const raft::HeartbeatResponse& m) { *this << m.read_context; }
  void operator()(const raft::ReadIndexRequest& m) { *this << m.context; }
  void operator()(const raft::ReadIndexResponse& m) { *this << m.context << m.index.value(); }
  void operator()(const raft::ProposeRequest& m) {
    *this << m.proposals.size();
    for (const Proposal& p : m.proposals) {
      *this << static_cast<uint64_t>(p.type);
      text += "'" + std::string(p.data.view()) + "' ";
    }
  }
  Describer& operator<<(const std::vector<NodeId>& ids) {
    *this << ids.size();
    for (const NodeId id : ids) *this << id.value();
    return *this;
  }
  void operator()(const raft::InstallSnapshot& m) {
    const raft::ConfState& conf = m.snapshot->conf;
    *this << m.snapshot->id << conf.voters << conf.learners << conf.voters_outgoing
          << conf.learners_next << conf.auto_leave;
    text += "'" + std::string(m.snapshot->data.view()) + "' ";
  }
  void operator()(const raft::TransferRequest& m) { *this << m.to.value(); }
  void operator()(const raft::TimeoutNow&) {}
};

std::string Describe(const Message& message) {
  Describer describer;
  describer << message.body.index() << message.from.value() << message.to.value()
            << message.term.value();
  std::visit(describer, message.body);
  return describer.text;
}

std::string Encoded(const Message& message) { return EncodeRaftMessage(message).Flatten(); }
std::optional<Message> Decode(const std::string& bytes) {
  return DecodeRaftMessage(SharedBytes(bytes));
}

// kind, from 1, to 2, term 3, and the rest.
std::string Frame(uint8_t kind, const std::string& rest) {
  return std::string(1, static_cast<char>(kind)) + "\x01\x02\x03" + rest;
}
std::string Varint(uint64_t v) {
  std::string bytes;
  AppendVarint(bytes, v);
  return bytes;
}

TEST(RaftCodecTest, EveryMessageComesBackAsItWas) {
  ForSeeds(200, [](uint64_t seed) {
    MessageMaker maker(seed);
    for (int kind = 0; kind < MessageMaker::kKinds; ++kind) {
      const Message message = maker.Make(kind);
      const auto decoded = Decode(Encoded(message));
      ASSERT_TRUE(decoded) << Describe(message);
      EXPECT_EQ(Describe(*decoded), Describe(message));
    }
  });
}

// A change here breaks the talk between members of two versions.
TEST(RaftCodecTest, TheBytesStayAsTheyAre) {
  const auto encoded = [](MessageBody body) {
    return Encoded({NodeId(1), NodeId(2), Term(3), std::move(body)});
  };
  EXPECT_EQ(encoded(raft::VoteRequest{true, false, {Term(4), LogIndex(300)}}),
            Frame(1, "\x01\x04\xac\x02"));
  EXPECT_EQ(encoded(raft::VoteResponse{false, true, {Term(4), LogIndex(300)}}),
            Frame(2, "\x02\x04\xac\x02"));
  EXPECT_EQ(encoded(raft::AppendRequest{
                {Term(4), LogIndex(5)},
                LogIndex(6),
                {{Term(7), LogIndex(6), EntryType::kConfChange, SharedBytes(std::string("hi"))}}}),
            Frame(3, "\x04\x05\x06\x01\x07\x01\x02hi"));
  EXPECT_EQ(encoded(raft::AppendResponse{true, false, LogIndex(5), {Term(6), LogIndex(7)}}),
            Frame(4, "\x01\x05\x06\x07"));
  EXPECT_EQ(encoded(raft::AppendResponse{true, true, LogIndex(5), {Term(6), LogIndex(7)}}),
            Frame(4, "\x03\x05\x06\x07"));
  EXPECT_EQ(encoded(raft::Heartbeat{LogIndex(5), 6}), Frame(5, "\x05\x06"));
  EXPECT_EQ(encoded(raft::HeartbeatResponse{7}), Frame(6, "\x07"));
  EXPECT_EQ(encoded(raft::ReadIndexRequest{7}), Frame(7, "\x07"));
  EXPECT_EQ(encoded(raft::ReadIndexResponse{7, LogIndex(8)}), Frame(8, "\x07\x08"));
  EXPECT_EQ(encoded(raft::ProposeRequest{{{EntryType::kNormal, SharedBytes(std::string("x"))}}}),
            Frame(9, std::string("\x01\x00\x01x", 4)));
  const std::string conf(
      "\x01\x01\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\x01\x02\0\x01\0\0\0\0\0\0\0\x03\0", 30);
  const raft::ConfState state{.voters = {NodeId(1), NodeId(0x102)},
                              .learners = {},
                              .voters_outgoing = {NodeId(3)},
                              .learners_next = {},
                              .auto_leave = true};
  EXPECT_EQ(EncodeConfState(state), conf);
  EXPECT_EQ(encoded(raft::InstallSnapshot{std::make_shared<raft::Snapshot>(raft::Snapshot{
                {Term(4), LogIndex(300)}, state, SharedBytes(std::string("name"))})}),
            Frame(10, "\x04\xac\x02" + conf + "\x04name"));
  EXPECT_EQ(encoded(raft::TransferRequest{NodeId(300)}), Frame(11, "\xac\x02"));
  EXPECT_EQ(encoded(raft::TimeoutNow{}), Frame(12, ""));
}

TEST(RaftCodecTest, StoredMembershipComesBackOrIsRefused) {
  const raft::ConfState conf{.voters = {NodeId(1), NodeId(2)},
                             .learners = {NodeId(9)},
                             .voters_outgoing = {},
                             .learners_next = {},
                             .auto_leave = false};
  const std::string bytes = EncodeConfState(conf);
  EXPECT_EQ(DecodeConfState(bytes), conf);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeConfState(bytes.substr(0, size)), std::nullopt);
  }
  EXPECT_EQ(DecodeConfState(bytes + '\0'), std::nullopt);
  EXPECT_EQ(DecodeConfState('\x02' + bytes.substr(1)), std::nullopt);  // a later version
  raft::ConfState twice = conf;
  twice.learners = {NodeId(2)};  // a voter too
  EXPECT_EQ(DecodeConfState(EncodeConfState(twice)), std::nullopt);
}

TEST(RaftCodecTest, LargePayloadsAreNotCopied) {
  const SharedBytes large(std::string(1024, 'x'));
  const SharedBytes small(std::string(1023, 'y'));
  const ByteChain chain = EncodeRaftMessage(
      {NodeId(1), NodeId(2), Term(3),
       raft::ProposeRequest{{{EntryType::kNormal, small}, {EntryType::kNormal, large}}}});
  int shared = 0;
  for (const SharedBytes& piece : chain.pieces()) {
    shared += piece.data() == large.data();
    EXPECT_NE(piece.data(), small.data());
  }
  EXPECT_EQ(shared, 1);
}

TEST(RaftCodecTest, DecodedPayloadsAreSlicesOfTheFrame) {
  const SharedBytes frame(
      Encoded({NodeId(1), NodeId(2), Term(3),
               raft::ProposeRequest{{{EntryType::kNormal, SharedBytes(std::string(99, 'x'))}}}}));
  const auto decoded = DecodeRaftMessage(frame);
  ASSERT_TRUE(decoded);
  const SharedBytes& data = std::get<raft::ProposeRequest>(decoded->body).proposals[0].data;
  EXPECT_GE(data.data(), frame.data());
  EXPECT_LE(data.data() + data.size(), frame.data() + frame.size());
}

TEST(RaftCodecTest, AMessageCutShortOrWithMoreBehindItIsRefused) {
  MessageMaker maker(1);
  for (int kind = 0; kind < MessageMaker::kKinds; ++kind) {
    const std::string bytes = Encoded(maker.Make(kind));
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(Decode(bytes.substr(0, size))) << "kind " << kind << " cut at " << size;
    }
    EXPECT_FALSE(Decode(bytes + '\0'));
  }
}

TEST(RaftCodecTest, AnUnknownKindOrEntryTypeIsRefused) {
  EXPECT_FALSE(Decode(""));
  EXPECT_FALSE(Decode(Frame(0, "")));
  EXPECT_FALSE(Decode(Frame(13, "")));
  EXPECT_FALSE(Decode(Frame(255, "")));
  EXPECT_TRUE(Decode(Frame(9, std::string("\x01\x01\x01x", 4))));
  EXPECT_FALSE(Decode(Frame(9, std::string("\x01\x02\x01x", 4))));
}

TEST(RaftCodecTest, CountsAndSizesThatLieAreRefusedBeforeMemoryIsTaken) {
  for (const uint64_t lie : {uint64_t{2}, uint64_t{1} << 32, ~uint64_t{0}, ~uint64_t{0} / 3}) {
    EXPECT_FALSE(Decode(Frame(9, Varint(lie) + std::string("\x00\x01x", 3))));
    EXPECT_FALSE(Decode(Frame(9, "\x01" + std::string(1, '\0') + Varint(lie) + "x")));
    EXPECT_FALSE(Decode(Frame(3, "\x04\x05\x06" + Varint(lie) + std::string("\x07\x00\x01x", 4))));
    EXPECT_FALSE(Decode(Frame(10, "\x04\x05\x01" + std::string(1, '\0') + Varint(lie) + "x")));
    EXPECT_FALSE(
        Decode(Frame(3, "\x04\x05\x06\x01\x07" + std::string(1, '\0') + Varint(lie) + "x")));
  }
}

TEST(RaftCodecTest, IndexesThatRunOverAreDecodedAndLeftToRaft) {
  const auto decoded = Decode(
      Frame(3, "\x04" + Varint(~uint64_t{0}) + "\x06\x01\x07" + std::string("\x00\x01x", 3)));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(std::get<raft::AppendRequest>(decoded->body).entries[0].index, LogIndex(0));
}

// What decodes must encode again; nothing else is asked but to survive.
TEST(RaftCodecTest, NoMutationOfAMessageDoesHarm) {
  ForSeeds(2000, [](uint64_t seed) {
    MessageMaker maker(seed);
    std::string bytes = Encoded(maker.Make(static_cast<int>(maker.Below(MessageMaker::kKinds))));
    for (int i = 0; i < 10; ++i) {
      const size_t at = maker.Below(std::min<size_t>(bytes.size(), 40) + 1);
      switch (maker.Below(4)) {
        case 0:
          if (at < bytes.size()) bytes[at] = static_cast<char>(maker.Below(256));
          break;
        case 1:
          bytes.insert(at, maker.Text());
          break;
        case 2:
          bytes.erase(at, maker.Below(8));
          break;
        default:
          if (at < bytes.size()) bytes[at] ^= static_cast<char>(1 << maker.Below(8));
      }
      const auto decoded = Decode(bytes);
      if (!decoded) continue;
      const auto again = Decode(Encoded(*decoded));
      ASSERT_TRUE(again);
      EXPECT_EQ(Describe(*again), Describe(*decoded));
    }
  });
}

TEST(RaftCodecTest, AWriteGoesToTheLogWhole) {
  raft::LogWrite write;
  write.hard_state = raft::HardState{Term(3), NodeId(2), LogIndex(9)};
  write.entries = {{Term(3), LogIndex(8), EntryType::kNormal, SharedBytes(std::string("x"))},
                   {Term(3), LogIndex(9), EntryType::kConfChange, SharedBytes()}};
  write.must_sync = true;
  const storage::LogAppend append = ToLogAppend(write);
  EXPECT_EQ(append.state, (storage::LogState{Term(3), NodeId(2), LogIndex(9)}));
  ASSERT_EQ(append.records.size(), 2u);
  EXPECT_EQ(append.records[0].data.view(), "x");
  EXPECT_EQ(append.records[1].index, LogIndex(9));
  EXPECT_EQ(append.records[1].type, 1);
  EXPECT_TRUE(append.must_sync);
  EXPECT_EQ(ToHardState(*append.state), *write.hard_state);
  EXPECT_FALSE(append.reset);
  EXPECT_FALSE(ToLogAppend({}).state);
}

TEST(RaftLogViewTest, EntriesThatAreDamagedAreToldAndThoseCutOffAreNot) {
  const storage::TemporaryDirectory directory;
  storage::RaftLogOptions options;
  options.directory = directory.File("log");
  options.segment_bytes = 1 << 16;
  options.cache_bytes_max = 0;
  auto log = storage::RaftLog::Create(options, {1, NodeId(2)});
  ASSERT_TRUE(log.ok()) << log.status();
  const std::string data(1000, 'd');
  storage::LogAppend append{.must_sync = true};
  for (uint64_t i = 1; i <= 5; ++i) {
    append.records.push_back({Term(1), LogIndex(i), 0, SharedBytes(data)});
  }
  ASSERT_TRUE((*log)->Append({append}).ok());
  std::string told;
  const RaftLogView view(log->get(), nullptr, [&told](const absl::Status& status) {
    told += std::string(status.message());
  });
  ASSERT_EQ(view.Entries(LogIndex(1), LogIndex(6), 1 << 20)->size(), 5u);
  EXPECT_FALSE(view.Entries(LogIndex(0), LogIndex(6), 1 << 20).ok());
  EXPECT_EQ(told, "");
  std::fstream file(directory.File("log") + "/0000000000000001.seg",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(2500);
  file << "damage";
  file.close();
  EXPECT_TRUE(absl::IsDataLoss(view.Entries(LogIndex(1), LogIndex(6), 1 << 20).status()));
  EXPECT_NE(told.find("damaged"), std::string::npos) << told;
}

TEST(RaftCodecTest, AWriteWithASnapshotResetsTheLog) {
  raft::LogWrite write;
  write.snapshot = std::make_shared<raft::Snapshot>(
      raft::Snapshot{.id = {Term(3), LogIndex(9)}, .conf = {}, .data = {}});
  write.must_sync = true;
  EXPECT_EQ(ToLogAppend(write).reset, (storage::LogPosition{Term(3), LogIndex(9)}));
}

}  // namespace
}  // namespace keelson::server
