#include "storage/raft_log.h"

#include "gtest/gtest.h"
#include "storage/raft_log_contract.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

constexpr uint64_t kSegmentBytes = 2048;

class SegmentedHarness final : public RaftLogHarness {
 public:
  explicit SegmentedHarness(RaftLogOptions options) : options_(std::move(options)) {
    options_.directory = directory_.File("raft");
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Create(const LogIdentity& identity) override {
    return RaftLog::Create(options_, identity);
  }
  absl::StatusOr<std::unique_ptr<RaftLog>> Open() override { return RaftLog::Open(options_); }
  void Crash(std::unique_ptr<RaftLog> log) override { log.reset(); }

 private:
  const TemporaryDirectory directory_;
  RaftLogOptions options_;
};

std::unique_ptr<RaftLogHarness> OneLargeSegment() {
  return std::make_unique<SegmentedHarness>(RaftLogOptions{.directory = {}});
}

std::unique_ptr<RaftLogHarness> SmallSegments() {
  RaftLogOptions options;
  options.segment_bytes = kSegmentBytes;
  return std::make_unique<SegmentedHarness>(options);
}

std::unique_ptr<RaftLogHarness> SmallSegmentsWithoutCacheOrThread() {
  RaftLogOptions options;
  options.segment_bytes = kSegmentBytes;
  options.cache_bytes_max = 0;
  options.background_thread = false;
  return std::make_unique<SegmentedHarness>(options);
}

INSTANTIATE_TEST_SUITE_P(OneLargeSegment, RaftLogContract, testing::Values(&OneLargeSegment));
INSTANTIATE_TEST_SUITE_P(SmallSegments, RaftLogContract, testing::Values(&SmallSegments));
INSTANTIATE_TEST_SUITE_P(SmallSegmentsWithoutCacheOrThread, RaftLogContract,
                         testing::Values(&SmallSegmentsWithoutCacheOrThread));

}  // namespace
}  // namespace keelson::storage
