#include "apiserver/controllers/quotas.h"

#include <nlohmann/json.hpp>
#include <string>

#include "absl/time/clock.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/kinds/quota_usage.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/pods.h"
#include "apiserver/controllers/resources.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using api::Kind;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr int kWorkers = 2;
// Many objects go at once; they are counted once.
constexpr absl::Duration kGather = absl::Milliseconds(300);
// Kinds that nobody watches here, for they are many, and all of them against what was missed.
constexpr absl::Duration kRecountUnwatched = absl::Seconds(5);
constexpr absl::Duration kRecount = absl::Minutes(5);

bool IsWatched(const Kind& kind) {
  return kind.group.empty() && (kind.plural == "pods" || kind.plural == "services" ||
                                kind.plural == "persistentvolumeclaims");
}

bool SpecChanged(const Json& before, const Json& now) {
  return api::MapAt(before, "spec") != api::MapAt(now, "spec");
}

class QuotaController final : public runtime::QueueController {
 public:
  explicit QuotaController(const ControllerContext& context)
      : QueueController("resourcequota-controller", context.clock, kWorkers),
        client_(context.client),
        quotas_(Copies(context, kQuotas)) {
    quotas_.AddHandler({
        .on_add = [this](const Object& quota) { queue().Add(api::KeyOf(*quota)); },
        .on_update =
            [this](const Object& before, const Object& now) {
              if (SpecChanged(*before, *now)) queue().Add(api::KeyOf(*now));
            },
    });
    const auto recount = [this](const Object& object) {
      for (const Object& quota : quotas_.List(api::NamespaceOf(*object))) {
        queue().AddAfter(api::KeyOf(*quota), kGather);
      }
    };
    PodCopies(context).AddHandler({
        .on_update =
            [recount](const Object& before, const Object& now) {
              if (IsTerminal(*before) != IsTerminal(*now)) recount(now);
            },
        .on_delete = recount,
    });
    for (const runtime::Resource& resource : {kServices, kClaims}) {
      Copies(context, resource)
          .AddHandler({
              .on_update =
                  [recount](const Object& before, const Object& now) {
                    if (SpecChanged(*before, *now)) recount(now);
                  },
              .on_delete = recount,
          });
    }
  }

 private:
  absl::Status Reconcile(const std::string& key) override {
    const Object copy = AtKey(quotas_, key);
    if (copy == nullptr) return absl::OkStatus();
    // Read before what it counts: whatever admission adds meanwhile makes the write fail.
    const absl::StatusOr<Json> quota =
        client_->Get(kQuotas, api::NamespaceOf(*copy), api::NameOf(*copy));
    if (!quota.ok()) return api::IsNotFound(quota.status()) ? absl::OkStatus() : quota.status();
    const Json& hard = api::MapAt(*quota, "spec.hard");
    Json used = Json::object();
    bool all_watched = true;
    for (const Kind* kind : api::AllKinds()) {
      if (!kind->namespaced || kind->storage_prefix.empty() || kind->stored_as != nullptr) continue;
      api::ResourceAmounts sum;
      for (const auto& [name, limit] : hard.items()) {
        if (api::CountsFor(*kind, name)) sum[name] = api::Quantity();
      }
      if (sum.empty()) continue;
      all_watched = all_watched && IsWatched(*kind);
      KV_RETURN_IF_ERROR(Count(*kind, *quota, &sum));
      for (const auto& [name, amount] : sum) {
        if (hard.contains(name)) used[name] = amount.ToString();
      }
    }
    queue().AddAfter(key, all_watched ? kRecount : kRecountUnwatched);
    Json counted = *quota;
    counted["status"]["hard"] = hard;
    counted["status"]["used"] = used;
    if (counted == *quota) return absl::OkStatus();
    const absl::Status status = client_->Update(kQuotas, counted, "status").status();
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  absl::Status Count(const Kind& kind, const Json& quota, api::ResourceAmounts* sum) {
    const runtime::Resource resource{std::string(kind.group), std::string(kind.version),
                                     std::string(kind.plural)};
    KV_ASSIGN_OR_RETURN(const Json list, client_->List(resource, api::NamespaceOf(quota)));
    const absl::Time now = absl::Now();
    for (const Json& object : api::ArrayAt(list, "items")) {
      if (!api::IsInScopes(quota, kind, object)) continue;
      api::AddAmounts(api::QuotaUsageOf(kind, object, now), sum);
    }
    return absl::OkStatus();
  }

  runtime::ApiClient* const client_;
  Informer& quotas_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeQuotaController(const ControllerContext& context) {
  return std::make_unique<QuotaController>(context);
}

}  // namespace keelson::controllers
