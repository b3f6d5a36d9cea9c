#include "apiserver/http/pod_logs.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/kinds/kinds.h"
#include "apiserver/api/object.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/time.h"
#include "apiserver/http/kubelet_metrics.h"
#include "asio/post.hpp"
#include "base/concat.h"
#include "base/status_macros.h"

namespace keelson::apiserver {

using api::Json;

namespace {

constexpr int kTransfersMax = 100;
// What the client has not taken yet, above which the node is kept waiting.
constexpr size_t kQueuedBytesMax = 1 << 20;

std::string ContainerNames(const Json& containers) {
  std::string names;
  for (const Json& container : containers) {
    Append(&names, names.empty() ? "" : " ", api::TextAt(container, "name"));
  }
  return names;
}

// The container whose log is meant. BadRequest: none of that name, or it is not said which.
absl::StatusOr<std::string> ChooseContainer(const Json& pod, const std::string& wanted) {
  const Json& containers = api::ArrayAt(pod, "spec.containers");
  if (wanted.empty()) {
    if (containers.size() == 1) return api::TextAt(containers[0], "name");
    std::string message = Concat("a container name must be specified for pod ", api::NameOf(pod),
                                 ", choose one of: [", ContainerNames(containers), "]");
    const Json& init = api::ArrayAt(pod, "spec.initContainers");
    if (!init.empty()) {
      Append(&message, " or one of the init containers: [", ContainerNames(init), "]");
    }
    return api::BadRequest(message);
  }
  for (const char* list : {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"}) {
    for (const Json& container : api::ArrayAt(pod, list)) {
      if (api::TextAt(container, "name") == wanted) return wanted;
    }
  }
  return api::BadRequest(Concat("container ", wanted, " is not valid for pod ", api::NameOf(pod)));
}

// What of the log is wanted, for the node. Invalid: numbers that mean nothing.
absl::StatusOr<std::string> LogQueryOf(const RequestInfo& info) {
  std::string query;
  const auto add = [&query](std::string_view name, std::string_view value) {
    Append(&query, query.empty() ? "?" : "&", name, "=", value);
  };
  for (const char* name : {"follow", "previous", "timestamps"}) {
    KV_ASSIGN_OR_RETURN(const bool wanted, ParseFlag(info, name));
    if (wanted) add(name, "true");
  }
  api::FieldErrors errors;
  for (const auto& [name, min, fault] :
       {std::tuple("tailLines", 0, "must be greater than or equal to 0"),
        std::tuple("limitBytes", 1, "must be greater than 0"),
        std::tuple("sinceSeconds", 1, "must be greater than 0")}) {
    KV_ASSIGN_OR_RETURN(const std::optional<int64_t> number, ParseCount(info, name));
    if (!number) continue;
    if (*number < min) errors.Invalid(name, *number, fault);
    add(name, std::to_string(*number));
  }
  if (const std::string& since = info.Parameter("sinceTime"); !since.empty()) {
    const std::optional<absl::Time> time = api::ParseTime(since);
    if (!time) {
      return api::BadRequest(Concat("parsing time ", api::Quoted(since),
                                    " as \"2006-01-02T15:04:05Z07:00\": it is none"));
    }
    if (info.Has("sinceSeconds")) {
      errors.Forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified");
    }
    add("sinceTime", api::FormatTime(*time));
  }
  if (!errors.empty()) return api::Invalid("", "PodLogOptions", info.name, errors);
  return query;
}

}  // namespace

// What transfers share with their threads, which may be at work when PodLogs ends.
struct PodLogs::Shared {
  absl::Mutex mutex;
  int running ABSL_GUARDED_BY(mutex) = 0;
  std::atomic<bool> stopped = false;  // read by transfers between two parts
};

// One log on its way. The thread reads from the node and hands parts to the loop.
class PodLogs::Transfer final : public http::StreamHandler,
                                public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(asio::io_context* loop, std::shared_ptr<Shared> shared, http::Stream* stream)
      : loop_(loop), shared_(std::move(shared)), stream_(stream) {}

  void Run(const std::string& url);
  void Refuse(const absl::Status& status) { SendError(status); }

  void OnData(std::string_view bytes) override { stream_->Consume(bytes.size()); }
  void OnEnd() override {}
  void OnWritable() override { queued_ = stream_->queued_bytes(); }
  void OnClientClosed() override {
    cancelled_ = true;
    if (stream_ != nullptr) stream_->End({});
  }
  void OnClose(http::CloseReason reason) override {
    cancelled_ = true;
    stream_ = nullptr;
  }

 private:
  static size_t OnBody(char* bytes, size_t size, size_t count, void* self);
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t);
  bool Stopped() const { return cancelled_ || shared_->stopped; }

  // On the loop.
  void SendHead(int code, const std::string& type);
  void SendPart(std::string part);
  void SendEnd(int code, std::string rest, const std::string& failure);
  void SendError(const absl::Status& status);

  asio::io_context* const loop_;
  const std::shared_ptr<Shared> shared_;
  http::Stream* stream_;    // of the loop
  bool head_sent_ = false;  // of the loop

  // Of the thread.
  CURL* curl_ = nullptr;
  std::string error_body_;

  std::atomic<bool> cancelled_ = false;  // set by the loop, read by the thread
  // About how many bytes the client has not taken: the thread adds, the loop sets.
  std::atomic<size_t> queued_ = 0;
};

void PodLogs::Transfer::SendHead(int code, const std::string& type) {
  if (stream_ == nullptr || head_sent_) return;
  head_sent_ = true;
  stream_->SendHeaders(code, {{"content-type", type}}, http::EndStream::kNo);
}

void PodLogs::Transfer::SendPart(std::string part) {
  if (stream_ != nullptr) stream_->SendData(std::string_view(part));
  // A client that does not read keeps the thread from reading on.
  queued_ = stream_ != nullptr ? stream_->queued_bytes() : 0;
}

void PodLogs::Transfer::SendEnd(int code, std::string rest, const std::string& failure) {
  if (stream_ == nullptr) return;
  if (!failure.empty() && !head_sent_) {
    SendError(api::Internal(failure));
    return;
  }
  if (!head_sent_ && code >= 300) {
    const Json status = Json::parse(rest, nullptr, /*allow_exceptions=*/false);
    if (status.is_object()) {
      SendError(api::FromAnswer(code, status));
      return;
    }
  }
  SendHead(code, "text/plain");
  if (!rest.empty()) stream_->SendData(std::string_view(rest));
  stream_->End({});
}

void PodLogs::Transfer::SendError(const absl::Status& status) {
  if (stream_ == nullptr || head_sent_) return;
  head_sent_ = true;
  const ApiResponse response = ApiResponse::Of(status);
  stream_->SendHeaders(response.code, {{"content-type", response.content_type}},
                       http::EndStream::kNo);
  stream_->SendData(response.body);
  stream_->End({});
}

size_t PodLogs::Transfer::OnBody(char* bytes, size_t size, size_t count, void* opaque) {
  auto* self = static_cast<Transfer*>(opaque);
  const size_t length = size * count;
  long code = 0;
  curl_easy_getinfo(self->curl_, CURLINFO_RESPONSE_CODE, &code);
  if (code != 200) {
    if (self->error_body_.size() < kQueuedBytesMax) self->error_body_.append(bytes, length);
    return length;
  }
  if (self->Stopped()) return 0;
  // The pause ends by OnProgress, which curl calls about once a second and on every turn.
  if (self->queued_ > kQueuedBytesMax) return CURL_WRITEFUNC_PAUSE;
  self->queued_ += length;
  asio::post(*self->loop_,
             [transfer = self->shared_from_this(), part = std::string(bytes, length)]() mutable {
               transfer->SendHead(200, "text/plain");
               transfer->SendPart(std::move(part));
             });
  return length;
}

int PodLogs::Transfer::OnProgress(void* opaque, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto* self = static_cast<Transfer*>(opaque);
  if (self->Stopped()) return 1;
  if (self->queued_ <= kQueuedBytesMax) curl_easy_pause(self->curl_, CURLPAUSE_CONT);
  return 0;
}

void PodLogs::Transfer::Run(const std::string& url) {
  curl_ = curl_easy_init();
  std::string failure;
  long code = 0;
  if (curl_ != nullptr) {
    curl_easy_setopt(curl_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, 5L);
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &OnBody);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, &OnProgress);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, this);
    const CURLcode result = curl_easy_perform(curl_);
    if (result != CURLE_OK) failure = Concat("Get \"", url, "\": ", curl_easy_strerror(result));
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &code);
    curl_easy_cleanup(curl_);
    curl_ = nullptr;
  } else {
    failure = "no client for the node's log";
  }
  asio::post(*loop_,
             [self = shared_from_this(), code, failure, rest = std::move(error_body_)]() mutable {
               self->SendEnd(static_cast<int>(code), std::move(rest), failure);
             });
  absl::MutexLock lock(&shared_->mutex);
  --shared_->running;
}

PodLogs::PodLogs(asio::io_context* loop, registry::Registry* registry)
    : loop_(loop), registry_(registry), shared_(std::make_shared<Shared>()) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
}

void PodLogs::EndAll() { shared_->stopped = true; }

PodLogs::~PodLogs() {
  EndAll();
  absl::MutexLock lock(&shared_->mutex);
  const auto none_runs = [this]() ABSL_SHARED_LOCKS_REQUIRED(shared_->mutex) {
    return shared_->running == 0;
  };
  shared_->mutex.Await(absl::Condition(&none_runs));
}

absl::StatusOr<std::string> PodLogs::Locate(const ApiRequest& request) {
  const RequestInfo& info = request.info;
  KV_ASSIGN_OR_RETURN(const std::string query, LogQueryOf(info));
  KV_ASSIGN_OR_RETURN(const Json pod, registry_->Get(api::PodKind(), info.name_space, info.name));
  KV_ASSIGN_OR_RETURN(const std::string container,
                      ChooseContainer(pod, info.Parameter("container")));
  const std::string& node_name = api::TextAt(pod, "spec.nodeName");
  if (node_name.empty()) {
    return api::BadRequest(Concat("pod ", api::NameOf(pod), " does not have a host assigned"));
  }
  KV_ASSIGN_OR_RETURN(const Json node, registry_->Get(api::NodeKind(), "", node_name));
  const std::string address = KubeletAddressOf(node);
  if (address.empty()) {
    return api::Internal(Concat("node ", node_name, " does not say where its logs are"));
  }
  return Concat("http://", address, "/containerLogs/", info.name_space, '/', info.name, '/',
                container, query);
}

std::shared_ptr<http::StreamHandler> PodLogs::Start(http::Stream* stream, const std::string& url) {
  auto transfer = std::make_shared<Transfer>(loop_, shared_, stream);
  {
    absl::MutexLock lock(&shared_->mutex);
    if (shared_->running >= kTransfersMax) {
      transfer->Refuse(api::TooManyRequests("too many logs are being read", 1));
      return transfer;
    }
    ++shared_->running;
  }
  try {
    std::thread([transfer, url] { transfer->Run(url); }).detach();
  } catch (const std::system_error&) {
    {
      absl::MutexLock lock(&shared_->mutex);
      --shared_->running;
    }
    transfer->Refuse(api::TooManyRequests("the server has no thread for another log", 1));
  }
  return transfer;
}

}  // namespace keelson::apiserver
