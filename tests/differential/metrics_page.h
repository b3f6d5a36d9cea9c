// What a server's page of metrics says, where no answer of its services tells it.
#ifndef KEELSON_TESTS_DIFFERENTIAL_METRICS_PAGE_H_
#define KEELSON_TESTS_DIFFERENTIAL_METRICS_PAGE_H_

#include <optional>
#include <string>

namespace keelson::differential {

// The page of the server on `port` of this machine. The process ends if it cannot be had.
std::string FetchMetrics(int port);
// The value of a metric without labels; nothing if the page does not have it.
std::optional<double> FindMetric(const std::string& page, const std::string& name);

}  // namespace keelson::differential

#endif  // KEELSON_TESTS_DIFFERENTIAL_METRICS_PAGE_H_
