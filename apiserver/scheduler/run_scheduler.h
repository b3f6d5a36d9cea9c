// The daemon `keelson scheduler`: a scheduler from its flags to its end.
#ifndef KEELSON_APISERVER_SCHEDULER_RUN_SCHEDULER_H_
#define KEELSON_APISERVER_SCHEDULER_RUN_SCHEDULER_H_

#include <string>

#include "apiserver/runtime/api_client.h"

namespace keelson::scheduler {

struct RunSchedulerOptions {
  runtime::ApiClientOptions api;
  // /healthz and /metrics; "": none.
  std::string listen = "127.0.0.1:10259";
  bool leader_elect = false;
  // Unique among all who want to lead; "": of this machine's name and chance.
  std::string identity = {};
  std::string log_level = "info";
};

// Runs until SIGTERM or SIGINT: 0. 1, after a line on stderr: it could not start, or it is not the
// leader any more.
int RunScheduler(RunSchedulerOptions options);

}  // namespace keelson::scheduler

#endif  // KEELSON_APISERVER_SCHEDULER_RUN_SCHEDULER_H_
