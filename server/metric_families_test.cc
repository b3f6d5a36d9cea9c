#include "server/metric_families.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::server {
namespace {

using testing::HasSubstr;

TEST(MetricFamiliesTest, MetricsOfANameStandTogetherUnderItsHelp) {
  MetricFamilies families;
  families.Counter("a_total", "All a.", 3, {{"x", "1"}});
  families.Gauge("b", "B now.", -2.5);
  families.Counter("a_total", "All a.", 4, {{"x", "quote\" line\n back\\"}});
  EXPECT_EQ(families.Text(),
            "# HELP a_total All a.\n# TYPE a_total counter\n"
            "a_total{x=\"1\"} 3\na_total{x=\"quote\\\" line\\n back\\\\\"} 4\n"
            "# HELP b B now.\n# TYPE b gauge\nb -2.5\n");
}

TEST(MetricFamiliesTest, HistogramEndsWithTheBucketOfAll) {
  MetricFamilies families;
  DurationHistogram histogram(absl::Milliseconds(1), 2);
  histogram.Observe(absl::Milliseconds(2));
  histogram.Observe(absl::Seconds(1));
  families.Histogram("h_seconds", "H.", histogram, {{"To", "ab"}});
  const std::string text = families.Text();
  EXPECT_THAT(text, HasSubstr("h_seconds_count{To=\"ab\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{To=\"ab\",le=\"0.001\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{To=\"ab\",le=\"0.002\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("h_seconds_bucket{To=\"ab\",le=\"+Inf\"} 2\n"));
}

TEST(MetricFamiliesTest, ProcessTellsOfItself) {
  MetricFamilies families;
  families.Process();
  const std::string text = families.Text();
  for (const char* name : {"process_cpu_seconds_total", "process_start_time_seconds",
                           "process_resident_memory_bytes", "process_open_fds", "os_fd_limit"}) {
    const size_t at = text.find("\n" + std::string(name) + " ");
    ASSERT_NE(at, std::string::npos) << name;
    EXPECT_GE(std::stod(text.substr(at + std::string(name).size() + 2)), 0) << name;
  }
  EXPECT_THAT(text, testing::Not(HasSubstr("process_start_time_seconds 0\n")));
}

}  // namespace
}  // namespace keelson::server
