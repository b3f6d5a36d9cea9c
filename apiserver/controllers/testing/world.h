// World: controllers at work on an API server in memory, where pods run as soon as they are there
// (or do not, if the test says so).
#ifndef KEELSON_APISERVER_CONTROLLERS_TESTING_WORLD_H_
#define KEELSON_APISERVER_CONTROLLERS_TESTING_WORLD_H_

#include <atomic>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/runtime/controller.h"
#include "apiserver/runtime/testing/memory_api.h"
#include "base/check.h"

namespace keelson::controllers {

class World {
 public:
  using Maker = std::unique_ptr<runtime::Controller> (*)(const runtime::ControllerContext&);

  explicit World(const std::vector<Maker>& makers, runtime::MemoryApi* given = nullptr)
      : api(given != nullptr ? *given : own_) {
    const runtime::ControllerContext context{&api, &informers_, &events_, &clock_};
    for (const Maker make : makers) controllers_.push_back(make(context));
    informers_.StartAll();
    KV_CHECK(informers_.WaitSynced(absl::Minutes(1)));
    for (const auto& controller : controllers_) controller->Start();
    kubelet_ = std::thread([this] { RunPods(); });
  }
  ~World() {
    stopping_ = true;
    for (const auto& controller : controllers_) controller->Stop();
    informers_.StopAll();
    api.WakeWatches();
    kubelet_.join();
  }

  // An image that begins with "broken" never runs.
  static api::Json Template(const std::string& image) {
    return {{"metadata", {{"labels", {{"app", "x"}}}}},
            {"spec", {{"containers", api::Json::array({{{"name", "c"}, {"image", image}}})}}}};
  }
  api::Json Get(const runtime::Resource& resource, const std::string& name) {
    const auto found = api.Get(resource, "ns", name);
    return found.ok() ? *found : api::Json();
  }
  void Merge(const runtime::Resource& resource, const std::string& name, const api::Json& patch) {
    const absl::Status status =
        api.Patch(resource, "ns", name, runtime::PatchType::kMerge, patch).status();
    KV_CHECK(status.ok()) << status;
  }

 private:
  runtime::MemoryApi own_;

 public:
  runtime::MemoryApi& api;

 private:
  void RunPods() {
    (void)api.Watch(
        kPods, "", {.resource_version = "0"},
        [this](runtime::WatchEvent event) {
          if (event.type == runtime::WatchEvent::Type::kAdded) RunPod(event.object);
          return !stopping_;
        },
        [this] { return stopping_.load(); });
  }
  void RunPod(const api::Json& pod) {
    for (const api::Json& container : api::ArrayAt(pod, "spec.containers")) {
      if (api::TextAt(container, "image").starts_with("broken")) return;
    }
    // The pod may be gone by now.
    (void)api.Patch(
        kPods, api::NamespaceOf(pod), api::NameOf(pod), runtime::PatchType::kMerge,
        {{"status",
          {{"phase", "Running"},
           {"conditions",
            api::Json::array({{{"type", "Ready"},
                               {"status", "True"},
                               {"lastTransitionTime", api::FormatTime(absl::Now())}}})}}}},
        "status");
  }

  const RealClock clock_;
  runtime::InformerFactory informers_{&api};
  runtime::EventRecorder events_{&api, &clock_, "test"};
  std::vector<std::unique_ptr<runtime::Controller>> controllers_;
  std::atomic<bool> stopping_ = false;
  std::thread kubelet_;
};

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_TESTING_WORLD_H_
