#include "apiserver/http/kubelet_metrics.h"

#include <nlohmann/json.hpp>

#include "gtest/gtest.h"

namespace keelson::apiserver {
namespace {

TEST(KubeletMetricsTest, ContainersAreReadAndTheRestIsPassedOver) {
  KubeletMetrics metrics;
  metrics.Take(
      "# HELP container_cpu_usage_seconds_total x\n"
      "container_cpu_usage_seconds_total{container=\"c\",namespace=\"n\",pod=\"p\"} 1.5 2000\n"
      "container_memory_working_set_bytes{pod=\"p\",namespace=\"n\",container=\"c\"} 4096 2000\n"
      "node_cpu_usage_seconds_total 7 2000\n"
      "container_cpu_usage_seconds_total{container=\"d\",namespace=\"n\",pod=\"p\"} NaN 2000\n"
      "container_cpu_usage_seconds_total{container=\"e\",namespace=\"n\",pod=\"p\"} -1 2000\n"
      "container_cpu_usage_seconds_total{container=\"f\",namespace=\"n\",pod=\"p\"\n"
      "container_cpu_usage_seconds_total{container=\"g\",namespace=\"n\",pod=\"p\"} 1");
  const ContainerSample* sample = metrics.Find(KubeletMetrics::KeyOf("n", "p", "c"));
  ASSERT_NE(sample, nullptr);
  EXPECT_EQ(sample->cpu_seconds, 1.5);
  EXPECT_EQ(sample->memory_bytes, 4096);
  EXPECT_EQ(sample->at, absl::FromUnixSeconds(2));
  for (const char* name : {"d", "e", "f", "g"}) {
    EXPECT_EQ(metrics.Find(KubeletMetrics::KeyOf("n", "p", name)), nullptr) << name;
  }
}

TEST(KubeletMetricsTest, ANodeSaysWhereItsKubeletListens) {
  const auto node = [](const char* address, int port) {
    return api::Json{{"status",
                      {{"addresses",
                        {{{"type", "Hostname"}, {"address", "n1"}},
                         {{"type", "InternalIP"}, {"address", address}}}},
                       {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", port}}}}}}}};
  };
  EXPECT_EQ(KubeletAddressOf(node("10.0.0.1", 10250)), "10.0.0.1:10250");
  EXPECT_EQ(KubeletAddressOf(node("::1", 10250)), "[::1]:10250");
  EXPECT_EQ(KubeletAddressOf(node("10.0.0.1", 70000)), "");
  EXPECT_EQ(KubeletAddressOf(api::Json::object()), "");
}

}  // namespace
}  // namespace keelson::apiserver
