#include "apiserver/runtime/api_client.h"

#include <curl/curl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json_parse.h"
#include "apiserver/api/object.h"
#include "apiserver/api/percent.h"
#include "apiserver/api/raw_json.h"
#include "apiserver/runtime/log.h"
#include "base/clock.h"
#include "base/concat.h"
#include "base/random.h"
#include "base/status_macros.h"

namespace keelson::runtime {
namespace {

using api::Json;

// As client-go.
constexpr int kAttemptsMax = 10;
constexpr int kWatchSecondsMin = 300;
constexpr int kWatchSecondsMax = 600;
// Idle handles keep their connection; more calls than this at once are rare.
constexpr size_t kIdleHandlesMax = 128;
// What a server may send us at most: one event of a watch, one answer.
constexpr size_t kLineBytesMax = 64 << 20;
constexpr size_t kBodyBytesMax = size_t{1} << 30;
constexpr int kWatchPollMs = 1000;

std::string PathOf(const Resource& resource, std::string_view name_space, std::string_view name,
                   std::string_view subresource) {
  std::string path = resource.group.empty()
                         ? Concat("/api/", resource.version)
                         : Concat("/apis/", resource.group, "/", resource.version);
  if (!name_space.empty()) Append(&path, "/namespaces/", api::PercentEncoded(name_space));
  Append(&path, "/", resource.plural);
  if (!name.empty()) Append(&path, "/", api::PercentEncoded(name));
  if (!subresource.empty()) Append(&path, "/", subresource);
  return path;
}

void AddParameter(std::string* path, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  Append(path, path->find('?') == std::string::npos ? '?' : '&', name, "=",
         api::PercentEncoded(value));
}

void AddSelectors(std::string* path, const ListOptions& options) {
  AddParameter(path, "labelSelector", options.label_selector);
  AddParameter(path, "fieldSelector", options.field_selector);
  AddParameter(path, "resourceVersion", options.resource_version);
}

std::string ListPath(const Resource& resource, std::string_view name_space,
                     const ListOptions& options) {
  std::string path = PathOf(resource, name_space, "", "");
  AddSelectors(&path, options);
  if (options.limit > 0) AddParameter(&path, "limit", std::to_string(options.limit));
  AddParameter(&path, "continue", options.continue_token);
  return path;
}

// The request cannot have reached a server.
bool NothingWasSent(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
         code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION;
}

struct EasyDelete {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct MultiDelete {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};
struct ListDelete {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyDelete>;
using Multi = std::unique_ptr<CURLM, MultiDelete>;
using HeaderList = std::unique_ptr<curl_slist, ListDelete>;

struct Answer {
  long http_code = 0;
  std::string body;
  int retry_after_seconds = 0;
};

// An object or an event, without managedFields: they are most of many, and no daemon reads them.
std::optional<Json> ParseAnswer(std::string_view text) {
  const api::SplitText split = api::WithoutManagedFields(text);
  return api::ParseText(split.managed.empty() ? text : split.rest);
}

size_t TakeBody(char* bytes, size_t one, size_t count, void* user) {
  std::string& body = static_cast<Answer*>(user)->body;
  if (body.size() + count > kBodyBytesMax) return 0;
  body.append(bytes, one * count);
  return one * count;
}

size_t TakeHeader(char* bytes, size_t one, size_t count, void* user) {
  constexpr std::string_view kName = "retry-after:";
  const std::string_view line(bytes, one * count);
  if (line.size() > kName.size() &&
      std::equal(kName.begin(), kName.end(), line.begin(), [](char lower, char c) {
        return lower == std::tolower(static_cast<unsigned char>(c));
      })) {
    int seconds = 0;
    if (absl::SimpleAtoi(std::string(line.substr(kName.size())), &seconds) && seconds > 0) {
      static_cast<Answer*>(user)->retry_after_seconds = seconds;
    }
  }
  return one * count;
}

absl::Status StatusOf(const Answer& answer) {
  const Json body = Json::parse(answer.body, nullptr, false);
  return api::FromAnswer(static_cast<int>(answer.http_code),
                         body.is_discarded() ? Json(answer.body.substr(0, 1000)) : body);
}

// So many at once, so many a second after that; whoever comes too early waits.
class RateLimit {
 public:
  RateLimit(double per_second, int burst) : per_second_(per_second), left_(burst), burst_(burst) {}

  // How long to wait before going on; the place in line is taken. nullopt: longer than `most`.
  std::optional<absl::Duration> Take(absl::Duration most) {
    if (per_second_ <= 0) return absl::ZeroDuration();
    absl::MutexLock lock(&mu_);
    const absl::Duration now = clock_.Now();
    left_ = std::min(burst_, left_ + absl::ToDoubleSeconds(now - filled_at_) * per_second_);
    filled_at_ = now;
    const absl::Duration wait = absl::Seconds(std::max(0.0, (1 - left_) / per_second_));
    if (wait > most) return std::nullopt;
    left_ -= 1;
    return wait;
  }

 private:
  const RealClock clock_;
  const double per_second_;
  absl::Mutex mu_;
  double left_ ABSL_GUARDED_BY(mu_);  // below 0: how many wait
  const double burst_;
  absl::Duration filled_at_ ABSL_GUARDED_BY(mu_) = clock_.Now();
};

// The events in the body of a watch: one JSON object a line.
class EventLines {
 public:
  explicit EventLines(const std::function<bool(WatchEvent)>* on_event) : on_event_(on_event) {}

  // False: no more is wanted, or what came is no event.
  bool Take(std::string_view bytes) {
    while (true) {
      const size_t end = bytes.find('\n');
      if (end == std::string_view::npos) break;
      partial_.append(bytes.substr(0, end));
      bytes.remove_prefix(end + 1);
      const bool more = TakeLine(partial_);
      partial_.clear();
      if (!more) return false;
    }
    partial_.append(bytes);
    if (partial_.size() <= kLineBytesMax) return true;
    malformed_ = true;
    return false;
  }

  bool done() const { return done_; }
  bool malformed() const { return malformed_; }

 private:
  bool TakeLine(const std::string& line) {
    if (line.find_first_not_of(" \r") == std::string::npos) return true;
    std::optional<Json> event = ParseAnswer(line);
    if (!event) event = Json();
    const std::optional<WatchEvent::Type> type = TypeOf(api::TextAt(*event, "type"));
    Json* object = api::Find(*event, "object");
    if (!type || object == nullptr) {
      malformed_ = true;
      return false;
    }
    done_ = !(*on_event_)({*type, std::move(*object)});
    return !done_;
  }

  static std::optional<WatchEvent::Type> TypeOf(const std::string& text) {
    if (text == "ADDED") return WatchEvent::Type::kAdded;
    if (text == "MODIFIED") return WatchEvent::Type::kModified;
    if (text == "DELETED") return WatchEvent::Type::kDeleted;
    if (text == "BOOKMARK") return WatchEvent::Type::kBookmark;
    if (text == "ERROR") return WatchEvent::Type::kError;
    return std::nullopt;
  }

  const std::function<bool(WatchEvent)>* const on_event_;
  std::string partial_;
  bool done_ = false;
  bool malformed_ = false;
};

// One watch under way: its lines where the answer is 200, else the body of the refusal.
struct WatchAnswer {
  CURL* easy;
  EventLines lines;
  Answer refusal;
};

size_t TakeWatchBody(char* bytes, size_t one, size_t count, void* user) {
  auto* answer = static_cast<WatchAnswer*>(user);
  curl_easy_getinfo(answer->easy, CURLINFO_RESPONSE_CODE, &answer->refusal.http_code);
  if (answer->refusal.http_code != 200) return TakeBody(bytes, one, count, &answer->refusal);
  return answer->lines.Take({bytes, one * count}) ? one * count : 0;
}

class CurlApiClient final : public ApiClient {
 public:
  explicit CurlApiClient(ApiClientOptions options)
      : options_(std::move(options)),
        rate_limit_(options_.requests_per_second, options_.burst),
        chance_(SystemSeed()) {}

  absl::StatusOr<Json> Get(const Resource& resource, std::string_view name_space,
                           std::string_view name, std::string_view subresource) override {
    return Call("GET", PathOf(resource, name_space, name, subresource), "", "");
  }

  absl::StatusOr<Json> List(const Resource& resource, std::string_view name_space,
                            const ListOptions& options) override {
    return Call("GET", ListPath(resource, name_space, options), "", "",
                options.form == ListOptions::Form::kMetadata ? Wanted::kMetadata : Wanted::kAll);
  }

  absl::StatusOr<Json> Create(const Resource& resource, std::string_view name_space,
                              const Json& object, std::string_view name,
                              std::string_view subresource) override {
    return Call("POST", PathOf(resource, name_space, name, subresource), "application/json",
                Text(object));
  }

  absl::StatusOr<Json> Update(const Resource& resource, const Json& object,
                              std::string_view subresource) override {
    return Call("PUT", PathOf(resource, api::NamespaceOf(object), api::NameOf(object), subresource),
                "application/json", Text(object));
  }

  absl::StatusOr<Json> CreateForMetadata(const Resource& resource, std::string_view name_space,
                                         const Json& object) override {
    return Call("POST", PathOf(resource, name_space, "", ""), "application/json", Text(object),
                Wanted::kIdentity);
  }

  absl::StatusOr<Json> Patch(const Resource& resource, std::string_view name_space,
                             std::string_view name, PatchType type, const Json& patch,
                             std::string_view subresource) override {
    return Call("PATCH", PathOf(resource, name_space, name, subresource), ContentOf(type),
                Text(patch));
  }

  absl::StatusOr<Json> PatchForMetadata(const Resource& resource, std::string_view name_space,
                                        std::string_view name, PatchType type, const Json& patch,
                                        std::string_view subresource) override {
    return Call("PATCH", PathOf(resource, name_space, name, subresource), ContentOf(type),
                Text(patch), Wanted::kIdentity);
  }

  absl::Status Delete(const Resource& resource, std::string_view name_space, std::string_view name,
                      const Json& options) override {
    return Call("DELETE", PathOf(resource, name_space, name, ""), "application/json",
                options.is_null() ? "" : Text(options), Wanted::kNothing)
        .status();
  }

  absl::StatusOr<std::string> DeleteCollection(const Resource& resource,
                                               std::string_view name_space,
                                               const ListOptions& options) override {
    KV_ASSIGN_OR_RETURN(const Json deleted, Call("DELETE", ListPath(resource, name_space, options),
                                                 "", "", Wanted::kMetadata));
    return api::TextAt(deleted, "metadata.continue");
  }

  absl::StatusOr<Json> GetPath(std::string_view path) override {
    return Call("GET", std::string(path), "", "");
  }

  absl::Status Watch(const Resource& resource, std::string_view name_space,
                     const ListOptions& options, const std::function<bool(WatchEvent)>& on_event,
                     const std::function<bool()>& stop) override;

  void WakeWatches() override {
    absl::MutexLock lock(&mu_);
    for (CURLM* watch : watches_) curl_multi_wakeup(watch);
  }

 private:
  // Of the answer to a request that succeeds.
  enum class Wanted { kAll, kMetadata, kIdentity, kNothing };

  static const char* ContentOf(PatchType type) {
    switch (type) {
      case PatchType::kJson:
        return "application/json-patch+json";
      case PatchType::kMerge:
        return "application/merge-patch+json";
      case PatchType::kStrategicMerge:
        break;
    }
    return "application/strategic-merge-patch+json";
  }
  static std::string Text(const Json& object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

  absl::StatusOr<Json> Call(const char* method, const std::string& path, const char* content_type,
                            const std::string& body, Wanted wanted = Wanted::kAll);
  // One request to one server.
  CURLcode Try(size_t server, const char* method, const std::string& path, const char* content_type,
               const std::string& body, Wanted wanted, absl::Duration timeout, Answer* answer);
  void Prepare(CURL* easy, const std::string& url) const;

  Easy TakeHandle() {
    {
      absl::MutexLock lock(&mu_);
      if (!idle_.empty()) {
        Easy handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    return Easy(curl_easy_init());
  }
  void GiveHandle(Easy handle) {
    curl_easy_reset(handle.get());  // but for its connection
    absl::MutexLock lock(&mu_);
    if (idle_.size() < kIdleHandlesMax) idle_.push_back(std::move(handle));
  }

  // From now on another server is asked, unless somebody has seen to that already.
  void Avoid(size_t server) {
    current_.compare_exchange_strong(server, (server + 1) % options_.servers.size());
  }
  uint64_t Chance(uint64_t below) {
    absl::MutexLock lock(&mu_);
    return chance_.Below(below);
  }

  const ApiClientOptions options_;
  const RealClock clock_;
  RateLimit rate_limit_;
  absl::Mutex mu_;
  std::vector<Easy> idle_ ABSL_GUARDED_BY(mu_);
  std::set<CURLM*> watches_ ABSL_GUARDED_BY(mu_);
  SeededRandom chance_ ABSL_GUARDED_BY(mu_);
  std::atomic<size_t> current_ = 0;  // the server to ask; whoever sees it fail moves it on
};

void CurlApiClient::Prepare(CURL* easy, const std::string& url) const {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, options_.user_agent.c_str());
  curl_easy_setopt(easy, CURLOPT_PROXY, "");
  curl_easy_setopt(easy, CURLOPT_MAXCONNECTS, 2L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 20L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, absl::ToInt64Milliseconds(options_.timeout));
  if (!options_.ca_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_CAINFO, options_.ca_file.c_str());
  }
  if (!options_.cert_file.empty()) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, options_.cert_file.c_str());
    curl_easy_setopt(easy, CURLOPT_SSLKEY, options_.key_file.c_str());
  }
}

CURLcode CurlApiClient::Try(size_t server, const char* method, const std::string& path,
                            const char* content_type, const std::string& body, Wanted wanted,
                            absl::Duration timeout, Answer* answer) {
  Easy handle = TakeHandle();
  CURL* const easy = handle.get();
  Prepare(easy, options_.servers[server] + path);
  HeaderList headers(curl_slist_append(
      nullptr, wanted == Wanted::kAll
                   ? "Accept: application/json"
                   : "Accept: application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,"
                     "application/json"));
  if (!body.empty()) {
    const std::string type = Concat("Content-Type: ", content_type);
    curl_slist_append(headers.get(), type.c_str());
    curl_slist_append(headers.get(), "Expect:");
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.data());
  }
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                   std::max<int64_t>(1, absl::ToInt64Milliseconds(timeout)));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, TakeBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, answer);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, TakeHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, answer);
  const CURLcode code = curl_easy_perform(easy);
  if (code == CURLE_OK) curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer->http_code);
  GiveHandle(std::move(handle));
  return code;
}

absl::StatusOr<Json> CurlApiClient::Call(const char* method, const std::string& path,
                                         const char* content_type, const std::string& body,
                                         Wanted wanted) {
  const absl::Duration deadline = clock_.Now() + options_.timeout;
  const std::optional<absl::Duration> wait = rate_limit_.Take(options_.timeout);
  if (!wait) return api::Unavailable("the client's own rate limit would hold it past its timeout");
  if (*wait > absl::ZeroDuration()) std::this_thread::sleep_for(absl::ToChronoNanoseconds(*wait));

  size_t unreachable = 0;
  for (int attempt = 1;; ++attempt) {
    Answer answer;
    const size_t server = current_.load();
    const absl::Duration left = deadline - clock_.Now();
    const CURLcode code = Try(server, method, path, content_type, body, wanted, left, &answer);
    if (code != CURLE_OK) {
      Avoid(server);
      const bool again = NothingWasSent(code) || std::string_view(method) == "GET";
      if (again && ++unreachable < options_.servers.size() && clock_.Now() < deadline) continue;
      return api::Unavailable(
          Concat(method, " ", options_.servers[server], path, ": ", curl_easy_strerror(code)));
    }
    if (answer.http_code >= 200 && answer.http_code < 300) {
      if (wanted == Wanted::kNothing) return Json();
      std::optional<Json> object =
          wanted == Wanted::kIdentity
              ? api::PartsOf(answer.body, {"metadata.name", "metadata.namespace", "metadata.uid",
                                           "metadata.resourceVersion"})
              : std::nullopt;
      if (!object) object = ParseAnswer(answer.body);
      if (object) return *std::move(object);
      return api::Unavailable(Concat(method, " ", path, ": the answer is not JSON"));
    }
    const bool busy = answer.http_code == 429 || answer.http_code >= 500;
    const absl::Duration pause = absl::Seconds(answer.retry_after_seconds);
    if (!busy || answer.retry_after_seconds == 0 || attempt > kAttemptsMax ||
        clock_.Now() + pause >= deadline) {
      return StatusOf(answer);
    }
    if (answer.http_code == 503) Avoid(server);
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(pause));
  }
}

absl::Status CurlApiClient::Watch(const Resource& resource, std::string_view name_space,
                                  const ListOptions& options,
                                  const std::function<bool(WatchEvent)>& on_event,
                                  const std::function<bool()>& stop) {
  std::string path = PathOf(resource, name_space, "", "");
  AddSelectors(&path, options);
  AddParameter(&path, "watch", "true");
  AddParameter(&path, "allowWatchBookmarks", "true");
  // Not all at the same time.
  const uint64_t seconds = kWatchSecondsMin + Chance(kWatchSecondsMax - kWatchSecondsMin);
  AddParameter(&path, "timeoutSeconds", std::to_string(seconds));

  const size_t server = current_.load();
  const Multi multi(curl_multi_init());
  const Easy easy(curl_easy_init());
  WatchAnswer answer{easy.get(), EventLines(&on_event), {}};
  Prepare(easy.get(), options_.servers[server] + path);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, TakeWatchBody);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
  curl_multi_add_handle(multi.get(), easy.get());
  {
    absl::MutexLock lock(&mu_);
    watches_.insert(multi.get());
  }
  std::optional<CURLcode> result;
  bool stopped = false;
  while (!(stopped = stop())) {
    int running = 0;
    curl_multi_perform(multi.get(), &running);
    int left = 0;
    if (const CURLMsg* done = curl_multi_info_read(multi.get(), &left); done != nullptr) {
      result = done->data.result;
      break;
    }
    curl_multi_poll(multi.get(), nullptr, 0, kWatchPollMs, nullptr);
  }
  {
    absl::MutexLock lock(&mu_);
    watches_.erase(multi.get());
  }
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &answer.refusal.http_code);
  curl_multi_remove_handle(multi.get(), easy.get());

  if (stopped) return absl::CancelledError("stopped");
  if (answer.lines.done()) return absl::OkStatus();
  if (answer.lines.malformed()) return api::Unavailable(Concat(path, ": malformed event"));
  if (*result != CURLE_OK) {
    Avoid(server);
    return api::Unavailable(
        Concat(options_.servers[server], path, ": ", curl_easy_strerror(*result)));
  }
  return answer.refusal.http_code == 200 ? absl::OkStatus() : StatusOf(answer.refusal);
}

absl::Status CheckReadable(const std::string& file) {
  if (file.empty() || access(file.c_str(), R_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("cannot read ", file));
}

absl::Status CheckServer(std::string_view server) {
  CURLU* const parsed = curl_url();
  const CURLUcode code = curl_url_set(parsed, CURLUPART_URL, std::string(server).c_str(), 0);
  curl_url_cleanup(parsed);
  const bool known_scheme = server.starts_with("https://") || server.starts_with("http://");
  if (code == CURLUE_OK && known_scheme) return absl::OkStatus();
  return absl::InvalidArgumentError(Concat("\"", server, "\" is no address of a server"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ApiClient>> MakeApiClient(ApiClientOptions options) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  if (options.servers.empty()) return absl::InvalidArgumentError("no server is named");
  for (std::string& server : options.servers) {
    KV_RETURN_IF_ERROR(CheckServer(server));
    while (server.ends_with('/')) server.pop_back();
  }
  for (const std::string* file : {&options.ca_file, &options.cert_file, &options.key_file}) {
    KV_RETURN_IF_ERROR(CheckReadable(*file));
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("a certificate needs its key and a key its certificate");
  }
  return std::unique_ptr<ApiClient>(std::make_unique<CurlApiClient>(std::move(options)));
}

}  // namespace keelson::runtime
