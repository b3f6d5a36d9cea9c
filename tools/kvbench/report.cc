#include "tools/kvbench/report.h"

#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"

namespace keelson::kvbench {
namespace {

constexpr std::pair<const char*, double> kPercentiles[] = {
    {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"max", 100}};

double Milliseconds(absl::Duration d) { return absl::ToDoubleMilliseconds(d); }
double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

double MicrosecondsEach(absl::Duration d, uint64_t operations) {
  return operations == 0 ? 0 : absl::ToDoubleMicroseconds(d) / static_cast<double>(operations);
}

// What was run, in words.
std::string Describe(const Report& report) {
  const Options& o = report.options;
  std::string text = absl::StrFormat("%d outstanding over %d connection%s to %s", o.outstanding,
                                     o.connections, o.connections == 1 ? "" : "s", report.target);
  switch (o.operation) {
    case Operation::kPut:
      return "put: " + text + absl::StrFormat(", values of %d bytes", o.value_size);
    case Operation::kGet:
      return "get: " + text +
             (o.consistency == Consistency::kSerializable ? ", serializable" : ", linearizable");
    case Operation::kWatch:
      return absl::StrFormat("watch: %d streams of %d watchers over %d connections, puts %d "
                             "outstanding, to %s, values of %d bytes",
                             o.streams, o.watchers, o.connections, o.outstanding, report.target,
                             o.value_size);
  }
  return text;
}

void AppendJsonString(std::string* to, std::string_view text) {
  to->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      to->push_back('\\');
      to->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(to, "\\u%04x", static_cast<int>(c));
    } else {
      to->push_back(c);
    }
  }
  to->push_back('"');
}

}  // namespace

double Report::per_second() const {
  const double seconds = absl::ToDoubleSeconds(elapsed);
  return seconds > 0 ? static_cast<double>(operations) / seconds : 0;
}

absl::Duration Report::server_cpu() const {
  absl::Duration sum;
  for (const ServerCost& server : cost.servers) sum += server.cpu;
  return sum;
}

std::string FormatTable(const Report& report) {
  const bool watch = report.options.operation == Operation::kWatch;
  std::string out = Describe(report) + "\n";
  absl::StrAppendFormat(&out, "  throughput   %.0f %s/s (%d in %.2f s, %d errors)\n",
                        report.per_second(), watch ? "events" : "requests", report.operations,
                        absl::ToDoubleSeconds(report.elapsed), report.errors);
  if (watch) absl::StrAppendFormat(&out, "  puts         %d\n", report.puts);
  if (report.options.operation == Operation::kGet && report.not_found > 0) {
    absl::StrAppendFormat(&out, "  not found    %d\n", report.not_found);
  }
  absl::StrAppendFormat(&out, "  latency ms  ");
  for (const auto& [name, percent] : kPercentiles) {
    absl::StrAppendFormat(&out, " %s %.3f ", name, Milliseconds(report.latency.Percentile(percent)));
  }
  out.append("\n");
  absl::StrAppendFormat(&out, "  cpu µs/op    client %.2f",
                        MicrosecondsEach(report.cost.client_cpu, report.operations));
  if (!report.cost.servers.empty()) {
    absl::StrAppendFormat(&out, "  servers %.1f",
                          MicrosecondsEach(report.server_cpu(), report.operations));
  }
  absl::StrAppendFormat(&out, "  (the rest of the machine: %.0f %% busy)\n",
                        100 * report.cost.other_share);
  for (const ServerCost& server : report.cost.servers) {
    absl::StrAppendFormat(&out, "  server       %s pid %d: %.1f µs/op, %.1f MB resident\n",
                          server.name, server.pid, MicrosecondsEach(server.cpu, report.operations),
                          Megabytes(server.rss_bytes));
  }
  return out;
}

std::string FormatJson(const Report& report) {
  const Options& o = report.options;
  std::string out = "{\"operation\":";
  AppendJsonString(&out, {Name(o.operation).data(), Name(o.operation).size()});
  out.append(",\"target\":");
  AppendJsonString(&out, report.target);
  absl::StrAppendFormat(&out,
                        ",\"connections\":%d,\"outstanding\":%d,\"key_size\":%d,\"value_size\":%d,"
                        "\"key_space\":%d,\"seed\":%d,\"consistency\":\"%s\"",
                        o.connections, o.outstanding, o.key_size, o.value_size, o.key_space, o.seed,
                        o.consistency == Consistency::kSerializable ? "s" : "l");
  absl::StrAppendFormat(&out,
                        ",\"operations\":%d,\"errors\":%d,\"not_found\":%d,\"puts\":%d,"
                        "\"seconds\":%.6f,\"per_second\":%.3f",
                        report.operations, report.errors, report.not_found, report.puts,
                        absl::ToDoubleSeconds(report.elapsed), report.per_second());
  out.append(",\"first_error\":");
  AppendJsonString(&out, report.first_error.ok() ? "" : report.first_error.ToString());
  out.append(",\"latency_ms\":{");
  for (const auto& [name, percent] : kPercentiles) {
    absl::StrAppendFormat(&out, "\"%s\":%.6f,", name,
                          Milliseconds(report.latency.Percentile(percent)));
  }
  absl::StrAppendFormat(&out, "\"mean\":%.6f}", Milliseconds(report.latency.mean()));
  absl::StrAppendFormat(&out, ",\"client_cpu_us_per_op\":%.4f,\"server_cpu_us_per_op\":%.4f",
                        MicrosecondsEach(report.cost.client_cpu, report.operations),
                        MicrosecondsEach(report.server_cpu(), report.operations));
  absl::StrAppendFormat(&out, ",\"other_cpu_share\":%.4f,\"servers\":[", report.cost.other_share);
  for (size_t i = 0; i < report.cost.servers.size(); ++i) {
    const ServerCost& server = report.cost.servers[i];
    out.append(i == 0 ? "{\"name\":" : ",{\"name\":");
    AppendJsonString(&out, server.name);
    absl::StrAppendFormat(&out, ",\"pid\":%d,\"cpu_us_per_op\":%.4f,\"rss_bytes\":%d}", server.pid,
                          MicrosecondsEach(server.cpu, report.operations), server.rss_bytes);
  }
  out.append("]}\n");
  return out;
}

}  // namespace keelson::kvbench
