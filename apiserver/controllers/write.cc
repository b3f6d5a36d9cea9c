#include "apiserver/controllers/write.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::controllers {
namespace {

using api::Json;

constexpr int kAtOnceMax = 24;

bool MeansNothing(const Json& value) {
  return value.is_null() || ((value.is_object() || value.is_array()) && value.empty());
}

}  // namespace

Json MergePatch(const Json& from, const Json& to) {
  Json patch = Json::object();
  if (!from.is_object() || !to.is_object()) return to;
  for (const auto& [name, value] : from.items()) {
    if (!to.contains(name)) patch[name] = nullptr;
  }
  for (const auto& [name, value] : to.items()) {
    const auto old = from.find(name);
    if (old == from.end()) {
      patch[name] = value;
    } else if (*old != value) {
      patch[name] = MergePatch(*old, value);
    }
  }
  return patch;
}

bool SameMeaning(const Json& a, const Json& b) {
  if (MeansNothing(a) && MeansNothing(b)) return true;
  if (a.is_object() && b.is_object()) {
    for (const auto& [name, value] : a.items()) {
      const auto other = b.find(name);
      if (other == b.end() ? !MeansNothing(value) : !SameMeaning(value, *other)) return false;
    }
    for (const auto& [name, value] : b.items()) {
      if (!a.contains(name) && !MeansNothing(value)) return false;
    }
    return true;
  }
  if (a.is_array() && b.is_array()) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), SameMeaning);
  }
  return a == b;
}

absl::StatusOr<Json> PatchObject(runtime::ApiClient* client, const runtime::Resource& resource,
                                 const Json& seen, const Json& wanted, Condition condition) {
  Json patch = MergePatch(seen, wanted);
  if (patch.empty()) return absl::StatusOr<Json>(seen);
  Json& metadata = api::Make(patch, "metadata");
  metadata["uid"] = api::UidOf(seen);
  if (condition == Condition::kSameVersion) {
    metadata["resourceVersion"] = api::TextAt(seen, "metadata.resourceVersion");
  }
  return client->Patch(resource, api::NamespaceOf(seen), api::NameOf(seen),
                       runtime::PatchType::kMerge, patch);
}

absl::Status PatchStatus(runtime::ApiClient* client, const runtime::Resource& resource,
                         const Json& seen, const Json& wanted_status) {
  const Json patch = MergePatch(api::MapAt(seen, "status"), wanted_status);
  if (patch.empty()) return absl::OkStatus();
  return client
      ->PatchForMetadata(resource, api::NamespaceOf(seen), api::NameOf(seen),
                         runtime::PatchType::kMerge,
                         {{"metadata",
                           {{"uid", api::UidOf(seen)},
                            {"resourceVersion", api::TextAt(seen, "metadata.resourceVersion")}}},
                          {"status", patch}},
                         "status")
      .status();
}

bool NamespaceIsEnding(const absl::Status& status) {
  if (!api::IsForbidden(status)) return false;
  const Json object = api::StatusObject(status);
  for (const Json& cause : api::ArrayAt(object, "details.causes")) {
    if (api::TextAt(cause, "reason") == "NamespaceTerminating") return true;
  }
  return false;
}

Json ControllerReference(const Json& owner) {
  return {{"apiVersion", api::TextAt(owner, "apiVersion")},
          {"kind", api::TextAt(owner, "kind")},
          {"name", api::NameOf(owner)},
          {"uid", api::UidOf(owner)},
          {"controller", true},
          {"blockOwnerDeletion", true}};
}

Json PodFromTemplate(const Json& pod_template, const Json& owner) {
  // Names of pods have at most 253 characters, five of which are chance.
  Json metadata = {{"generateName", Concat(api::NameOf(owner).substr(0, 247), "-")},
                   {"namespace", api::NamespaceOf(owner)},
                   {"ownerReferences", Json::array({ControllerReference(owner)})}};
  for (const char* part : {"labels", "annotations", "finalizers"}) {
    const Json* found = api::Find(pod_template, Concat("metadata.", part));
    if (found != nullptr) metadata[part] = *found;
  }
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", std::move(metadata)},
          {"spec", api::MapAt(pod_template, "spec")}};
}

bool SetCondition(Json* conditions, const NewCondition& condition, absl::Time now) {
  if (!conditions->is_array()) *conditions = Json::array();
  const std::string at = api::FormatTime(now);
  for (Json& known : *conditions) {
    if (api::TextAt(known, "type") != condition.type) continue;
    const bool same_status = api::TextAt(known, "status") == condition.status;
    if (same_status && api::TextAt(known, "reason") == condition.reason &&
        api::TextAt(known, "message") == condition.message) {
      return false;
    }
    if (!same_status) known["lastTransitionTime"] = at;
    known["status"] = condition.status;
    known["reason"] = condition.reason;
    known["message"] = condition.message;
    return true;
  }
  conditions->push_back({{"type", condition.type},
                         {"status", condition.status},
                         {"reason", condition.reason},
                         {"message", condition.message},
                         {"lastTransitionTime", at}});
  return true;
}

void RemoveCondition(Json* conditions, std::string_view type) {
  if (!conditions->is_array()) return;
  Json kept = Json::array();
  for (Json& condition : *conditions) {
    if (api::TextAt(condition, "type") != type) kept.push_back(std::move(condition));
  }
  *conditions = std::move(kept);
}

namespace {

// What `one` throws is an error of its own: on a thread of a batch it would end the process.
absl::Status Caught(const std::function<absl::Status(int)>& one, int index) {
  try {
    return one(index);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  }
}

// Calls `one` for [begin, end) from several threads.
BatchResult AtOnce(int begin, int end, const std::function<absl::Status(int)>& one) {
  BatchResult result;
  absl::Mutex mu;
  std::atomic<int> next = begin;  // the index nobody has taken yet
  const auto work = [&] {
    for (int index = next++; index < end; index = next++) {
      const absl::Status status = Caught(one, index);
      absl::MutexLock lock(&mu);
      if (status.ok()) {
        ++result.done;
      } else if (result.error.ok()) {
        result.error = status;
      }
    }
  };
  std::vector<std::thread> threads;
  try {
    for (int i = 1; i < std::min(end - begin, kAtOnceMax); ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // The system has no more threads; those there are do it.
  }
  work();
  for (std::thread& thread : threads) thread.join();
  return result;
}

}  // namespace

BatchResult InGrowingBatches(int count, const std::function<absl::Status(int)>& one) {
  BatchResult total;
  int batch = 1;
  for (int begin = 0; begin < count; begin += batch, batch *= 2) {
    batch = std::min(batch, count - begin);
    const BatchResult result = AtOnce(begin, begin + batch, one);
    total.done += result.done;
    total.error = result.error;
    if (!result.error.ok()) break;
  }
  return total;
}

absl::Status Everywhere(int count, const std::function<absl::Status(int)>& one) {
  return AtOnce(0, count, one).error;
}

int64_t ScaledValue(const Json& number_or_percent, int64_t total, bool round_up) {
  if (number_or_percent.is_number()) return number_or_percent.get<int64_t>();
  if (!number_or_percent.is_string()) return 0;
  std::string text = number_or_percent.get<std::string>();
  if (text.ends_with('%')) text.pop_back();
  int32_t percent = 0;
  if (!absl::SimpleAtoi(text, &percent)) return 0;
  const int64_t hundredfold = int64_t{percent} * total;
  return round_up ? (hundredfold + 99) / 100 : hundredfold / 100;
}

}  // namespace keelson::controllers
