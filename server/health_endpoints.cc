#include "server/health_endpoints.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "server/alarm_key.h"
#include "server/kv_executor.h"
#include "server/services.h"
#include "server/version.h"

namespace keelson::server {
namespace {

constexpr char kText[] = "text/plain; charset=utf-8";

// The values of a query, by name, in order.
using Query = std::map<std::string, std::vector<std::string>>;

bool IsHex(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); }

std::string Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain.push_back(' ');
    } else if (text[i] == '%' && i + 2 < text.size() && IsHex(text[i + 1]) && IsHex(text[i + 2])) {
      plain += absl::HexStringToBytes(std::string(text.substr(i + 1, 2)));
      i += 2;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

Query ParseQuery(std::string_view text) {
  Query query;
  for (const std::string& part :
       std::vector<std::string>(absl::StrSplit(std::string(text), '&', absl::SkipEmpty()))) {
    const size_t equals = std::min(part.find('='), part.size());
    std::string value =
        equals == part.size() ? "" : Unescape(std::string_view(part).substr(equals + 1));
    query[Unescape(std::string_view(part).substr(0, equals))].push_back(std::move(value));
  }
  return query;
}

bool Names(const Query& query, const std::string& parameter, const std::string& value) {
  const auto found = query.find(parameter);
  return found != query.end() && std::count(found->second.begin(), found->second.end(), value) > 0;
}

// GET alone is served, as by etcd.
rpc::HttpHandler GetOnly(
    std::function<void(const rpc::HttpRequest&, std::function<void(rpc::HttpResponse)>)> serve) {
  return [serve = std::move(serve)](rpc::HttpRequest request, auto respond) {
    if (request.method == "GET") return serve(request, std::move(respond));
    respond({.status = 405, .content_type = kText, .body = "Method Not Allowed\n", .allow = "GET"});
  };
}

void ServeVersion(const rpc::HttpRequest&, const std::function<void(rpc::HttpResponse)>& respond) {
  const nlohmann::ordered_json version = {{"etcdserver", kEtcdVersion},
                                          {"etcdcluster", kEtcdClusterVersion},
                                          {"storage", kEtcdVersion}};
  respond({.content_type = "application/json", .body = version.dump()});
}

}  // namespace

// The checks of one request.
struct HealthEndpoints::Run {
  std::vector<size_t> checks;  // in checks_
  size_t next = 0;
  bool failed = false;
  bool verbose = false;
  std::string lines;
  Respond respond;
};

HealthEndpoints::HealthEndpoints(MemberCore* core) : core_(core) {
  const auto read_locally = [this](const Done& done) { done(ReadLocally()); };
  Add("livez", "serializable_read", read_locally);
  Add("readyz", "data_corruption", [this](const Done& done) {
    absl::Status status;
    ForEachAlarm(core_->store(), [&status](const AlarmKey& alarm) {
      if (alarm.alarm == etcdserverpb::CORRUPT) {
        status = absl::DataLossError("alarm activated: CORRUPT");
      }
    });
    done(status);
  });
  Add("readyz", "serializable_read", read_locally);
  Add("readyz", "linearizable_read", [this](Done done) {
    core_->AwaitLinearizable([this, done = std::move(done)](const absl::Status& status) {
      done(status.ok() ? ReadLocally() : status);
    });
  });
  Add("readyz", "non_learner", [this](const Done& done) {
    const raft::ConfState conf = core_->node().status().conf;
    const bool learner =
        std::count(conf.learners.begin(), conf.learners.end(), core_->options().id) > 0;
    done(learner ? absl::FailedPreconditionError("not supported for learner") : absl::OkStatus());
  });
}

void HealthEndpoints::Add(const std::string& type, const std::string& name,
                          std::function<void(Done)> run) {
  checks_.push_back({counts_.size(), std::move(run)});
  counts_.push_back({.type = type, .name = name});
}

void HealthEndpoints::Register(rpc::RpcServer* server) {
  server->RegisterHttp("/health", GetOnly([this](const rpc::HttpRequest& request, Respond respond) {
                         ServeHealth(request.query, std::move(respond));
                       }));
  RegisterChecks(server, "livez");
  RegisterChecks(server, "readyz");
}

void HealthEndpoints::RegisterVersion(rpc::RpcServer* server) {
  server->RegisterHttp("/version", GetOnly(ServeVersion));
}

void HealthEndpoints::RegisterChecks(rpc::RpcServer* server, const std::string& type) {
  server->RegisterHttp("/" + type,
                       GetOnly([this, type](const rpc::HttpRequest& request, Respond respond) {
                         ServeChecks(type, request.query, std::move(respond));
                       }));
  for (size_t i = 0; i < checks_.size(); ++i) {
    const CheckCount& count = counts_[checks_[i].count];
    if (count.type != type) continue;
    server->RegisterHttp(absl::StrCat("/", type, "/", count.name),
                         GetOnly([this, i](const rpc::HttpRequest& request, Respond respond) {
                           auto run = std::make_shared<Run>();
                           run->checks = {i};
                           run->verbose = ParseQuery(request.query).contains("verbose");
                           run->respond = std::move(respond);
                           RunChecks(run);
                         }));
  }
}

absl::Status HealthEndpoints::ReadLocally() const {
  if (core_->stopped()) return absl::UnavailableError("etcdserver: server stopped");
  etcdserverpb::RangeRequest request;
  request.set_key(std::string(1, '\0'));
  request.set_range_end(std::string(1, '\0'));
  request.set_limit(1);
  request.set_keys_only(true);
  return KvExecutor(&core_->store(), core_->kv_counters()).Range(request).status();
}

// ----------------------------------------------------------------------------------------- health

void HealthEndpoints::ServeHealth(std::string_view query_text, Respond respond) {
  const Query query = ParseQuery(query_text);
  std::string reason;
  ForEachAlarm(core_->store(), [&](const AlarmKey& alarm) {
    const std::string& name =
        etcdserverpb::AlarmType_Name(static_cast<etcdserverpb::AlarmType>(alarm.alarm));
    if (!reason.empty() || Names(query, "exclude", name)) return;
    reason = "ALARM " + (name.empty() ? "UNKNOWN" : name);
  });
  if (!reason.empty()) return AnswerHealth(respond, reason);
  const auto serializable = query.find("serializable");
  const auto finish = [this](const Respond& to, const absl::Status& status) {
    AnswerHealth(to, status.ok() ? "" : absl::StrCat("RANGE ERROR:", status.message()));
  };
  if (serializable != query.end() && serializable->second.front() == "true") {
    return finish(respond, ReadLocally());
  }
  if (!core_->node().leader()) return AnswerHealth(respond, "RAFT NO LEADER");
  core_->AwaitLinearizable(
      [this, finish, respond = std::move(respond)](const absl::Status& status) {
        finish(respond, status.ok() ? ReadLocally() : status);
      });
}

void HealthEndpoints::AnswerHealth(const Respond& respond, std::string_view reason) {
  const bool healthy = reason.empty();
  ++(healthy ? health_successes_ : health_failures_);
  const nlohmann::ordered_json body = {{"health", healthy ? "true" : "false"}, {"reason", reason}};
  respond({.status = healthy ? 200 : 503,
           .content_type = kText,
           .body = body.dump() + (healthy ? "" : "\n")});
}

// --------------------------------------------------------------------------- /livez and /readyz

void HealthEndpoints::ServeChecks(const std::string& type, std::string_view query_text,
                                  Respond respond) {
  const Query query = ParseQuery(query_text);
  if (query.contains("allowlist") && query.contains("exclude")) {
    return respond(
        {.status = 503,
         .content_type = kText,
         .body = absl::StrCat("do not expect both allowlist: [",
                              absl::StrJoin(query.at("allowlist"), " "), "] and exclude list: [",
                              absl::StrJoin(query.at("exclude"), " "),
                              "] to be both specified in /", type, ".\n\n")});
  }
  auto run = std::make_shared<Run>();
  for (size_t i = 0; i < checks_.size(); ++i) {
    const CheckCount& count = counts_[checks_[i].count];
    if (count.type != type || Names(query, "exclude", count.name)) continue;
    if (query.contains("allowlist") && !Names(query, "allowlist", count.name)) continue;
    run->checks.push_back(i);
  }
  run->verbose = query.contains("verbose");
  run->respond = std::move(respond);
  RunChecks(run);
}

void HealthEndpoints::RunChecks(const std::shared_ptr<Run>& run) {
  if (run->next < run->checks.size()) {
    const Check& check = checks_[run->checks[run->next++]];
    return check.run([this, run, &check](const absl::Status& status) {
      CheckCount& count = counts_[check.count];
      ++(status.ok() ? count.passed : count.failed);
      count.passes = status.ok();
      run->failed |= !status.ok();
      absl::StrAppend(&run->lines, status.ok() ? "[+]" : "[-]", count.name,
                      status.ok() ? " ok" : absl::StrCat(" failed: ", status.message()), "\n");
      RunChecks(run);
    });
  }
  if (run->failed) {
    return run->respond({.status = 503, .content_type = kText, .body = run->lines + "\n"});
  }
  run->respond({.content_type = kText, .body = (run->verbose ? run->lines : "") + "ok\n"});
}

}  // namespace keelson::server
