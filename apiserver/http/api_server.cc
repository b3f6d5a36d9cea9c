#include "apiserver/http/api_server.h"

#include <atomic>
#include <csignal>
#include <memory>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "apiserver/auth/authenticator.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/auth/bootstrap.h"
#include "apiserver/auth/certificate_requests.h"
#include "apiserver/auth/endpoint_registration.h"
#include "apiserver/auth/escalation.h"
#include "apiserver/auth/node_restriction.h"
#include "apiserver/auth/registry_objects.h"
#include "apiserver/auth/service_account_tokens.h"
#include "apiserver/http/api_front.h"
#include "apiserver/http/pod_logs.h"
#include "apiserver/http/worker_pool.h"
#include "apiserver/registry/compactor.h"
#include "apiserver/registry/registry.h"
#include "apiserver/registry/watch_cache.h"
#include "apiserver/runtime/log.h"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "base/clock.h"
#include "base/concat.h"
#include "base/status_macros.h"
#include "client/client.h"
#include "http/server.h"
#include "http/tls.h"

namespace keelson::apiserver {
namespace {

// The version of Kubernetes whose API this is; clients compare their own with it.
constexpr char kKubernetesVersion[] = "v1.33.1";
constexpr absl::Duration kGrace = absl::Seconds(10);
constexpr size_t kWaitingMax = 600;

// Brings up what every cluster has, then looks once a second whether the store serves.
class Caretaker {
 public:
  Caretaker(registry::Registry* registry, auth::Objects* objects, auth::BootstrapOptions bootstrap)
      : registry_(registry),
        objects_(objects),
        bootstrap_(std::move(bootstrap)),
        thread_([this] { Run(); }) {}
  ~Caretaker() {
    {
      absl::MutexLock lock(&mutex_);
      stopped_ = true;
    }
    thread_.join();
  }
  bool ready() const { return ready_; }

 private:
  void Run() {
    bool begun = false;
    std::string said;
    while (true) {
      absl::Status status = registry_->CurrentRevision().status();
      if (status.ok() && !begun) {
        LoadCaches();
        status = auth::Bootstrap(*objects_, bootstrap_);
        begun = status.ok();
      }
      ready_ = begun && status.ok();
      if (!status.ok() && said != status.message()) {
        runtime::LogWarning(Concat("not ready: ", std::string(status.message())));
      } else if (status.ok() && (!said.empty() || !said_ready_)) {
        runtime::LogInfo("ready");
        said_ready_ = true;
      }
      said = std::string(status.message());
      absl::MutexLock lock(&mutex_);
      const absl::Duration pause = begun ? absl::Seconds(1) : absl::Milliseconds(100);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopped_), pause)) return;
    }
  }
  // All at once, not one after the other as they are first asked for.
  void LoadCaches() {
    for (const api::Kind* kind : api::AllKinds()) {
      if (!kind->storage_prefix.empty()) registry_->Cache(*kind);
    }
  }

  registry::Registry* const registry_;
  auth::Objects* const objects_;
  const auth::BootstrapOptions bootstrap_;
  absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool said_ready_ = false;          // of the thread
  std::atomic<bool> ready_ = false;  // read by the loop
  std::thread thread_;
};

absl::StatusOr<std::shared_ptr<http::TlsCredentials>> LoadTls(const ApiServerOptions& options) {
  http::TlsOptions tls;
  tls.cert_file = options.cert_file;
  tls.key_file = options.key_file;
  tls.trusted_ca_file = options.client_ca_file;
  tls.ask_client_cert = true;
  return http::TlsCredentials::Load(tls,
                                    [](const std::string& line) { runtime::LogWarning(line); });
}

}  // namespace

absl::Status RunApiServer(const ApiServerOptions& options) {
  KV_ASSIGN_OR_RETURN(const std::unique_ptr<client::Client> store,
                      client::Client::Create(options.store));
  // The plugin asks an authorizer that needs the registry, which owns the plugin.
  auth::Authorizer* authorizer_of_plugin = nullptr;
  std::vector<std::unique_ptr<registry::AdmissionPlugin>> plugins =
      registry::MakeAdmissionPlugins();
  plugins.push_back(auth::MakeNodeRestrictionPlugin());
  plugins.push_back(auth::MakeEscalationPlugin(&authorizer_of_plugin));
  plugins.push_back(auth::MakeCertificateRequestPlugin(&authorizer_of_plugin, absl::Now));
  registry::Registry registry(store.get(), std::move(plugins));
  auth::RegistryObjects objects(&registry);
  auth::Authorizer authorizer(&objects);
  authorizer_of_plugin = &authorizer;
  KV_ASSIGN_OR_RETURN(
      const auth::ServiceAccountTokens tokens,
      auth::ServiceAccountTokens::Load(
          {.key_file = options.service_account_key_file, .issuer = options.service_account_issuer},
          &objects, [] { return absl::Now(); }));
  auth::Authenticator::Options authentication{.anonymous = options.anonymous};
  if (!options.token_file.empty()) {
    KV_ASSIGN_OR_RETURN(authentication.static_tokens, auth::ReadTokenFile(options.token_file));
  }
  const auth::Authenticator authenticator(std::move(authentication), &tokens);
  KV_ASSIGN_OR_RETURN(std::shared_ptr<http::TlsCredentials> tls, LoadTls(options));

  asio::io_context loop{1};
  const RealClock clock;
  WorkerPool workers(options.workers, kWaitingMax);
  PodLogs logs(&loop, &registry);
  const std::string advertised = options.advertise_host.empty()
                                     ? auth::AdvertisedAddress(options.listen_host)
                                     : options.advertise_host;
  const int advertised_port =
      options.advertise_port != 0 ? options.advertise_port : options.listen_port;
  Caretaker caretaker(&registry, &objects, {.server_port = advertised_port});
  ApiFront front({.loop = &loop,
                  .workers = &workers,
                  .registry = &registry,
                  .authenticator = &authenticator,
                  .authorizer = &authorizer,
                  .tokens = &tokens,
                  .logs = &logs,
                  .version = kKubernetesVersion,
                  .ready = [&caretaker] { return caretaker.ready(); }});
  http::Server server(&loop, &clock, &front, {});
  KV_RETURN_IF_ERROR(server.Listen(options.listen_host, options.listen_port, std::move(tls)));
  runtime::LogInfo(Concat("listening on ", options.listen_host, ':', server.port()));
  const registry::Compactor compactor(store.get(), absl::Minutes(5));
  std::unique_ptr<auth::EndpointRegistration> registration;
  if (!advertised.empty()) {
    registration = std::make_unique<auth::EndpointRegistration>(
        store.get(), &objects,
        auth::EndpointRegistration::Options{.address = advertised, .port = advertised_port});
  }

  asio::signal_set signals(loop, SIGTERM, SIGINT);
  signals.async_wait([&](const asio::error_code& error, int signal) {
    if (error) return;
    runtime::LogInfo(Concat("ending on signal ", signal));
    front.EndWatches();
    logs.EndAll();
    server.Shutdown(kGrace, [&loop] { loop.stop(); });
  });
  loop.run();
  registration.reset();
  // What workers still do is for clients that have gone, with what ends below.
  workers.End();
  return absl::OkStatus();
}

}  // namespace keelson::apiserver
