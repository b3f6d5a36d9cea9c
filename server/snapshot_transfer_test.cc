// Snapshots between two members over loopback, through a relay that loses connections.
#include "server/snapshot_transfer.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "asio/buffer.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/cluster_records.h"
#include "server/pace.h"
#include "server/peer_hello.h"
#include "server/raft_codec.h"
#include "server/snapshot_keeper.h"
#include "server/testing/seed.h"
#include "storage/temporary_directory.h"

namespace keelson::server {
namespace {

using asio::ip::tcp;
using ::testing::HasSubstr;

constexpr NodeId kSender(1), kReceiver(2);

TEST(PaceTest, HoldsTheRateWhateverTheSizes) {
  Pace pace(1000000);
  absl::Duration now = absl::Seconds(5);
  uint64_t sent = 0;
  SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    const uint64_t bytes = 1 + random.Below(5000);
    sent += bytes;
    now += pace.Take(bytes, now);
  }
  const double rate = static_cast<double>(sent) / absl::ToDoubleSeconds(now - absl::Seconds(5));
  EXPECT_NEAR(rate, 1e6, 2e4);
}

TEST(PaceTest, WhatWasNotUsedIsNotSavedUp) {
  Pace pace(1000);
  pace.Take(1000, absl::Seconds(1));
  EXPECT_GT(pace.Take(1000, absl::Hours(1)), absl::Milliseconds(900));
}

TEST(PaceTest, NoughtIsNoLimit) {
  Pace pace(0);
  EXPECT_EQ(pace.Take(uint64_t{1} << 40, absl::Seconds(1)), absl::ZeroDuration());
}

class SnapshotTransferTest : public testing::Test {
 protected:
  SnapshotTransferTest() {
    auto store = storage::Store::Open({.directory = directory_.File("store")});
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    SeededRandom random(1);
    store_->BeginEntry(LogIndex(1), Term(3));
    for (int i = 0; i < 40; ++i) {
      std::string value(100000, '\0');
      for (char& c : value) c = static_cast<char>(random.Next());
      EXPECT_TRUE(store_->Put("key" + std::to_string(i), value, {}, false).ok());
    }
    store_->EndEntry();
    EXPECT_TRUE(store_->CommitBatch().ok());
    auto checkpoint = storage::Checkpoint::Make(*store_, directory_.File("checkpoint"));
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    checkpoint_ = *std::move(checkpoint);
    stream_bytes_ = storage::SnapshotStreamBytes(checkpoint_->description());
    SetUpMembers();
    Listen();
  }

  void SetUpMembers() {
    SnapshotTransfer::Options options;
    options.cluster_id = 7;
    options.self = kSender;
    options.bytes_per_second = 0;
    options.give_up = absl::Milliseconds(300);
    options.step_timeout = absl::Seconds(5);
    options.retry = absl::Milliseconds(1);
    SnapshotTransfer::Handlers handlers;
    handlers.new_incoming = [this] {
      return directory_.File("incoming" + std::to_string(++incoming_));
    };
    handlers.remove_incoming = [](const std::string& path) {
      EXPECT_TRUE(storage::PosixFileSystem().RemoveTree(path).ok());
    };
    handlers.on_received = [this](raft::Message message, std::string directory) {
      received_.push_back(std::move(directory));
      message_ = std::move(message);
    };
    handlers.on_notice = [this](const std::string& text) { notices_ += text + "\n"; };
    sender_ = std::make_unique<SnapshotTransfer>(&loop_, options, handlers);
    options.self = kReceiver;
    receiver_ = std::make_unique<SnapshotTransfer>(&loop_, options, handlers);
  }

  // The receiver's peer port, with the relay in front of it.
  void Listen() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
      if (error) return;
      auto relay = std::make_shared<Relay>(this, std::move(socket));
      relays_.push_back(relay);
      relay->Start();
      Listen();
    });
  }

  // Takes the hello as a peer transport does, hands one end of a connection of its own to the
  // receiver, and carries bytes until there have been `budget` of them.
  class Relay : public std::enable_shared_from_this<Relay> {
   public:
    Relay(SnapshotTransferTest* test, tcp::socket outside)
        : test_(test), outside_(std::move(outside)), inside_(test->loop_) {}

    void Start() {
      asio::async_read(outside_, asio::buffer(hello_),
                       [self = shared_from_this()](const asio::error_code& error, size_t) {
                         if (error) return;
                         const auto hello = DecodeHello({self->hello_.data(), kHelloBytes});
                         ASSERT_TRUE(hello.has_value());
                         EXPECT_EQ(hello->purpose, PeerPurpose::kSnapshot);
                         EXPECT_EQ(hello->from, kSender);
                         EXPECT_EQ(hello->to, kReceiver);
                         asio::write(self->outside_, asio::buffer("\0", 1));
                         self->Connect();
                       });
    }

   private:
    void Connect() {
      tcp::acceptor pair(test_->loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
      inside_.connect(pair.local_endpoint());
      test_->receiver_->Accept(kSender, http::SecureStream(pair.accept()));
      Carry(outside_, inside_, there_, true);
      Carry(inside_, outside_, back_, false);
    }
    void Carry(tcp::socket& from, tcp::socket& to, std::array<char, 65536>& buffer, bool counted) {
      from.async_read_some(asio::buffer(buffer),
                           [self = shared_from_this(), &from, &to, &buffer, counted](
                               const asio::error_code& error, size_t bytes) {
                             if (error) return self->Close();
                             if (counted && !self->test_->Spend(buffer.data(), bytes))
                               return self->Close();
                             asio::error_code failed;
                             asio::write(to, asio::buffer(buffer.data(), bytes), failed);
                             if (failed) return self->Close();
                             self->Carry(from, to, buffer, counted);
                           });
    }
    void Close() {
      asio::error_code ignored;
      outside_.close(ignored);
      inside_.close(ignored);
    }

    SnapshotTransferTest* const test_;
    tcp::socket outside_, inside_;
    std::array<char, kHelloBytes> hello_;
    std::array<char, 65536> there_, back_;
  };

  // The relay carries these bytes. False: it loses them with the connection.
  bool Spend(char* bytes, size_t count) {
    carried_ += count;
    if (damage_at_ && carried_ > *damage_at_) {
      bytes[count / 2] ^= 1;
      damage_at_.reset();
    }
    if (losses_.empty() || carried_ < losses_.front()) return true;
    losses_.erase(losses_.begin());
    return false;
  }

  raft::Message Message(const std::string& name = "") {
    const storage::SnapshotDescription& description = checkpoint_->description();
    raft::Snapshot snapshot{.id = {description.term, description.applied},
                            .conf = {.voters = {kSender, kReceiver}},
                            .data = SharedBytes(name.empty() ? SnapshotName(description) : name)};
    return {kSender, kReceiver, Term(4),
            raft::InstallSnapshot{std::make_shared<raft::Snapshot>(std::move(snapshot))}};
  }

  // Sends and runs until that has an end.
  raft::SnapshotResult Send(const raft::Message& message) {
    std::optional<raft::SnapshotResult> result;
    Url url;
    url.host = "127.0.0.1";
    url.port = acceptor_.local_endpoint().port();
    sender_->Send(message, checkpoint_, {url}, [&](raft::SnapshotResult r) { result = r; });
    while (!result) loop_.run_one();
    return *result;
  }

  storage::TemporaryDirectory directory_;
  std::unique_ptr<storage::Store> store_;
  SnapshotTransfer::CheckpointPtr checkpoint_;
  uint64_t stream_bytes_ = 0;
  asio::io_context loop_;
  tcp::acceptor acceptor_{loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  std::unique_ptr<SnapshotTransfer> sender_, receiver_;
  std::vector<std::shared_ptr<Relay>> relays_;
  int incoming_ = 0;
  uint64_t carried_ = 0;          // from the sender to the receiver
  std::vector<uint64_t> losses_;  // connections end when so much was carried in all
  std::optional<uint64_t> damage_at_;
  std::vector<std::string> received_;
  raft::Message message_;
  std::string notices_;
};

TEST_F(SnapshotTransferTest, AStateArrivesWithItsMessage) {
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  ASSERT_EQ(received_.size(), 1u);
  const auto files = storage::DescribeFiles(received_[0], storage::PosixFileSystem());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, checkpoint_->description().files);
  EXPECT_EQ(EncodeRaftMessage(message_).Flatten(), EncodeRaftMessage(Message()).Flatten());
}

TEST_F(SnapshotTransferTest, LostConnectionsCostOnlyWhatWasUnderWay) {
  for (uint64_t at = 300000; at < stream_bytes_; at += 600000) losses_.push_back(at);
  const size_t losses = losses_.size();
  ASSERT_GE(losses, 5u);
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  EXPECT_TRUE(losses_.empty());
  EXPECT_EQ(received_.size(), 1u);
  EXPECT_EQ(incoming_, 1) << "it began anew";
  EXPECT_LT(carried_, stream_bytes_ + losses * (128 << 10) + 4096);
}

TEST_F(SnapshotTransferTest, AnOfferThatArrivedIsNotCarriedAgainButANewOneIs) {
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  carried_ = 0;
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  EXPECT_LT(carried_, 1000u);
  EXPECT_EQ(received_.size(), 1u);
  // The same state of a leader in a later term: raft may have ignored it the first time.
  raft::Message later = Message();
  later.term = Term(9);
  EXPECT_EQ(Send(later), raft::SnapshotResult::kDelivered);
  ASSERT_EQ(received_.size(), 2u);
  EXPECT_EQ(message_.term, Term(9));
}

TEST_F(SnapshotTransferTest, DamageOnTheWayIsRefusedAndTheStateSentAgain) {
  damage_at_ = stream_bytes_ / 2;
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  EXPECT_THAT(notices_, HasSubstr("was refused: the snapshot is damaged"));
  EXPECT_EQ(incoming_, 2);
  EXPECT_FALSE(storage::PosixFileSystem().List(directory_.File("incoming1")).ok());
  ASSERT_EQ(received_.size(), 1u);
  const auto files = storage::DescribeFiles(received_[0], storage::PosixFileSystem());
  ASSERT_TRUE(files.ok()) << files.status();
  EXPECT_EQ(*files, checkpoint_->description().files);
}

TEST_F(SnapshotTransferTest, AReceiverThatIsGoneIsGivenUp) {
  acceptor_.cancel();
  Url nowhere;
  nowhere.host = "127.0.0.1";
  {
    tcp::acceptor taken(loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    nowhere.port = taken.local_endpoint().port();
  }
  std::optional<raft::SnapshotResult> result;
  sender_->Send(Message(), checkpoint_, {nowhere}, [&](raft::SnapshotResult r) { result = r; });
  while (!result) loop_.run_one();
  EXPECT_EQ(*result, raft::SnapshotResult::kFailed);
  // Nobody holds the checkpoint any more: its files can go.
  loop_.poll();
  EXPECT_EQ(checkpoint_.use_count(), 1);
}

TEST_F(SnapshotTransferTest, AStateThatIsNotTheOneOfferedIsRefused) {
  EXPECT_EQ(Send(Message("another 12b.")), raft::SnapshotResult::kFailed);
  EXPECT_TRUE(received_.empty());
  EXPECT_THAT(notices_, HasSubstr("not the one that was offered"));
}

TEST_F(SnapshotTransferTest, ANewerStateTakesThePlaceOfAPartOfAnOlder) {
  losses_ = {1000000};
  raft::Message older = Message();
  // It is given up after the loss, for its sender cannot be reached again in time.
  std::optional<raft::SnapshotResult> result;
  Url url;
  url.host = "127.0.0.1";
  url.port = acceptor_.local_endpoint().port();
  sender_->Send(older, checkpoint_, {url}, [&](raft::SnapshotResult r) { result = r; });
  while (!losses_.empty()) loop_.run_one();
  sender_->Stop();
  auto newer = storage::Checkpoint::Make(*store_, directory_.File("checkpoint2"));
  ASSERT_TRUE(newer.ok());
  store_->BeginEntry(LogIndex(2), Term(3));
  store_->EndEntry();
  ASSERT_TRUE(store_->CommitBatch().ok());
  newer = storage::Checkpoint::Make(*store_, directory_.File("checkpoint3"));
  ASSERT_TRUE(newer.ok()) << newer.status();
  checkpoint_ = *std::move(newer);
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
  EXPECT_EQ(received_.size(), 1u);
  EXPECT_EQ(incoming_, 2);
  EXPECT_FALSE(storage::PosixFileSystem().List(directory_.File("incoming1")).ok());
}

TEST_F(SnapshotTransferTest, GarbageOnASnapshotConnectionIsHarmless) {
  SeededRandom random(FromEnvironment("KEELSON_SEED", 1));
  for (int i = 0; i < 50; ++i) {
    tcp::acceptor pair(loop_, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    tcp::socket client(loop_);
    client.connect(pair.local_endpoint());
    receiver_->Accept(kSender, http::SecureStream(pair.accept()));
    std::string garbage(random.Below(300), '\0');
    for (char& c : garbage) c = static_cast<char>(random.Next());
    asio::write(client, asio::buffer(garbage));
    client.shutdown(tcp::socket::shutdown_send);
    char end;
    bool ended = false;
    client.async_read_some(asio::buffer(&end, 1), [&ended](const asio::error_code& error, size_t) {
      EXPECT_TRUE(error) << "it was answered";
      ended = true;
    });
    while (!ended) loop_.run_one();
  }
  EXPECT_EQ(incoming_, 0);
  EXPECT_EQ(Send(Message()), raft::SnapshotResult::kDelivered);
}

}  // namespace
}  // namespace keelson::server
