#include "server/failpoint_http.h"

#include <pthread.h>

#include <charconv>
#include <thread>
#include <utility>

#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "base/clock.h"
#include "base/status_macros.h"
#include "server/rpc/rpc_server.h"

namespace keelson::server {
namespace {

using rpc::HttpRequest;
using rpc::HttpResponse;

HttpResponse Text(int status, std::string body) {
  return {.status = status, .body = std::move(body)};
}

// What a failure is to whoever asked to change something, or to see it.
HttpResponse Refusal(int status, const char* what, const absl::Status& why) {
  return Text(status, std::string(what) + ": " +
                          std::string(why.message().data(), why.message().size()) + "\n");
}

HttpResponse Changed(const char* what, const absl::Status& status) {
  return status.ok() ? Text(204, "") : Refusal(400, what, status);
}

HttpResponse NotAllowed() {
  return {.status = 405, .body = "Method not allowed\n", .allow = "DELETE, GET, PUT"};
}

HttpResponse ServeAll(FailpointRegistry& registry, const HttpRequest& request) {
  if (request.method != "GET") return NotAllowed();
  std::string lines;
  for (const auto& [name, terms] : registry.List()) lines += name + "=" + terms + "\n";
  return Text(200, std::move(lines));
}

HttpResponse ServeSeveral(FailpointRegistry& registry, const HttpRequest& request) {
  if (request.method != "PUT") return NotAllowed();
  return Changed("fail to set failpoint", registry.EnableAll(request.body));
}

HttpResponse ServeCount(FailpointRegistry& registry, const std::string& name,
                        const HttpRequest& request) {
  if (request.method != "GET") return NotAllowed();
  const auto count = registry.Reached(name);
  if (!count.ok()) return Refusal(404, "failed to GET", count.status());
  return Text(200, std::to_string(*count));
}

HttpResponse ServeOne(FailpointRegistry& registry, const std::string& name,
                      const HttpRequest& request) {
  if (request.method == "PUT") {
    return Changed("fail to set failpoint", registry.Enable(name, request.body));
  }
  if (request.method == "DELETE") {
    return Changed("failed to delete failpoint", registry.Disable(name));
  }
  if (request.method != "GET") return NotAllowed();
  const auto terms = registry.Terms(name);
  if (!terms.ok()) return Refusal(404, "failed to GET", terms.status());
  return Text(200, *terms + "\n");
}

}  // namespace

class FailpointHttp::Impl {
 public:
  explicit Impl(FailpointRegistry* registry) : server_(&loop_, &clock_, {}) {
    const auto serve = [this](const std::string& path, auto handler) {
      server_.RegisterHttp(path, [handler](const HttpRequest& request, const auto& respond) {
        respond(handler(request));
      });
    };
    serve("/", [registry](const HttpRequest& r) { return ServeAll(*registry, r); });
    serve("/failpoints", [registry](const HttpRequest& r) { return ServeSeveral(*registry, r); });
    for (const auto& [name, terms] : registry->List()) {
      serve("/" + name,
            [registry, n = name](const HttpRequest& r) { return ServeOne(*registry, n, r); });
      serve("/" + name + "/count",
            [registry, n = name](const HttpRequest& r) { return ServeCount(*registry, n, r); });
    }
  }
  ~Impl() {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
  }

  absl::Status Start(const std::string& address) {
    const size_t colon = address.rfind(':');
    uint16_t port = 0;
    const char* const end = address.data() + address.size();
    const char* const begin = colon == std::string::npos ? end : address.data() + colon + 1;
    const auto parsed = std::from_chars(begin, end, port);
    if (parsed.ec != std::errc() || parsed.ptr != end) {
      return absl::InvalidArgumentError("GOFAIL_HTTP: not host:port: " + address);
    }
    KV_RETURN_IF_ERROR(server_.Listen(address.substr(0, colon), port));
    thread_ = std::thread([this] { loop_.run(); });
    pthread_setname_np(thread_.native_handle(), "failpoints");
    return absl::OkStatus();
  }

  uint16_t port() const { return server_.port(); }

 private:
  RealClock clock_;
  asio::io_context loop_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> work_ =
      asio::make_work_guard(loop_);
  rpc::RpcServer server_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<FailpointHttp>> FailpointHttp::Start(FailpointRegistry* registry,
                                                                    const std::string& address) {
  auto impl = std::make_unique<Impl>(registry);
  KV_RETURN_IF_ERROR(impl->Start(address));
  return std::unique_ptr<FailpointHttp>(new FailpointHttp(std::move(impl)));
}

FailpointHttp::FailpointHttp(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
FailpointHttp::~FailpointHttp() = default;
uint16_t FailpointHttp::port() const { return impl_->port(); }

}  // namespace keelson::server
