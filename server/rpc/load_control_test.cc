// The policy of LoadControl, call by call.
#include "server/rpc/load_control.h"

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace keelson::rpc {
namespace {

class LoadControlTest : public testing::Test {
 protected:
  // A call that writes down what it is told.
  struct Guest final : public LoadControl::Guest {
    explicit Guest(std::string n, std::vector<std::string>* t) : name(std::move(n)), told(t) {}
    void OnAdmitted() override { told->push_back(name + " runs"); }
    void OnRefused() override { told->push_back(name + " refused"); }
    void OnShed() override {
      told->push_back(name + " shed");
      if (meter != nullptr) meter->queued_bytes -= std::exchange(unsent, 0);
    }
    void OnUncongested() override { told->push_back(name + " goes on"); }
    uint64_t unsent_bytes() const override { return unsent; }
    uint64_t taken_bytes() const override { return taken; }
    uint64_t connection_unsent_bytes() const override { return connection_unsent; }
    const void* connection() const override { return of; }

    const std::string name;
    std::vector<std::string>* const told;
    http::OutputMeter* meter = nullptr;
    uint64_t unsent = 0;
    uint64_t taken = 0;
    uint64_t connection_unsent = 0;
    const void* of = nullptr;
  };
  using Entry = LoadControl::Entry;
  using Told = std::vector<std::string>;

  LoadControl& Control() {
    if (!control_) control_ = std::make_unique<LoadControl>(limits_, [this] { ++wakes_; });
    return *control_;
  }
  Guest* New(const std::string& name) {
    guests_.push_back(std::make_unique<Guest>(name, &told_));
    return guests_.back().get();
  }
  Entry Enter(Guest* guest, Lane lane, uint64_t bytes = 0) {
    return Control().Enter(guest, lane, bytes, now_);
  }
  // The guest's answer grows by `bytes` that its client has not read.
  void Send(Guest* guest, Lane lane, uint64_t bytes) {
    guest->meter = Control().unsent(lane);
    guest->meter->queued_bytes += bytes;
    guest->unsent += bytes;
    Control().ListUnsent(guest, now_);
  }
  void Read(Guest* guest, uint64_t bytes) {
    guest->meter->queued_bytes -= bytes;
    guest->unsent -= bytes;
    guest->taken += bytes;
  }
  void SweepAfter(absl::Duration time) {
    now_ += time;
    Control().Sweep(now_);
  }
  Told TakeTold() { return std::exchange(told_, {}); }

  LoadLimits limits_;
  absl::Duration now_;
  int wakes_ = 0;
  Told told_;
  std::vector<std::unique_ptr<Guest>> guests_;  // outlive control_
  std::unique_ptr<LoadControl> control_;
};

TEST_F(LoadControlTest, BeyondItsPlacesALaneLetsCallsWaitAndBeyondThatRefusesThem) {
  limits_[Lane::kWrite] = {.running_max = 1, .waiting_max = 1};
  Guest* const first = New("first");
  EXPECT_EQ(Enter(first, Lane::kWrite), Entry::kRuns);
  EXPECT_EQ(Enter(New("second"), Lane::kWrite), Entry::kWaits);
  EXPECT_EQ(Enter(New("third"), Lane::kWrite), Entry::kRefused);
  EXPECT_EQ(Control().state(Lane::kWrite).queued_total, 1);
  EXPECT_EQ(Control().state(Lane::kWrite).refused_total, 1);
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told());
  wakes_ = 0;
  Control().Leave(first);
  EXPECT_EQ(wakes_, 1) << "there is room, and somebody waits for it";
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"second runs"}));
}

TEST_F(LoadControlTest, AFullLaneIsInNobodyElsesWay) {
  limits_[Lane::kWrite] = {.running_max = 1};
  limits_[Lane::kRange] = {.unsent_bytes_max = 10};
  Enter(New("put"), Lane::kWrite);
  EXPECT_EQ(Enter(New("another put"), Lane::kWrite), Entry::kRefused);
  Guest* const reader = New("reader");
  Enter(reader, Lane::kRange);
  Send(reader, Lane::kRange, 11);
  EXPECT_EQ(Enter(New("another range"), Lane::kRange), Entry::kRefused);
  for (const Lane lane : {Lane::kVital, Lane::kLease, Lane::kRead, Lane::kStream}) {
    EXPECT_EQ(Enter(New("other"), lane), Entry::kRuns) << LaneName(lane);
  }
}

TEST_F(LoadControlTest, BytesOfRequestsAreLimitedButOneAloneMayAlwaysRun) {
  limits_[Lane::kWrite] = {.running_bytes_max = 100, .waiting_max = 10, .waiting_bytes_max = 50};
  Guest* const large = New("large");
  EXPECT_EQ(Enter(large, Lane::kWrite, 1000), Entry::kRuns);
  EXPECT_EQ(Enter(New("a"), Lane::kWrite, 40), Entry::kWaits);
  EXPECT_EQ(Enter(New("b"), Lane::kWrite, 20), Entry::kRefused) << "too much would wait";
  Control().Leave(large);
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"a runs"}));
  EXPECT_EQ(Enter(New("c"), Lane::kWrite, 60), Entry::kRuns);
  EXPECT_EQ(Enter(New("d"), Lane::kWrite, 1), Entry::kWaits);
  EXPECT_EQ(Control().state(Lane::kWrite).running_bytes, 100);
}

TEST_F(LoadControlTest, WhoWaitsIsLetInInOrderAndNobodyGoesPastHim) {
  limits_[Lane::kRead] = {.running_max = 2, .waiting_max = 10};
  Guest* const a = New("a");
  Guest* const b = New("b");
  Enter(a, Lane::kRead);
  Enter(b, Lane::kRead);
  Guest* const c = New("c");
  Enter(c, Lane::kRead);
  Enter(New("d"), Lane::kRead);
  Control().Leave(a);
  EXPECT_EQ(Enter(New("e"), Lane::kRead), Entry::kWaits) << "there is room, for c";
  Control().Leave(b);
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"c runs", "d runs"}));
}

TEST_F(LoadControlTest, ConnectionsTakeTurns) {
  limits_[Lane::kRange] = {.running_max = 1, .waiting_max = 10};
  const int busy = 0;
  const int other = 0;
  Guest* running = New("first");
  Enter(running, Lane::kRange);
  for (const char* name : {"busy 1", "busy 2", "busy 3", "busy 4"}) {
    Guest* const guest = New(name);
    guest->of = &busy;
    Enter(guest, Lane::kRange);
  }
  Guest* const late = New("other");
  late->of = &other;
  Enter(late, Lane::kRange);
  Told order;
  for (int i = 0; i < 5; ++i) {
    Control().Leave(running);
    Control().Pump();
    order.push_back(TakeTold().at(0));
    for (const auto& guest : guests_) {
      if (order.back() == guest->name + " runs") running = guest.get();
    }
  }
  EXPECT_EQ(order,
            Told({"busy 1 runs", "other runs", "busy 2 runs", "busy 3 runs", "busy 4 runs"}));
}

TEST_F(LoadControlTest, WhatElseAConnectionWaitsForIsRefusedWhenItIsLetGo) {
  limits_[Lane::kRange] = {.waiting_max = 10, .unsent_bytes_max = 10};
  limits_.stalled_max = absl::Seconds(5);
  const int lazy = 0;
  for (const char* name : {"unread", "waiting"}) {
    Guest* const guest = New(name);
    guest->of = &lazy;
    Enter(guest, Lane::kRange);
    if (guests_.size() == 1) Send(guest, Lane::kRange, 50);
  }
  Enter(New("other"), Lane::kRange);
  SweepAfter(absl::Seconds(5));
  EXPECT_EQ(TakeTold(), Told({"unread shed", "waiting refused", "other runs"}));
}

TEST_F(LoadControlTest, WhoLeavesWhileWaitingIsNotLetIn) {
  limits_[Lane::kRead] = {.running_max = 1, .waiting_max = 10};
  Guest* const a = New("a");
  Enter(a, Lane::kRead);
  Guest* const b = New("b");
  Enter(b, Lane::kRead, 7);
  Enter(New("c"), Lane::kRead);
  Control().Leave(b);
  Control().Leave(b);
  EXPECT_EQ(Control().state(Lane::kRead).waiting_bytes, 0);
  Control().Leave(a);
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"c runs"}));
}

TEST_F(LoadControlTest, NobodyWaitsForEver) {
  limits_[Lane::kRead] = {.running_max = 0, .waiting_max = 10, .wait_max = absl::Seconds(7)};
  Enter(New("a"), Lane::kRead);
  SweepAfter(absl::Seconds(4));
  Enter(New("b"), Lane::kRead);
  SweepAfter(absl::Seconds(3));
  EXPECT_EQ(TakeTold(), Told({"a refused"}));
  EXPECT_TRUE(Control().busy());
  SweepAfter(absl::Seconds(4));
  EXPECT_EQ(TakeTold(), Told({"b refused"}));
  EXPECT_FALSE(Control().busy());
}

TEST_F(LoadControlTest, UnreadAnswersKeepNewCallsWaitingUntilTheyAreRead) {
  limits_[Lane::kRange] = {.waiting_max = 10, .unsent_bytes_max = 100};
  Guest* const reader = New("reader");
  Enter(reader, Lane::kRange);
  Send(reader, Lane::kRange, 150);
  Control().Leave(reader);
  EXPECT_EQ(Enter(New("next"), Lane::kRange), Entry::kWaits);
  SweepAfter(absl::Milliseconds(100));
  EXPECT_EQ(TakeTold(), Told());
  Read(reader, 60);
  SweepAfter(absl::Milliseconds(100));
  EXPECT_EQ(TakeTold(), Told({"next runs"}));
}

TEST_F(LoadControlTest, AConnectionThatDoesNotReadIsPassedOverAndNotInTheWayOfOthers) {
  limits_[Lane::kRange] = {
      .waiting_max = 10, .unsent_bytes_max = 100, .connection_unsent_bytes_max = 30};
  Guest* const lazy = New("lazy");
  Enter(lazy, Lane::kRange);
  Send(lazy, Lane::kRange, 50);
  Guest* const same = New("same connection");
  same->connection_unsent = 50;
  EXPECT_EQ(Enter(same, Lane::kRange), Entry::kWaits);
  EXPECT_EQ(Enter(New("other connection"), Lane::kRange), Entry::kWaits) << "in line behind it";
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"other connection runs"}));
  Read(lazy, 50);
  same->connection_unsent = 0;
  Control().Pump();
  EXPECT_EQ(TakeTold(), Told({"same connection runs"}));
}

TEST_F(LoadControlTest, WhoReadsNothingWhileOthersNeedTheRoomIsLetGo) {
  limits_[Lane::kStream] = {.unsent_bytes_max = 100};
  limits_.stalled_max = absl::Seconds(5);
  Guest* const lazy = New("lazy");
  Guest* const slow = New("slow");
  for (Guest* const guest : {lazy, slow}) {
    Enter(guest, Lane::kStream);
    Send(guest, Lane::kStream, 60);
  }
  for (int i = 0; i < 4; ++i) {
    SweepAfter(absl::Seconds(1));
    Read(slow, 1);
  }
  EXPECT_EQ(TakeTold(), Told());
  SweepAfter(absl::Seconds(1));
  EXPECT_EQ(TakeTold(), Told({"lazy shed"}));
  EXPECT_EQ(Control().state(Lane::kStream).shed_total, 1);
  SweepAfter(absl::Seconds(60));
  SweepAfter(absl::Seconds(60));
  EXPECT_EQ(TakeTold(), Told()) << "nobody needs the room of those who are slow";
}

TEST_F(LoadControlTest, CongestedStreamsHoldBackAndHearWhenTheyMayGoOn) {
  limits_[Lane::kStream] = {.unsent_bytes_max = 100};
  Guest* const full = New("full");
  Guest* const empty = New("empty");
  Enter(full, Lane::kStream);
  Enter(empty, Lane::kStream);
  EXPECT_FALSE(Control().Congested(full, now_));
  Send(full, Lane::kStream, 120);
  EXPECT_TRUE(Control().Congested(full, now_));
  EXPECT_FALSE(Control().Congested(empty, now_)) << "whoever has read all goes on";
  Send(full, Lane::kStream, 100);
  EXPECT_TRUE(Control().Congested(empty, now_)) << "at twice the limit nobody does";
  Read(full, 20);
  SweepAfter(absl::Milliseconds(100));
  EXPECT_EQ(TakeTold(), Told({"empty goes on"}));
  Read(full, 150);
  SweepAfter(absl::Milliseconds(100));
  EXPECT_EQ(TakeTold(), Told({"full goes on"}));
  SweepAfter(absl::Milliseconds(100));
  EXPECT_EQ(TakeTold(), Told()) << "once";
}

TEST_F(LoadControlTest, WhoEndsWhileOthersAreToldIsNotTold) {
  limits_[Lane::kStream] = {.unsent_bytes_max = 10};
  struct Ender final : public LoadControl::Guest {
    void OnAdmitted() override {}
    void OnRefused() override {}
    void OnShed() override { control->UnlistUnsent(other); }
    void OnUncongested() override {}
    uint64_t unsent_bytes() const override { return 1; }
    uint64_t taken_bytes() const override { return 0; }
    uint64_t connection_unsent_bytes() const override { return 0; }
    const void* connection() const override { return nullptr; }
    LoadControl* control;
    LoadControl::Guest* other;
  } ender;
  Guest* const other = New("other");
  ender.control = &Control();
  ender.other = other;
  Control().Enter(&ender, Lane::kStream, 0, now_);
  Control().ListUnsent(&ender, now_);
  Enter(other, Lane::kStream);
  Send(other, Lane::kStream, 50);
  SweepAfter(absl::Seconds(60));
  EXPECT_EQ(TakeTold(), Told());
  Control().UnlistUnsent(&ender);
  Control().Leave(&ender);
}

TEST_F(LoadControlTest, RequestsThatAreNotWholeAreLimitedTogether) {
  limits_.partial_bytes_max = 100'000;
  EXPECT_TRUE(Control().CountPartial(0, 60'000));
  EXPECT_FALSE(Control().CountPartial(0, 50'000));
  EXPECT_TRUE(Control().CountPartial(0, 10'000)) << "a small one is always let grow";
  EXPECT_TRUE(Control().CountPartial(60'000, 0));
  EXPECT_TRUE(Control().CountPartial(0, 50'000));
}

TEST_F(LoadControlTest, OpenCallsAreLimitedTogether) {
  limits_.calls_max = 1;
  EXPECT_TRUE(Control().HasRoomForCall());
  Control().OnCallOpened();
  EXPECT_FALSE(Control().HasRoomForCall());
  Control().OnCallClosed();
  EXPECT_TRUE(Control().HasRoomForCall());
}

}  // namespace
}  // namespace keelson::rpc
