// Report: the numbers of a run, for people and for programs.
#ifndef KEELSON_TOOLS_KVBENCH_REPORT_H_
#define KEELSON_TOOLS_KVBENCH_REPORT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tools/kvbench/histogram.h"
#include "tools/kvbench/options.h"
#include "tools/kvbench/process_meter.h"

namespace keelson::kvbench {

struct Report {
  Options options;
  std::string target;  // the endpoints that were used
  uint64_t operations = 0;  // measured; of a watch, events
  uint64_t errors = 0;
  absl::Status first_error;
  uint64_t not_found = 0;  // gets
  uint64_t puts = 0;       // of a watch: measured
  absl::Duration elapsed;
  Histogram latency;
  Cost cost;

  double per_second() const;
  // CPU of all servers.
  absl::Duration server_cpu() const;
};

std::string FormatTable(const Report& report);
// One object on one line.
std::string FormatJson(const Report& report);

}  // namespace keelson::kvbench

#endif  // KEELSON_TOOLS_KVBENCH_REPORT_H_
