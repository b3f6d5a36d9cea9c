#include "tools/kvbench/process_meter.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace keelson::kvbench {
namespace {

TEST(ProcessMeterTest, ListeningSocketsAreToldFromConnections) {
  const auto sockets = ParseListeningSockets(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "4711 1 ff 100 0 0 10 0\n"
      "   1: 0100007F:D431 0100007F:094B 01 00000000:00000000 00:00000000 00000000     0        0 "
      "4712 1 ff 100 0 0 10 0\n"
      "   2: 00000000000000000000000001000000:0016 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 4713 1 ff 100 0 0 10 0\n"
      "nonsense\n");
  ASSERT_EQ(sockets.size(), 2u);
  EXPECT_EQ(sockets[0].port, 2379);
  EXPECT_EQ(sockets[0].inode, 4711u);
  EXPECT_EQ(sockets[1].port, 22);
}

TEST(ProcessMeterTest, CpuIsReadAfterWhateverNameTheProgramHas) {
  const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  EXPECT_EQ(ParseProcessCpu("42 (a) b) (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 7 8 20 0"),
            absl::Seconds(200 / ticks));
  EXPECT_FALSE(ParseProcessCpu(""));
  EXPECT_FALSE(ParseProcessCpu("42 (cut) S 1 42"));
}

TEST(ProcessMeterTest, OurOwnWorkIsSeenAsServerAndAsClient) {
  auto meter = ProcessMeter::Make({getpid()});
  ASSERT_TRUE(meter.ok());
  meter->Start();
  Cost cost;
  volatile uint64_t work = 0;
  do {
    for (int i = 0; i < 1000000; ++i) work = work + 1;
    cost = meter->Stop();
  } while (cost.client_cpu < absl::Milliseconds(50));
  ASSERT_EQ(cost.servers.size(), 1u);
  EXPECT_GE(cost.servers[0].cpu, absl::Milliseconds(20));
  EXPECT_GT(cost.servers[0].rss_bytes, 100000u);
  EXPECT_FALSE(cost.servers[0].name.empty());
}

TEST(ProcessMeterTest, PidThatIsNoProcessIsNamed) {
  const auto meter = ProcessMeter::Make({1 << 30});
  EXPECT_EQ(meter.status().message(), "--server-pids: no process 1073741824");
}

}  // namespace
}  // namespace keelson::kvbench
