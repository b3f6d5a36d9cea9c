#include "apiserver/controllers/service_accounts.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "apiserver/controllers/copies.h"
#include "apiserver/controllers/resources.h"
#include "apiserver/controllers/write.h"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::controllers {
namespace {

using api::Json;
using runtime::ControllerContext;
using runtime::Informer;
using runtime::Object;

constexpr char kRootCaMap[] = "kube-root-ca.crt";
constexpr char kTokenType[] = "kubernetes.io/service-account-token";
constexpr char kAccountName[] = "kubernetes.io/service-account.name";
constexpr char kAccountUid[] = "kubernetes.io/service-account.uid";
// Such tokens end with their Secret.
constexpr int64_t kTokenSeconds = int64_t{10} * 365 * 24 * 3600;

bool TakesObjects(const Object& space) {
  return space != nullptr && !api::IsBeingDeleted(*space) &&
         api::TextAt(*space, "status.phase") != "Terminating";
}

// An object that each namespace must have. Keys are namespaces.
class NamespaceFollower : public runtime::QueueController {
 protected:
  NamespaceFollower(std::string name, const ControllerContext& context)
      : QueueController(std::move(name), context.clock, 2),
        client_(context.client),
        namespaces_(Copies(context, kNamespaces)) {
    const auto enqueue = [this](const Object& space) { queue().Add(api::NameOf(*space)); };
    namespaces_.AddHandler(OnPresent(enqueue));
  }
  // OK too where the namespace is about to go.
  absl::Status Create(const runtime::Resource& resource, const std::string& name_space,
                      const Json& object) {
    const absl::Status status = client_->Create(resource, name_space, object).status();
    if (api::IsAlreadyExists(status) || NamespaceIsEnding(status) || api::IsNotFound(status)) {
      return absl::OkStatus();
    }
    return status;
  }

  runtime::ApiClient* const client_;
  Informer& namespaces_;
};

class ServiceAccountController final : public NamespaceFollower {
 public:
  explicit ServiceAccountController(const ControllerContext& context)
      : NamespaceFollower("serviceaccount-controller", context),
        accounts_(Copies(context, kServiceAccounts)) {
    accounts_.AddHandler(
        {.on_delete = [this](const Object& account) { queue().Add(api::NamespaceOf(*account)); }});
  }

 private:
  absl::Status Reconcile(const std::string& name) override {
    if (!TakesObjects(namespaces_.Get("", name)) || accounts_.Get(name, "default") != nullptr) {
      return absl::OkStatus();
    }
    return Create(kServiceAccounts, name,
                  {{"apiVersion", "v1"},
                   {"kind", "ServiceAccount"},
                   {"metadata", {{"name", "default"}, {"namespace", name}}}});
  }
  Informer& accounts_;
};

class RootCaController final : public NamespaceFollower {
 public:
  RootCaController(const ControllerContext& context, std::string root_ca)
      : NamespaceFollower("root-ca-certificate-publisher", context),
        root_ca_(std::move(root_ca)),
        // Not the other ConfigMaps: they can be large and nobody reads them here.
        maps_(context.client,
              {.resource = kConfigMaps,
               .selectors = {.field_selector = Concat("metadata.name=", kRootCaMap)}}) {
    const auto enqueue = [this](const Object& map) { queue().Add(api::NamespaceOf(*map)); };
    maps_.AddHandler(OnPresent(enqueue, enqueue));
  }

  void Start() override {
    maps_.Start();
    QueueController::Start();
  }
  void Stop() override {
    QueueController::Stop();
    maps_.Stop();
  }

 private:
  absl::Status Reconcile(const std::string& name) override {
    if (!TakesObjects(namespaces_.Get("", name))) return absl::OkStatus();
    const Json data = {{"ca.crt", root_ca_}};
    const Object present = maps_.Get(name, kRootCaMap);
    if (present == nullptr) {
      return Create(kConfigMaps, name,
                    {{"apiVersion", "v1"},
                     {"kind", "ConfigMap"},
                     {"metadata", {{"name", kRootCaMap}, {"namespace", name}}},
                     {"data", data}});
    }
    Json wanted = *present;
    wanted["data"] = data;
    const absl::Status status =
        PatchObject(client_, kConfigMaps, *present, wanted, Condition::kSameObject).status();
    return api::IsNotFound(status) ? absl::OkStatus() : status;
  }

  const std::string root_ca_;
  Informer maps_;
};

class TokenSecretController final : public runtime::QueueController {
 public:
  TokenSecretController(const ControllerContext& context, std::string root_ca)
      : QueueController("token-controller", context.clock, 2),
        client_(context.client),
        root_ca_(std::move(root_ca)),
        accounts_(Copies(context, kServiceAccounts)),
        secrets_(context.client, {.resource = kSecrets,
                                  .selectors = {.field_selector = Concat("type=", kTokenType)}}) {
    const auto enqueue = [this](const Object& secret) { queue().Add(api::KeyOf(*secret)); };
    secrets_.AddHandler(OnPresent(enqueue));
    const auto enqueue_secrets = [this](const Object& account) {
      for (const Object& secret : secrets_.List(api::NamespaceOf(*account))) {
        if (AccountOf(*secret) == api::NameOf(*account)) queue().Add(api::KeyOf(*secret));
      }
    };
    accounts_.AddHandler({.on_add = enqueue_secrets, .on_delete = enqueue_secrets});
  }

  void Start() override {
    secrets_.Start();
    QueueController::Start();
  }
  void Stop() override {
    QueueController::Stop();
    secrets_.Stop();
  }

 private:
  static std::string AccountOf(const Json& secret) { return Annotation(secret, kAccountName); }
  static std::string Annotation(const Json& secret, std::string_view name) {
    const Json* text = api::Member(api::AnnotationsOf(secret), name);
    return text != nullptr && text->is_string() ? text->get<std::string>() : "";
  }

  absl::Status Reconcile(const std::string& key) override {
    const Object secret = AtKey(secrets_, key);
    if (secret == nullptr || api::IsBeingDeleted(*secret)) return absl::OkStatus();
    const std::string account_name = AccountOf(*secret);
    if (account_name.empty()) return absl::OkStatus();
    const std::string& space = api::NamespaceOf(*secret);
    const absl::StatusOr<Json> account = client_->Get(kServiceAccounts, space, account_name);
    const std::string uid = Annotation(*secret, kAccountUid);
    if (api::IsNotFound(account.status()) ||
        (account.ok() && !uid.empty() && uid != api::UidOf(*account))) {
      // The account it is a token of is gone, and so is what the token was good for.
      const absl::Status status =
          client_->Delete(kSecrets, space, api::NameOf(*secret),
                          {{"preconditions", {{"uid", api::UidOf(*secret)}}}});
      return api::IsNotFound(status) ? absl::OkStatus() : status;
    }
    if (!account.ok()) return account.status();
    return Fill(*secret, *account);
  }

  absl::Status Fill(const Json& secret, const Json& account) {
    const std::string& space = api::NamespaceOf(secret);
    Json wanted = secret;
    Json& data = api::Make(wanted, "data");
    if (!data.is_object()) data = Json::object();
    const auto encoded = [](const std::string& text) { return absl::Base64Escape(text); };
    data["ca.crt"] = encoded(root_ca_);
    data["namespace"] = encoded(space);
    if (api::TextAt(secret, "data.token").empty()) {
      KV_ASSIGN_OR_RETURN(const Json issued,
                          client_->Create(kServiceAccounts, space,
                                          {{"apiVersion", "authentication.k8s.io/v1"},
                                           {"kind", "TokenRequest"},
                                           {"spec",
                                            {{"expirationSeconds", kTokenSeconds},
                                             {"boundObjectRef",
                                              {{"kind", "Secret"},
                                               {"apiVersion", "v1"},
                                               {"name", api::NameOf(secret)},
                                               {"uid", api::UidOf(secret)}}}}}},
                                          api::NameOf(account), "token"));
      data["token"] = encoded(api::TextAt(issued, "status.token"));
    }
    api::Make(wanted, "metadata.annotations")[kAccountUid] = api::UidOf(account);
    return PatchObject(client_, kSecrets, secret, wanted, Condition::kSameVersion).status();
  }

  runtime::ApiClient* const client_;
  const std::string root_ca_;
  Informer& accounts_;
  Informer secrets_;
};

}  // namespace

std::unique_ptr<runtime::Controller> MakeServiceAccountController(
    const ControllerContext& context) {
  return std::make_unique<ServiceAccountController>(context);
}
std::unique_ptr<runtime::Controller> MakeRootCaController(const ControllerContext& context,
                                                          std::string root_ca) {
  return std::make_unique<RootCaController>(context, std::move(root_ca));
}
std::unique_ptr<runtime::Controller> MakeTokenSecretController(const ControllerContext& context,
                                                               std::string root_ca) {
  return std::make_unique<TokenSecretController>(context, std::move(root_ca));
}

}  // namespace keelson::controllers
