// The controllers of a cluster, and the daemon `keelson controllers` that runs them.
#ifndef KEELSON_APISERVER_CONTROLLERS_CONTROLLERS_H_
#define KEELSON_APISERVER_CONTROLLERS_CONTROLLERS_H_

#include <memory>
#include <string>
#include <vector>

#include "apiserver/runtime/api_client.h"
#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

struct ControllersOptions {
  // The authority of the API servers' certificates, given to every namespace in kube-root-ca.crt.
  std::string root_ca;
};

// All of them; nothing runs before Start.
std::vector<std::unique_ptr<runtime::Controller>> MakeControllers(
    const runtime::ControllerContext& context, const ControllersOptions& options);

struct RunControllersOptions {
  runtime::ApiClientOptions api;
  // /healthz, /readyz and /metrics; "": none.
  std::string listen = "127.0.0.1:10257";
  bool leader_elect = false;
  // Unique among all who want to lead; "": of this machine's name and chance.
  std::string identity = {};
  std::string log_level = "info";
};

// Runs until SIGTERM or SIGINT: 0. 1, after a line on stderr: it could not start, or it is not the
// leader any more.
int RunControllers(RunControllersOptions options);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_CONTROLLERS_H_
