#include "apiserver/runtime/api_client.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/object.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/post.hpp"
#include "base/check.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/server.h"

namespace keelson::runtime {
namespace {

using api::Json;
using testing::ElementsAre;
using testing::HasSubstr;

const Resource kPods{"", "v1", "pods"};
const Resource kDeployments{"apps", "v1", "deployments"};

struct Seen {
  std::string method;
  std::string path;
  std::string content_type;
  std::string body;
  std::string peer;
  std::string common_name;
};

// An HTTP server on a thread of its own that answers as the test says.
class FakeServer final : public http::RequestHandler {
 public:
  // What to answer; streams that it leaves open are closed with the server.
  using Answer = std::function<void(const Seen& seen, http::Stream* stream)>;

  explicit FakeServer(Answer answer, std::shared_ptr<http::TlsCredentials> tls = nullptr)
      : answer_(std::move(answer)) {
    server_ = std::make_unique<http::Server>(&loop_, &clock_, this, http::ServerOptions{});
    const absl::Status status = server_->Listen("127.0.0.1", 0, tls);
    KV_CHECK(status.ok()) << status;
    address_ = (tls != nullptr ? "https://127.0.0.1:" : "http://127.0.0.1:") +
               std::to_string(server_->port());
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~FakeServer() override { Stop(); }
  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(loop_,
               [this] { server_->Shutdown(absl::ZeroDuration(), [this] { loop_.stop(); }); });
    thread_.join();
    server_.reset();
  }
  void Post(std::function<void()> task) { asio::post(loop_, std::move(task)); }
  const std::string& address() const { return address_; }
  std::vector<Seen> seen() {
    absl::MutexLock lock(&mu_);
    return seen_;
  }

  static void Reply(http::Stream* stream, int status, const std::string& body,
                    std::vector<http::Header> headers = {}) {
    stream->SendHeaders(status, headers, http::EndStream::kNo);
    stream->SendData(std::string_view(body));
    stream->End({});
  }

 private:
  class Handler final : public http::StreamHandler {
   public:
    Handler(FakeServer* server, http::Stream* stream, Seen seen)
        : server_(server), stream_(stream), seen_(std::move(seen)) {}
    void OnData(std::string_view bytes) override {
      seen_.body.append(bytes);
      stream_->Consume(bytes.size());
    }
    void OnEnd() override {
      {
        absl::MutexLock lock(&server_->mu_);
        server_->seen_.push_back(seen_);
      }
      server_->answer_(seen_, stream_);
    }
    void OnClose(http::CloseReason) override {}

   private:
    FakeServer* const server_;
    http::Stream* const stream_;
    Seen seen_;
  };

  std::shared_ptr<http::StreamHandler> OnRequest(http::Stream* stream,
                                                 http::Request request) override {
    return std::make_shared<Handler>(
        this, stream,
        Seen{.method = std::string(request.headers.Get(":method")),
             .path = std::string(request.headers.Get(":path")),
             .content_type = std::string(request.headers.Get("content-type")),
             .body = {},
             .peer = stream->peer_address(),
             .common_name = stream->peer_certificate().common_name});
  }

  const Answer answer_;
  const RealClock clock_;
  asio::io_context loop_{1};
  std::unique_ptr<http::Server> server_;
  std::string address_;
  std::thread thread_;
  absl::Mutex mu_;
  std::vector<Seen> seen_ ABSL_GUARDED_BY(mu_);
};

std::unique_ptr<ApiClient> ClientOf(std::vector<std::string> servers) {
  absl::StatusOr<std::unique_ptr<ApiClient>> client =
      MakeApiClient({.servers = std::move(servers), .timeout = absl::Seconds(60)});
  KV_CHECK(client.ok()) << client.status();
  return *std::move(client);
}

void Echo(const Seen& seen, http::Stream* stream) {
  FakeServer::Reply(stream, 200, R"({"kind":"Pod","metadata":{"name":"a"}})");
}

TEST(ApiClientTest, EveryCallHasThePathVerbAndBodyOfItsKind) {
  FakeServer server(Echo);
  const auto client = ClientOf({server.address()});
  const Json object = {{"metadata", {{"name", "a"}, {"namespace", "ns"}}}};
  ASSERT_TRUE(client->Get(kPods, "ns", "a").ok());
  ASSERT_TRUE(client
                  ->List(kDeployments, "",
                         {.label_selector = "a=b,c in (d)", .limit = 5, .continue_token = "t=="})
                  .ok());
  ASSERT_TRUE(client->Create(kPods, "ns", object, "a", "binding").ok());
  ASSERT_TRUE(client->Update(kDeployments, object, "status").ok());
  ASSERT_TRUE(client->Patch(kPods, "ns", "a", PatchType::kMerge, object).ok());
  ASSERT_TRUE(client->Patch(kPods, "ns", "a", PatchType::kJson, Json::array()).ok());
  ASSERT_TRUE(client->Patch(kPods, "ns", "a", PatchType::kStrategicMerge, object, "status").ok());
  ASSERT_TRUE(client->Delete(kPods, "ns", "a", {{"gracePeriodSeconds", 0}}).ok());
  ASSERT_TRUE(
      client->Delete({"rbac.authorization.k8s.io", "v1", "clusterroles"}, "", "a/b:c", {}).ok());
  ASSERT_TRUE(client->GetPath("/apis").ok());
  std::vector<std::string> calls;
  for (const Seen& seen : server.seen()) {
    calls.push_back(seen.method + " " + seen.path + " " + seen.content_type + " " + seen.body);
  }
  EXPECT_THAT(
      calls,
      ElementsAre(
          "GET /api/v1/namespaces/ns/pods/a  ",
          "GET /apis/apps/v1/deployments?labelSelector=a%3Db%2Cc%20in%20%28d%29&limit=5&"
          "continue=t%3D%3D  ",
          "POST /api/v1/namespaces/ns/pods/a/binding application/json " + object.dump(),
          "PUT /apis/apps/v1/namespaces/ns/deployments/a/status application/json " + object.dump(),
          "PATCH /api/v1/namespaces/ns/pods/a application/merge-patch+json " + object.dump(),
          "PATCH /api/v1/namespaces/ns/pods/a application/json-patch+json []",
          "PATCH /api/v1/namespaces/ns/pods/a/status application/strategic-merge-patch+json " +
              object.dump(),
          "DELETE /api/v1/namespaces/ns/pods/a application/json {\"gracePeriodSeconds\":0}",
          "DELETE /apis/rbac.authorization.k8s.io/v1/clusterroles/a%2Fb:c  ", "GET /apis  "));
}

TEST(ApiClientTest, CallsOneAfterTheOtherShareAConnection) {
  FakeServer server(Echo);
  const auto client = ClientOf({server.address()});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client->Get(kPods, "ns", "a").ok());
  for (const Seen& seen : server.seen()) EXPECT_EQ(seen.peer, server.seen()[0].peer);
}

TEST(ApiClientTest, RefusalIsTheStatusTheServerGave) {
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    FakeServer::Reply(stream, 404, api::StatusObject(api::NotFound({"", "pods"}, "a")).dump());
  });
  const auto client = ClientOf({server.address()});
  const absl::Status status = client->Get(kPods, "ns", "a").status();
  EXPECT_TRUE(api::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("pods \"a\" not found"));
}

TEST(ApiClientTest, AnswerThatIsNotJsonIsAnErrorAndNotACrash) {
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    FakeServer::Reply(stream, seen.path.ends_with("/a") ? 200 : 400, "<html>\xff{");
  });
  const auto client = ClientOf({server.address()});
  EXPECT_TRUE(absl::IsUnavailable(client->Get(kPods, "ns", "a").status()));
  EXPECT_FALSE(client->Get(kPods, "ns", "b").ok());
}

TEST(ApiClientTest, BusyServerIsAskedAgainAfterThePauseItNames) {
  int calls = 0;
  FakeServer server([&calls](const Seen& seen, http::Stream* stream) {
    if (++calls == 1) return FakeServer::Reply(stream, 429, "{}", {{"retry-after", "1"}});
    Echo(seen, stream);
  });
  const auto client = ClientOf({server.address()});
  const RealClock clock;
  const absl::Duration began = clock.Now();
  EXPECT_TRUE(client->Get(kPods, "ns", "a").ok());
  EXPECT_GE(clock.Now() - began, absl::Seconds(1));
  EXPECT_EQ(server.seen().size(), 2u);
}

TEST(ApiClientTest, BusyServerWithoutAPauseIsNotAskedAgain) {
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    FakeServer::Reply(stream, 429, api::StatusObject(api::TooManyRequests("no", 0)).dump());
  });
  const auto client = ClientOf({server.address()});
  EXPECT_TRUE(api::IsTooManyRequests(client->Get(kPods, "ns", "a").status()));
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(ApiClientTest, ServerThatIsGoneIsReplacedByTheNextOneForGood) {
  FakeServer first(Echo);
  FakeServer second(Echo);
  const auto client = ClientOf({first.address(), second.address()});
  ASSERT_TRUE(client->Get(kPods, "ns", "a").ok());
  EXPECT_EQ(first.seen().size(), 1u);
  first.Stop();
  EXPECT_TRUE(client->Create(kPods, "ns", Json::object()).ok());
  EXPECT_TRUE(client->Get(kPods, "ns", "a").ok());
  EXPECT_EQ(second.seen().size(), 2u);
  second.Stop();
  EXPECT_TRUE(absl::IsUnavailable(client->Get(kPods, "ns", "a").status()));
}

TEST(ApiClientTest, RateLimitLetsABurstThroughAndSpacesTheRest) {
  FakeServer server(Echo);
  auto client =
      MakeApiClient({.servers = {server.address()}, .requests_per_second = 50, .burst = 3});
  ASSERT_TRUE(client.ok());
  const RealClock clock;
  const absl::Duration began = clock.Now();
  for (int i = 0; i < 8; ++i) ASSERT_TRUE((*client)->Get(kPods, "ns", "a").ok());
  EXPECT_GE(clock.Now() - began, absl::Milliseconds(95));
}

TEST(ApiClientTest, ClientCertificateProvesWhoItIs) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / ("api_client_test." + std::to_string(getpid()));
  std::filesystem::create_directories(directory);
  absl::StatusOr<http::TlsOptions> options =
      http::SelfSigned(directory.string(), {"127.0.0.1", "localhost"}, 1);
  ASSERT_TRUE(options.ok()) << options.status();
  const std::string cert = options->cert_file;
  const std::string key = options->key_file;
  options->trusted_ca_file = cert;
  options->require_client_cert = true;
  const auto tls = http::TlsCredentials::Load(*options, [](const std::string&) {});
  ASSERT_TRUE(tls.ok()) << tls.status();
  FakeServer server(Echo, *tls);
  auto client = MakeApiClient(
      {.servers = {server.address()}, .ca_file = cert, .cert_file = cert, .key_file = key});
  ASSERT_TRUE(client.ok()) << client.status();
  const absl::Status status = (*client)->Get(kPods, "ns", "a").status();
  EXPECT_TRUE(status.ok()) << status;
  auto stranger = MakeApiClient({.servers = {server.address()}, .ca_file = cert});
  ASSERT_TRUE(stranger.ok());
  EXPECT_TRUE(absl::IsUnavailable((*stranger)->Get(kPods, "ns", "a").status()));
  std::filesystem::remove_all(directory);
}

TEST(ApiClientTest, NonsenseOptionsAreRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiClient({}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiClient({.servers = {"ftp://x"}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(MakeApiClient({.servers = {"http://[::"}}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      MakeApiClient({.servers = {"http://x"}, .ca_file = "/does/not/exist"}).status()));
}

class WatchTest : public testing::Test {
 protected:
  // Runs a watch to its end; events as "type name".
  absl::Status Watch(FakeServer& server) {
    return ClientOf({server.address()})
        ->Watch(
            kPods, "ns", {.resource_version = "5"},
            [this](WatchEvent event) {
              events_.push_back(std::to_string(static_cast<int>(event.type)) + " " +
                                api::NameOf(event.object));
              return on_event_();
            },
            [] { return false; });
  }
  std::function<bool()> on_event_ = [] { return true; };
  std::vector<std::string> events_;
};

TEST_F(WatchTest, EventsComeWholeHoweverTheBytesAreCut) {
  FakeServer server([&server](const Seen& seen, http::Stream* stream) {
    stream->SendHeaders(200, {}, http::EndStream::kNo);
    stream->SendData(R"({"type":"ADDED","object":{"metadata":{"name":"a"}}})"
                     "\n"
                     R"({"type":"BOOKMARK","obj)");
    // The rest in another packet.
    server.Post([&server, stream] {
      stream->SendData(R"(ect":{"metadata":{"name":""}}})"
                       "\n\n");
      server.Post([stream] {
        stream->SendData(R"({"type":"DELETED","object":{"metadata":{"name":"a"}}})"
                         "\n");
        stream->End({});
      });
    });
  });
  EXPECT_TRUE(Watch(server).ok());
  EXPECT_THAT(events_, ElementsAre("0 a", "3 ", "2 a"));
  EXPECT_THAT(server.seen()[0].path, HasSubstr("/api/v1/namespaces/ns/pods?resourceVersion=5"));
  EXPECT_THAT(server.seen()[0].path, HasSubstr("watch=true&allowWatchBookmarks=true"));
}

TEST_F(WatchTest, RefusalIsItsStatus) {
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    FakeServer::Reply(stream, 410, api::StatusObject(api::Expired("too old")).dump());
  });
  EXPECT_TRUE(api::IsExpired(Watch(server)));
}

TEST_F(WatchTest, NonsenseEndsTheWatch) {
  for (const char* line : {"nonsense\n", "{}\n", "{\"type\":\"ADDED\"}\n", "[1]\n",
                           "{\"type\":\"NEW\",\"object\":{}}\n"}) {
    FakeServer server([line](const Seen& seen, http::Stream* stream) {
      stream->SendHeaders(200, {}, http::EndStream::kNo);
      stream->SendData(line);
    });
    EXPECT_TRUE(absl::IsUnavailable(Watch(server))) << line;
    EXPECT_TRUE(events_.empty());
  }
}

TEST_F(WatchTest, ReaderEndsItWhenItHasEnough) {
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    stream->SendHeaders(200, {}, http::EndStream::kNo);
    for (int i = 0; i < 3; ++i) stream->SendData("{\"type\":\"ADDED\",\"object\":{}}\n");
  });
  on_event_ = [this] { return events_.size() < 2; };
  EXPECT_TRUE(Watch(server).ok());
  EXPECT_EQ(events_.size(), 2u);
}

TEST_F(WatchTest, LostServerBreaksIt) {
  std::optional<FakeServer> server;
  server.emplace([](const Seen& seen, http::Stream* stream) {
    stream->SendHeaders(200, {}, http::EndStream::kNo);
    stream->SendData("{\"type\":\"ADDED\",\"object\":{}}\n");
  });
  std::thread killer;
  on_event_ = [&] {
    killer = std::thread([&] { server->Stop(); });
    return true;
  };
  EXPECT_TRUE(absl::IsUnavailable(Watch(*server)));
  killer.join();
}

TEST_F(WatchTest, WakeWatchesMakesItAskWhetherToStop) {
  absl::Notification open;
  FakeServer server([](const Seen& seen, http::Stream* stream) {
    stream->SendHeaders(200, {}, http::EndStream::kNo);
    stream->SendData("{\"type\":\"ADDED\",\"object\":{}}\n");
  });
  const auto client = ClientOf({server.address()});
  std::atomic<bool> stop = false;
  absl::Status status;
  std::thread watcher([&] {
    status = client->Watch(
        kPods, "", {},
        [&](WatchEvent) {
          open.Notify();
          return true;
        },
        [&] { return stop.load(); });
  });
  open.WaitForNotification();
  stop = true;
  client->WakeWatches();
  watcher.join();
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

}  // namespace
}  // namespace keelson::runtime
