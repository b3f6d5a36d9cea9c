// MetricFamilies: metrics on their way to Prometheus, grouped by name as its format wants them, in
// the order in which the names first came.
#ifndef KEELSON_SERVER_METRIC_FAMILIES_H_
#define KEELSON_SERVER_METRIC_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/duration_histogram.h"

namespace keelson::server {

class MetricFamilies {
 public:
  using Labels = std::vector<std::pair<std::string, std::string>>;

  // The help of a name's first metric counts. REQUIRES: a name is always of one kind.
  void Counter(const std::string& name, const char* help, double value, const Labels& labels = {});
  void Gauge(const std::string& name, const char* help, double value, const Labels& labels = {});
  void Histogram(const std::string& name, const char* help, const DurationHistogram& histogram,
                 const Labels& labels = {});
  // What the system knows of this process.
  void Process();

  std::string Text() const;

 private:
  prometheus::ClientMetric& Add(const std::string& name, const char* help,
                                prometheus::MetricType type, const Labels& labels);

  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t> places_;  // in families_
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_METRIC_FAMILIES_H_
