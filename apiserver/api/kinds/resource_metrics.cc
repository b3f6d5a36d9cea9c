// NodeMetrics and PodMetrics: what nodes and pods use now. Measured when asked for, and not kept.
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/kinds/printing.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quantity.h"

namespace keelson::api {
namespace {

Quantity AmountAt(const Json& object, std::string_view path) {
  const Json* amount = Find(object, path);
  return amount == nullptr ? Quantity() : Quantity::Of(*amount);
}

void PrintUse(const Json& object, Quantity cpu, Quantity memory, std::vector<Json>* cells) {
  cells->push_back(NameOf(object));
  cells->push_back(cpu.ToString());
  cells->push_back(memory.ToString());
  cells->push_back(TextAt(object, "window"));
}

void PrintNode(const Json& object, const PrintContext&, std::vector<Json>* cells) {
  PrintUse(object, AmountAt(object, "usage.cpu"), AmountAt(object, "usage.memory"), cells);
}

void PrintPod(const Json& object, const PrintContext&, std::vector<Json>* cells) {
  Quantity cpu;
  Quantity memory = Quantity::FromValue(0, Quantity::Format::kBinary);
  for (const Json& container : ArrayAt(object, "containers")) {
    cpu = cpu + AmountAt(container, "usage.cpu");
    memory = memory + AmountAt(container, "usage.memory");
  }
  PrintUse(object, cpu, memory, cells);
}

Kind Metrics(std::string_view kind, std::string_view plural, std::string_view singular,
             std::string_view message) {
  return {
      .group = "metrics.k8s.io",
      .version = "v1beta1",
      .kind = kind,
      .plural = plural,
      .singular = singular,
      .message = message,
      .storage_prefix = "",
      .verbs = {"get", "list"},
      .columns = {NameColumn(), {"CPU"}, {"Memory"}, {"Window"}},
  };
}

}  // namespace

const Kind& NodeMetricsKind() {
  static const Kind kind = [] {
    Kind nodes = Metrics("NodeMetrics", "nodes", "node", "metrics.v1beta1.NodeMetrics");
    nodes.namespaced = false;
    nodes.print = PrintNode;
    return nodes;
  }();
  return kind;
}

const Kind& PodMetricsKind() {
  static const Kind kind = [] {
    Kind pods = Metrics("PodMetrics", "pods", "pod", "metrics.v1beta1.PodMetrics");
    pods.print = PrintPod;
    return pods;
  }();
  return kind;
}

}  // namespace keelson::api
