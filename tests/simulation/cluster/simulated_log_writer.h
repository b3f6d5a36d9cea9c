// SimulatedLogWriter: the log thread in virtual time. A group waits a while, is written, and its
// acknowledgement waits a while; a crash may come in any of them. Its disk may be slow, hang, fail
// or be full.
#ifndef KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATED_LOG_WRITER_H_
#define KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATED_LOG_WRITER_H_

#include <functional>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "server/log_writer.h"
#include "tests/simulation/cluster/virtual_time.h"

namespace keelson::simulation {

// How long a disk takes. Its owner changes it while it is used.
struct DiskSpeed {
  Time latency_min = 20 * kMicrosecond;
  Time latency_max = 500 * kMicrosecond;
  Time hangs_until = 0;
};

class SimulatedLogWriter final : public server::LogWriter {
 public:
  struct Environment {
    storage::RaftLog* log;
    server::Executor* executor;
    Scheduler* scheduler;
    Dice* dice;
    const DiskSpeed* speed;
    std::function<void(absl::Status)> on_failure;
    std::function<void(bool full)> on_full;
    // Before it waits for the disk; when the disk has taken it.
    std::function<void(const storage::LogAppend&)> on_write;
    std::function<void(absl::Span<const storage::LogAppend>)> on_written;
  };
  // All of it outlives the writer.
  explicit SimulatedLogWriter(Environment environment) : environment_(std::move(environment)) {}

  void Write(storage::LogAppend append, server::Task done) override;
  void TruncatePrefix(LogIndex first_kept) override;

 private:
  // Runs `step` after the disk's time, unless the writer has ended.
  void Later(Time at_least, std::function<void()> step);
  void Begin();
  void Perform();
  absl::Status Truncate();
  void Finish(absl::Status status);

  const Environment environment_;
  std::vector<storage::LogAppend> appends_;
  std::vector<server::Task> done_;  // one for each of appends_
  std::vector<storage::LogAppend> group_;
  std::vector<server::Task> group_done_;
  LogIndex first_kept_;  // 0: nothing to truncate
  bool busy_ = false;
  bool full_ = false;
  bool failed_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace keelson::simulation

#endif  // KEELSON_TESTS_SIMULATION_CLUSTER_SIMULATED_LOG_WRITER_H_
