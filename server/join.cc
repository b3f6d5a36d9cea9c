#include "server/join.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "asio/buffer.hpp"
#include "asio/connect.hpp"
#include "asio/io_context.hpp"
#include "asio/ip/tcp.hpp"
#include "asio/read.hpp"
#include "asio/write.hpp"
#include "base/check.h"
#include "base/clock.h"
#include "base/coding.h"
#include "base/crc32c.h"
#include "base/status_macros.h"
#include "http/secure_stream.h"
#include "server/peer_hello.h"

namespace keelson::server {
namespace {

using asio::ip::tcp;

constexpr absl::Duration kAskTimeout = absl::Seconds(2);
constexpr absl::Duration kPeekTimeout = absl::Seconds(1);
constexpr absl::Duration kFindTimeout = absl::Seconds(10);
constexpr absl::Duration kFindRetry = absl::Milliseconds(200);

// One question on a connection of its own, on a loop of its own that ends with it.
class Question {
 public:
  Question(const Url& url, http::TlsCredentials* tls)
      : url_(url), tls_(tls), resolver_(loop_), stream_(loop_) {}

  absl::StatusOr<Bootstrap> Ask(absl::Duration timeout) {
    resolver_.async_resolve(url_.host, std::to_string(url_.port),
                            [this](const asio::error_code& error, const auto& found) {
                              if (Failed(error)) return;
                              asio::async_connect(stream_.socket(), found,
                                                  [this](const asio::error_code& e, const auto&) {
                                                    if (!Failed(e)) Secure();
                                                  });
                            });
    loop_.run_for(absl::ToChronoNanoseconds(timeout));
    if (!answer_ && !failure_.empty()) return absl::UnavailableError(failure_);
    if (!answer_) return absl::UnavailableError("timed out");
    return *std::move(answer_);
  }

 private:
  bool Failed(const asio::error_code& error) {
    if (error) failure_ = stream_.Describe(error);
    return static_cast<bool>(error);
  }

  void Secure() {
    if (url_.secure()) {
      stream_.StartTls(tls_->Connect(stream_.socket().native_handle(), url_.host));
    }
    stream_.AsyncHandshake([this](const asio::error_code& error) {
      if (!Failed(error)) SayHello();
    });
  }

  void SayHello() {
    hello_ = EncodeHello({.purpose = PeerPurpose::kMembers});
    asio::async_write(stream_, asio::buffer(hello_), [this](const asio::error_code& error, size_t) {
      if (!Failed(error)) ReadHead();
    });
  }

  void ReadHead() {
    buffer_.resize(1 + kMembersHeadBytes);
    asio::async_read(stream_, asio::buffer(buffer_), [this](const asio::error_code& error, size_t) {
      if (Failed(error)) return;
      const auto code = static_cast<uint8_t>(buffer_[0]);
      const auto head = DecodeMembersReplyHead(std::string_view(buffer_).substr(1));
      if (code != kWelcome || !head) {
        failure_ = HelloCodeText(code);
        return;
      }
      ReadBody(*head);
    });
  }

  void ReadBody(MembersReplyHead head) {
    buffer_.resize(head.size);
    asio::async_read(stream_, asio::buffer(buffer_),
                     [this, head](const asio::error_code& error, size_t) {
                       if (!Failed(error)) OnBody(head);
                     });
  }

  void OnBody(MembersReplyHead head) {
    std::string_view body = buffer_;
    Bootstrap bootstrap;
    etcdserverpb::MemberListResponse list;
    if (Crc32c(body) != head.crc || !TakeBig64(body, bootstrap.cluster_id) ||
        !list.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
      failure_ = "malformed answer";
      return;
    }
    bootstrap.members.assign(list.members().begin(), list.members().end());
    answer_ = std::move(bootstrap);
  }

  const Url url_;
  http::TlsCredentials* const tls_;
  asio::io_context loop_;
  tcp::resolver resolver_;
  http::SecureStream stream_;
  std::string hello_;
  std::string buffer_;
  std::string failure_;
  std::optional<Bootstrap> answer_;
};

using UrlSet = std::set<std::string>;

UrlSet UrlsOf(const etcdserverpb::Member& member) {
  return UrlSet(member.peerurls().begin(), member.peerurls().end());
}

std::string Listed(const Bootstrap& bootstrap) {
  return absl::StrJoin(bootstrap.members, ", ", [](std::string* out, const auto& member) {
    absl::StrAppend(out, absl::Hex(member.id()), " ", absl::StrJoin(member.peerurls(), " "));
  });
}

}  // namespace

absl::StatusOr<Bootstrap> AskForMembers(const Url& url, http::TlsCredentials& tls,
                                        absl::Duration timeout) {
  return Question(url, &tls).Ask(timeout);
}

absl::Status CheckMembers(const Config& config, const Bootstrap& running) {
  const auto refuse = [&running](const std::string& why) {
    return absl::FailedPreconditionError(
        absl::StrCat("--initial-cluster does not fit the running cluster: ", why,
                     "; its members are ", Listed(running)));
  };
  if (running.members.size() != config.initial_cluster.size()) {
    return refuse("member count is unequal");
  }
  std::set<std::string> used;
  for (const etcdserverpb::Member& member : running.members) {
    const auto named = std::find_if(
        config.initial_cluster.begin(), config.initial_cluster.end(), [&](const auto& entry) {
          return UrlSet(entry.second.begin(), entry.second.end()) == UrlsOf(member);
        });
    if (named == config.initial_cluster.end() || !used.insert(named->first).second) {
      return refuse(absl::StrCat("no match found for existing member ", absl::Hex(member.id())));
    }
  }
  return absl::OkStatus();
}

NodeId OwnId(const Config& config, const Bootstrap& bootstrap) {
  const std::vector<std::string>& urls = config.initial_cluster.at(config.name);
  for (const etcdserverpb::Member& member : bootstrap.members) {
    if (UrlsOf(member) == UrlSet(urls.begin(), urls.end())) return NodeId(member.id());
  }
  KV_CHECK(false) << "the flags name no member";
  return NodeId();
}

absl::StatusOr<Bootstrap> FindCluster(const Config& config, const MembersSource& ask) {
  absl::Status last = absl::FailedPreconditionError("--initial-cluster names no other member");
  for (const auto& [name, urls] : config.initial_cluster) {
    if (name == config.name) continue;
    for (const std::string& text : urls) {
      KV_ASSIGN_OR_RETURN(const Url url, ParseUrl(text));
      const absl::StatusOr<Bootstrap> running = ask(url);
      if (!running.ok()) {
        last = absl::FailedPreconditionError(absl::StrCat("cannot fetch cluster info from ", text,
                                                          ": ", running.status().message()));
        continue;
      }
      last = CheckMembers(config, *running);
      if (last.ok()) return running;
    }
  }
  return last;
}

absl::Status CheckNotBootstrapped(const Config& config, const Bootstrap& bootstrap,
                                  const MembersSource& ask) {
  const uint64_t own = OwnId(config, bootstrap).value();
  for (const auto& [name, urls] : config.initial_cluster) {
    if (name == config.name) continue;
    KV_ASSIGN_OR_RETURN(const Url url, ParseUrl(urls.front()));
    const absl::StatusOr<Bootstrap> running = ask(url);
    if (!running.ok() || running->cluster_id != bootstrap.cluster_id) continue;
    for (const etcdserverpb::Member& member : running->members) {
      // It has told the others its URLs, so it was there.
      if (member.id() != own || member.clienturls().empty()) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          "member ", absl::Hex(own), " has already been bootstrapped: ", urls.front(),
          " knows it; if its data is lost, remove it from the cluster and add it anew"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckNotBootstrapped(const Config& config, const Bootstrap& bootstrap,
                                  http::TlsCredentials& tls) {
  return CheckNotBootstrapped(
      config, bootstrap, [&tls](const Url& url) { return AskForMembers(url, tls, kPeekTimeout); });
}

absl::StatusOr<Bootstrap> FindCluster(const Config& config, http::TlsCredentials& tls) {
  const RealClock clock;
  const absl::Duration give_up = clock.Now() + kFindTimeout;
  while (true) {
    auto found = FindCluster(
        config, [&tls](const Url& url) { return AskForMembers(url, tls, kAskTimeout); });
    if (found.ok() || clock.Now() >= give_up) return found;
    absl::SleepFor(kFindRetry);
  }
}

}  // namespace keelson::server
