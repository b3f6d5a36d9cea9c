// StatusServer: the HTTP port of a daemon: /healthz, /livez, /readyz, /metrics, and what else it is
// told to serve. In clear, HTTP/1.1 and HTTP/2, for GET only.
//
// It has a thread of its own; pages are made there and must not block for long.
#ifndef KEELSON_APISERVER_RUNTIME_STATUS_SERVER_H_
#define KEELSON_APISERVER_RUNTIME_STATUS_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace keelson::runtime {

struct Page {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body = {};
  // Asked several times a second, until it gives nullopt or the client has gone, for what follows
  // the body. Not set: the body is all.
  std::function<std::optional<std::string>()> more = {};
};

class StatusServer {
 public:
  StatusServer();
  // Stops.
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

  // `path` begins with `prefix`; `query` is what follows the '?', as it came. The longest prefix
  // wins. REQUIRES: before Run.
  using Render = std::function<Page(std::string_view path, std::string_view query)>;
  void Serve(std::string prefix, Render render);
  // The usual pages. `ready` and `metrics` are called on the server's thread.
  void ServeStatus(std::function<bool()> ready, std::function<std::string()> metrics);

  // `address`: "host:port"; port 0 picks one. Who connects waits until Run.
  absl::Status Listen(const std::string& address);
  uint16_t port() const;
  // Begins to answer. REQUIRES: it listens.
  void Run();
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_STATUS_SERVER_H_
