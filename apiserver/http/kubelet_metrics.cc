#include "apiserver/http/kubelet_metrics.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "apiserver/api/object.h"
#include "base/concat.h"

namespace keelson::apiserver {

using api::Json;

namespace {

constexpr long kTimeoutMs = 5000;
constexpr long kConnectionsMax = 50;
constexpr size_t kAnswerBytesMax = 64 << 20;

// The value of a label between `{` and `}`. Names in Kubernetes need no escapes.
std::string_view LabelOf(std::string_view labels, std::string_view name) {
  for (size_t at = labels.find(name); at != std::string_view::npos;
       at = labels.find(name, at + 1)) {
    const bool begins = at == 0 || labels[at - 1] == ',' || labels[at - 1] == ' ';
    std::string_view rest = labels.substr(at + name.size());
    if (!begins || !rest.starts_with("=\"")) continue;
    rest.remove_prefix(2);
    return rest.substr(0, rest.find('"'));
  }
  return {};
}

// A number at the front of `text`, which then begins behind it and its blank.
template <typename Number>
bool TakeNumber(std::string_view* text, Number* number) {
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), *number);
  if (error != std::errc()) return false;
  text->remove_prefix(static_cast<size_t>(end - text->data()));
  if (text->starts_with(' ')) text->remove_prefix(1);
  return true;
}

// One question to a kubelet.
struct Question {
  std::string kubelet;
  std::string url;
  std::string answer;
  CURL* curl = nullptr;
  bool answered = false;
};

size_t OnBody(char* bytes, size_t size, size_t count, void* question) {
  auto* self = static_cast<Question*>(question);
  if (self->answer.size() + size * count > kAnswerBytesMax) return 0;
  self->answer.append(bytes, size * count);
  return size * count;
}

void Prepare(CURLM* multi, Question* question) {
  question->curl = curl_easy_init();
  if (question->curl == nullptr) return;
  curl_easy_setopt(question->curl, CURLOPT_URL, question->url.c_str());
  curl_easy_setopt(question->curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(question->curl, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(question->curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(question->curl, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(question->curl, CURLOPT_WRITEDATA, question);
  curl_easy_setopt(question->curl, CURLOPT_PRIVATE, question);
  curl_multi_add_handle(multi, question->curl);
}

void NoteAnswers(CURLM* multi) {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE || message->data.result != CURLE_OK) continue;
    Question* question = nullptr;
    long code = 0;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &question);
    curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &code);
    question->answered = code == 200;
  }
}

void AskAll(std::vector<Question>* questions) {
  CURLM* const multi = curl_multi_init();
  if (multi == nullptr) return;
  curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, kConnectionsMax);
  for (Question& question : *questions) Prepare(multi, &question);
  int running = 1;
  while (running > 0) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) break;
    NoteAnswers(multi);
    if (running > 0 && curl_multi_poll(multi, nullptr, 0, 1000, nullptr) != CURLM_OK) break;
  }
  for (Question& question : *questions) {
    if (question.curl == nullptr) continue;
    curl_multi_remove_handle(multi, question.curl);
    curl_easy_cleanup(question.curl);
  }
  curl_multi_cleanup(multi);
}

}  // namespace

std::string KubeletMetrics::KeyOf(std::string_view name_space, std::string_view pod,
                                  std::string_view container) {
  return Concat(name_space, "/", pod, "/", container);
}

const ContainerSample* KubeletMetrics::Find(const std::string& key) const {
  const auto found = samples_.find(key);
  return found == samples_.end() ? nullptr : &found->second;
}

void KubeletMetrics::Take(std::string_view text) {
  constexpr std::string_view kCpu = "container_cpu_usage_seconds_total{";
  constexpr std::string_view kMemory = "container_memory_working_set_bytes{";
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const bool is_cpu = line.starts_with(kCpu);
    if (!is_cpu && !line.starts_with(kMemory)) continue;
    line.remove_prefix(is_cpu ? kCpu.size() : kMemory.size());
    const size_t end = line.find("} ");
    if (end == std::string_view::npos) continue;
    const std::string_view labels = line.substr(0, end);
    line.remove_prefix(end + 2);
    double value = 0;
    int64_t milliseconds = 0;
    if (!TakeNumber(&line, &value) || !TakeNumber(&line, &milliseconds) || !(value >= 0)) continue;
    ContainerSample& sample = samples_[KeyOf(LabelOf(labels, "namespace"), LabelOf(labels, "pod"),
                                             LabelOf(labels, "container"))];
    if (is_cpu) {
      sample.cpu_seconds = value;
      sample.at = absl::FromUnixMillis(milliseconds);
    } else {
      sample.memory_bytes = value < 9e18 ? static_cast<int64_t>(value) : 0;
    }
  }
}

std::shared_ptr<const KubeletMetrics> KubeletMetrics::Read(const std::set<std::string>& kubelets) {
  std::vector<Question> questions;
  questions.reserve(kubelets.size());
  for (const std::string& kubelet : kubelets) {
    questions.push_back(
        {.kubelet = kubelet, .url = Concat("http://", kubelet, "/metrics/resource"), .answer = {}});
  }
  AskAll(&questions);
  auto metrics = std::make_shared<KubeletMetrics>();
  metrics->taken_ = absl::Now();
  for (const Question& question : questions) {
    if (!question.answered) continue;
    metrics->answered_.insert(question.kubelet);
    metrics->Take(question.answer);
  }
  return metrics;
}

std::string KubeletAddressOf(const Json& node) {
  std::string address;
  for (const Json& one : api::ArrayAt(node, "status.addresses")) {
    if (api::TextAt(one, "type") == "InternalIP") address = api::TextAt(one, "address");
  }
  const int64_t port = api::NumberAt(node, "status.daemonEndpoints.kubeletEndpoint.Port");
  if (address.empty() || port <= 0 || port > 65535) return {};
  return Concat(address.find(':') == std::string::npos ? address : Concat("[", address, "]"), ":",
                port);
}

}  // namespace keelson::apiserver
