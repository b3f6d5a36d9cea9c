#include "server/metric_families.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/check.h"

namespace keelson::server {
namespace {

std::string ReadFile(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// When the system was started, in seconds since 1970; 0: it does not tell.
double BootTime() {
  const std::vector<std::string> lines = absl::StrSplit(ReadFile("/proc/stat"), '\n');
  for (const std::string& line : lines) {
    double time;
    if (line.starts_with("btime ") && absl::SimpleAtod(line.substr(6), &time)) return time;
  }
  return 0;
}

}  // namespace

prometheus::ClientMetric& MetricFamilies::Add(const std::string& name, const char* help,
                                              prometheus::MetricType type, const Labels& labels) {
  const auto [place, is_new] = places_.emplace(name, families_.size());
  if (is_new) families_.push_back({name, help, type, {}});
  prometheus::MetricFamily& family = families_[place->second];
  KV_CHECK(family.type == type) << name;
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  for (const auto& [label, value] : labels) metric.label.push_back({label, value});
  return metric;
}

void MetricFamilies::Counter(const std::string& name, const char* help, double value,
                             const Labels& labels) {
  Add(name, help, prometheus::MetricType::Counter, labels).counter.value = value;
}

void MetricFamilies::Gauge(const std::string& name, const char* help, double value,
                           const Labels& labels) {
  Add(name, help, prometheus::MetricType::Gauge, labels).gauge.value = value;
}

void MetricFamilies::Histogram(const std::string& name, const char* help,
                               const DurationHistogram& histogram, const Labels& labels) {
  const DurationHistogram::Snapshot snapshot = histogram.Read();
  auto& metric = Add(name, help, prometheus::MetricType::Histogram, labels).histogram;
  metric.sample_count = snapshot.count;
  metric.sample_sum = snapshot.sum_seconds;
  for (const auto& bucket : snapshot.buckets) {
    metric.bucket.push_back({bucket.cumulative, bucket.bound_seconds});
  }
}

void MetricFamilies::Process() {
  // Behind the name, which may contain anything: field 3 of proc(5) is the first one.
  const std::string stat = ReadFile("/proc/self/stat");
  const std::vector<std::string> fields =
      absl::StrSplit(stat.substr(std::min(stat.rfind(')') + 2, stat.size())), ' ');
  const auto field = [&fields](size_t number) {
    double value = 0;
    return number - 3 < fields.size() && absl::SimpleAtod(fields[number - 3], &value) ? value : 0.0;
  };
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  Counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
          (field(14) + field(15)) / ticks);
  Gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        BootTime() + field(22) / ticks);
  Gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", field(23));
  Gauge("process_resident_memory_bytes", "Resident memory size in bytes.",
        field(24) * static_cast<double>(sysconf(_SC_PAGESIZE)));
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator it("/proc/self/fd", error), end; !error && it != end;
       it.increment(error)) {
    ++open;
  }
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const auto most = static_cast<double>(limit.rlim_cur);
  Gauge("process_open_fds", "Number of open file descriptors.", open);
  Gauge("process_max_fds", "Maximum number of open file descriptors.", most);
  Gauge("os_fd_used", "The number of used file descriptors.", open);
  Gauge("os_fd_limit", "The file descriptor limit.", most);
}

std::string MetricFamilies::Text() const {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families_);
  return text.str();
}

}  // namespace keelson::server
