#include "tests/fuzz/wire_decoders.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/shared_bytes.h"
#include "http/http1_session.h"
#include "http/http2_session.h"
#include "http/websocket.h"
#include "server/auth/auth_records.h"
#include "server/auth/jwt.h"
#include "server/config_file.h"
#include "server/json_gateway.h"
#include "server/peer_frame.h"
#include "server/raft_codec.h"
#include "server/rpc/json_values.h"
#include "server/rpc/message_reader.h"
#include "server/rpc/metadata.h"
#include "server/settings.h"
#include "server/url.h"

namespace keelson::fuzz {
namespace {

constexpr uint64_t kMessageBytesMax = 1 << 16;

// --------------------------------------------------------------------------------------------
// connections

// A session without a connection: what it wants to write is dropped. Its requests are answered with
// their own bodies, some at once, some when they are whole; what may become a WebSocket does.
class Host final : public http::SessionHost, public http::RequestHandler {
 public:
  Host() {
    options_.header_bytes_max = 4096;
    options_.stream_window_bytes = 1 << 16;
    options_.connection_window_bytes = 1 << 17;
  }
  ~Host() override { KV_CHECK(open_.empty()) << "a handler was not told of its end"; }

  // Feeds `bytes` in two pieces and lets time pass.
  void Run(std::unique_ptr<http::Session> session, std::string_view bytes, size_t cut) {
    Feed(*session, bytes.substr(0, cut));
    now_ += absl::Seconds(1);
    if (!session->finished()) session->OnSweep();
    Feed(*session, bytes.substr(std::min(cut, bytes.size())));
    if (!session->finished()) session->OnEof();
    Drain(*session);
    if (!session->finished()) session->StartShutdown();
    now_ += absl::Hours(3);
    if (!session->finished()) session->OnSweep();
    Drain(*session);
    session->OnConnectionLost();
  }

 private:
  class Handler final : public http::StreamHandler {
   public:
    Handler(Host* host, http::Stream* stream, bool upgraded)
        : host_(host), stream_(stream), upgraded_(upgraded) {
      host_->open_.insert(this);
    }
    void OnData(std::string_view bytes) override {
      KV_CHECK(open()) << "data after the end";
      stream_->Consume(bytes.size());
      if (upgraded_) stream_->SendData(bytes);
      body_.append(bytes.substr(0, 64));
    }
    void OnEnd() override {
      KV_CHECK(open() && !std::exchange(ended_, true)) << "an end after the end";
      if (!upgraded_) stream_->SendHeaders(200, {}, http::EndStream::kNo);
      stream_->SendData(body_);
      stream_->End({});
    }
    void OnClose(http::CloseReason) override {
      KV_CHECK(open()) << "closed twice";
      host_->open_.erase(this);
    }

   private:
    bool open() const { return host_->open_.contains(this); }

    Host* const host_;
    http::Stream* const stream_;
    const bool upgraded_;
    std::string body_;
    bool ended_ = false;
  };

  void Feed(http::Session& session, std::string_view bytes) {
    if (bytes.empty() || session.finished()) return;
    // In a buffer of exactly this size, so that a sanitizer sees a step past the end.
    const std::unique_ptr<char[]> exact(new char[bytes.size()]);
    bytes.copy(exact.get(), bytes.size());
    session.OnBytes({exact.get(), bytes.size()});
    Drain(session);
  }
  void Drain(http::Session& session) {
    for (int i = 0; i < 100 && session.wants_write(); ++i) {
      http::GatherBuffer out(&blocks_);
      session.Produce(&out, 1 << 16);
    }
  }

  void ScheduleFlush() override {}
  void ResumeRead() override {}
  absl::Duration Now() const override { return now_; }
  const http::ServerOptions& options() const override { return options_; }
  http::RequestHandler* handler() override { return this; }
  const std::string& peer_address() const override { return address_; }
  const http::PeerCertificate& peer_certificate() const override { return nobody_; }
  bool secure() const override { return false; }

  std::shared_ptr<http::StreamHandler> OnRequest(http::Stream* stream,
                                                 http::Request request) override {
    KV_CHECK(request.headers.bytes() <= 2 * options_.header_bytes_max);
    const bool upgraded =
        http::IsWebSocketRequest(request.headers) &&
        stream->Upgrade({{"upgrade", "websocket"},
                         {"sec-websocket-accept", http::WebSocketAccept(request.headers)}});
    if (!upgraded && request.headers.Get(":path").ends_with('0')) {
      stream->SendHeaders(204, {}, http::EndStream::kYes);
      return nullptr;
    }
    return std::make_shared<Handler>(this, stream, upgraded);
  }

  http::ServerOptions options_;
  http::BlockPool blocks_;
  absl::Duration now_;
  std::set<const Handler*> open_;
  const std::string address_ = "127.0.0.1:1";
  const http::PeerCertificate nobody_;
};

}  // namespace

void RunHttp1(std::string_view bytes) {
  for (const size_t cut : {bytes.size(), bytes.size() / 2}) {
    Host host;
    host.Run(http::MakeHttp1Session(&host), bytes, cut);
  }
}

void RunHttp2(std::string_view bytes) {
  const std::string whole = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string(bytes);
  for (const size_t cut : {whole.size(), whole.size() / 2}) {
    Host host;
    host.Run(http::MakeHttp2Session(&host), whole, cut);
  }
}

void RunWebSocket(std::string_view bytes) {
  std::vector<std::string> outcomes;
  for (const size_t step : {bytes.size() + 1, size_t{1}}) {
    http::WebSocketReader reader(kMessageBytesMax);
    std::string heard;
    bool closed = false;
    http::WebSocketClose outcome = http::WebSocketClose::kNormal;
    for (size_t at = 0; at < bytes.size() && !closed && outcome == http::WebSocketClose::kNormal;
         at += step) {
      outcome = reader.Feed(bytes.substr(at, step),
                            [&](http::WebSocketOpcode opcode, std::string_view payload) {
                              KV_CHECK(!closed && payload.size() <= kMessageBytesMax);
                              closed = opcode == http::WebSocketOpcode::kClose;
                              heard.append(std::to_string(static_cast<int>(opcode)));
                              heard.append(payload);
                              return true;
                            });
    }
    outcomes.push_back(heard + "/" + std::to_string(static_cast<int>(outcome)));
  }
  KV_CHECK(outcomes[0] == outcomes[1]) << "it depends on how the bytes arrive";
}

void RunGrpcBody(std::string_view bytes) {
  std::vector<std::string> outcomes;
  for (const size_t step : {bytes.size() + 1, size_t{1}}) {
    rpc::MessageReader reader(kMessageBytesMax);
    std::string heard;
    absl::Status status;
    for (size_t at = 0; at < bytes.size() && status.ok(); at += step) {
      status = reader.Feed(bytes.substr(at, step), [&heard](bool, SharedBytes message) {
        KV_CHECK(message.size() <= kMessageBytesMax);
        heard.append(message.view()).append(";");
        return true;
      });
    }
    if (status.ok()) status = reader.Finish();
    outcomes.push_back(heard + status.ToString());
  }
  KV_CHECK(outcomes[0] == outcomes[1]) << "it depends on how the bytes arrive";
}

void RunGrpcText(std::string_view bytes) {
  if (const auto timeout = rpc::ParseTimeout(bytes)) KV_CHECK(*timeout >= absl::ZeroDuration());
  if (const auto value = rpc::DecodeBinaryValue(bytes)) KV_CHECK(value->size() <= bytes.size());
  for (const char c : rpc::PercentEncode(bytes)) KV_CHECK(c >= ' ' && c <= '~');
}

void RunJsonValues(std::string_view bytes) {
  std::vector<std::string> outcomes;
  for (const size_t step : {bytes.size() + 1, size_t{1}}) {
    rpc::JsonValues values;
    std::string heard;
    bool failed = false;
    const auto take = [&] {
      while (!failed) {
        const auto value = values.Next();
        failed = !value.ok();
        if (failed) heard += value.status().ToString();
        if (failed || !value->has_value()) return;
        heard.append(**value).append(";");
      }
    };
    for (size_t at = 0; at < bytes.size() && !failed; at += step) {
      values.Feed(bytes.substr(at, step));
      take();
    }
    if (!failed) {
      values.End();
      take();
    }
    outcomes.push_back(std::move(heard));
  }
  KV_CHECK(outcomes[0] == outcomes[1]) << "it depends on how the bytes arrive";
}

void RunGatewayJson(std::string_view bytes) {
  static const auto* const kMethods = [] {
    auto* const methods = new std::vector<rpc::MessageJson>;
    for (const char* name :
         {"/etcdserverpb.KV/Range", "/etcdserverpb.KV/Put", "/etcdserverpb.KV/Txn",
          "/etcdserverpb.Watch/Watch", "/etcdserverpb.Lease/LeaseGrant",
          "/etcdserverpb.Cluster/MemberAdd", "/etcdserverpb.Maintenance/Alarm",
          "/etcdserverpb.Auth/RoleGrantPermission"}) {
      methods->push_back(server::JsonOfMethod(name));
    }
    return methods;
  }();
  if (bytes.empty()) return;
  const rpc::MessageJson& method = (*kMethods)[static_cast<uint8_t>(bytes[0]) % kMethods->size()];
  (void)method.to_request(bytes.substr(1));
  // What a handler may have stored comes back as an answer.
  (void)method.from_answer(ByteChain(std::string(bytes.substr(1))));
}

// --------------------------------------------------------------------------------------------
// peers

void RunPeerFrame(std::string_view bytes) {
  server::PeerFrame frame;
  std::string_view rest = bytes;
  while (server::ParsePeerFrame(rest, kMessageBytesMax, &frame) ==
         server::PeerFrameOutcome::kFrame) {
    KV_CHECK(frame.bytes > 0 && frame.bytes <= rest.size());
    const ByteChain payload{std::string(frame.payload)};
    const SharedBytes head = server::EncodePeerFrameHead(frame.channel, payload);
    KV_CHECK(rest.starts_with(head.view()));
    (void)server::DecodeRaftMessage(SharedBytes::Copy(frame.payload));
    rest.remove_prefix(frame.bytes);
  }
}

// --------------------------------------------------------------------------------------------
// users

void RunAuthRecord(std::string_view bytes) {
  server::AuthState state;
  if (server::ParseAuthState(bytes, state)) KV_CHECK(server::EncodeAuthState(state) == bytes);
  server::AuthUser user, user_again;
  if (server::ParseAuthUser(bytes, user)) {
    KV_CHECK(server::ParseAuthUser(server::EncodeAuthUser(user), user_again) && user_again == user);
    KV_CHECK(std::is_sorted(user.roles.begin(), user.roles.end()));
  }
  server::AuthRole role, role_again;
  if (server::ParseAuthRole(bytes, role)) {
    KV_CHECK(server::ParseAuthRole(server::EncodeAuthRole(role), role_again) && role_again == role);
  }
  std::string name;
  if (server::ParseAuthUserKey(bytes, name)) KV_CHECK(server::AuthUserKey(name) == bytes);
  if (server::ParseAuthRoleKey(bytes, name)) KV_CHECK(server::AuthRoleKey(name) == bytes);
}

void RunJwt(std::string_view bytes) {
  static const server::Jwt* const kJwt = [] {
    const std::string file = std::filesystem::temp_directory_path() / "keelson-fuzz-secret";
    std::ofstream(file) << "secret";
    auto jwt = server::Jwt::Create({"HS256", "", file, absl::Minutes(5)},
                                   [] { return absl::FromUnixSeconds(1'700'000'000); });
    KV_CHECK(jwt.ok()) << jwt.status();
    return jwt->release();
  }();
  // Of those that somebody else made none is good.
  if (const auto claims = kJwt->Verify(bytes)) KV_CHECK(!claims->caller.user.empty());
  (void)server::ParseJwtOptions(bytes);
}

// --------------------------------------------------------------------------------------------
// configuration

void RunConfigFile(std::string_view bytes) {
  server::Settings settings;
  std::vector<std::string> notices;
  const absl::Status status = server::ApplyConfigText(std::string(bytes), settings, &notices);
  const std::string_view message(status.message().data(), status.message().size());
  KV_CHECK(message.find('\n') == std::string_view::npos) << "more than a line";
  for (const std::string& line : notices) KV_CHECK(line.find('\n') == std::string::npos);
}

void RunFlagValue(std::string_view bytes) {
  if (bytes.empty()) return;
  server::Settings settings;
  const auto rows = settings.rows();
  const std::string name = rows[static_cast<uint8_t>(bytes[0]) % rows.size()].name;
  (void)settings.Set(*settings.Find(name), std::string(bytes.substr(1)));
}

void RunUrl(std::string_view bytes) {
  const auto url = server::ParseUrl(std::string(bytes));
  if (url.ok()) KV_CHECK(url->text == bytes && url->host.find('/') == std::string::npos);
}

}  // namespace keelson::fuzz
