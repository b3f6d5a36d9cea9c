#include "server/member.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_join.h"
#include "asio/executor_work_guard.hpp"
#include "asio/io_context.hpp"
#include "asio/signal_set.hpp"
#include "base/clock.h"
#include "base/random.h"
#include "base/status_macros.h"
#include "base/thread_urgency.h"
#include "proto/keelson/command.pb.h"
#include "server/asio_executor.h"
#include "server/auto_compactor.h"
#include "server/data_directory.h"
#include "server/disk_watch.h"
#include "server/errors.h"
#include "server/health_endpoints.h"
#include "server/json_gateway.h"
#include "server/load_lanes.h"
#include "server/log_writer.h"
#include "server/member_core.h"
#include "server/member_tls.h"
#include "server/membership.h"
#include "server/metrics_endpoint.h"
#include "server/peer_transport.h"
#include "server/publisher.h"
#include "server/rpc/rpc_server.h"
#include "server/services.h"
#include "server/slow_call_log.h"
#include "server/snapshot_keeper.h"
#include "server/snapshot_transfer.h"

namespace keelson::server {
namespace {

constexpr absl::Duration kShutdownGrace = absl::Seconds(3);
constexpr absl::Duration kCertificatesInterval = absl::Hours(1);
constexpr size_t kAuthQueueMax = 1000;  // passwords to hash or compare
constexpr int64_t kDefaultQuota = int64_t{2} << 30;
constexpr int64_t kRecommendedQuotaMax = int64_t{8} << 30;  // etcd's

MemberOptions MakeOptions(const Config& config, const storage::LogIdentity& identity) {
  MemberOptions options;
  options.cluster_id = identity.cluster_id;
  options.id = identity.member_id;
  options.tick = absl::Milliseconds(config.heartbeat_interval_ms);
  options.heartbeat_ticks = 1;
  options.election_timeout_ticks = config.election_timeout_ms / config.heartbeat_interval_ms;
  options.pre_vote = config.pre_vote;
  options.initial_election_tick_advance = config.initial_election_tick_advance;
  options.request_bytes_max = config.max_request_bytes;
  options.txn_ops_max = config.max_txn_ops;
  options.space.quota_bytes =
      config.quota_backend_bytes == 0 ? kDefaultQuota : config.quota_backend_bytes;
  options.snapshot_count = config.snapshot_count;
  options.snapshot_catchup_entries = config.snapshot_catchup_entries;
  options.divergence_check_at_start = config.initial_corrupt_check;
  if (config.corrupt_check_time > absl::ZeroDuration()) {
    options.divergence_check_interval = config.corrupt_check_time;
  }
  options.strict_reconfig_check = config.strict_reconfig_check;
  options.learners_max = config.max_learners;
  options.promote_learners = config.promote_learners;
  options.auth_token_ttl = config.auth_token_ttl;
  options.slow_apply = config.warning_apply_duration;
  options.watch.progress_interval = config.watch_progress_notify_interval;
  options.watch.fragment_bytes = config.max_request_bytes + 524288;
  return options;
}

rpc::RpcServerOptions MakeRpcOptions(const Config& config) {
  rpc::RpcServerOptions options;
  options.request_bytes_max = config.max_request_bytes + 524288;
  options.concurrent_streams_max = config.max_concurrent_streams;
  options.keepalive_min_time = config.grpc_keepalive_min_time;
  options.keepalive_interval = config.grpc_keepalive_interval;
  options.keepalive_timeout = config.grpc_keepalive_timeout;
  options.cors_origins = config.cors_origins;
  options.host_whitelist = config.host_whitelist;
  options.reuse_port = config.socket_reuse_port;
  options.measures_handling = config.extensive_metrics;
  options.load = MakeLoadLimits(config.lanes);
  options.lanes = LaneOfMethod;
  options.refusal = ErrTooManyRequests();
  return options;
}

// Null: tokens are simple ones.
absl::StatusOr<std::unique_ptr<Jwt>> LoadJwt(const Config& config) {
  constexpr std::string_view kJwt = "jwt,";
  if (!config.auth_token.starts_with(kJwt)) return nullptr;
  KV_ASSIGN_OR_RETURN(const JwtOptions options,
                      ParseJwtOptions(std::string_view(config.auth_token).substr(kJwt.size())));
  return Jwt::Create(options, [clock = RealClock()] { return clock.WallTime(); });
}

std::string HexId(NodeId id) { return fmt::format("{:x}", id.value()); }

}  // namespace

class Member::Impl {
 public:
  Impl(const Config& config, MemberTls tls, DataDirectory directory, std::shared_ptr<const Jwt> jwt)
      : config_(config),
        tls_(std::move(tls)),
        directory_(std::move(directory)),
        jwt_(std::move(jwt)),
        loop_(1),
        executor_(&loop_),
        snapshot_loop_(1),
        snapshot_executor_(&snapshot_loop_),
        snapshot_work_(asio::make_work_guard(snapshot_loop_)),
        random_(SystemSeed()),
        log_writer_(
            directory_.log.get(), &executor_,
            [this](absl::Status status) { OnFatal(std::move(status)); },
            [this](bool full) { core_.OnLogFull(full); }),
        transport_(&loop_, TransportOptions(), TransportHandlers()),
        snapshot_transfer_(&snapshot_loop_, SnapshotTransferOptions(), SnapshotTransferHandlers()),
        snapshots_(SnapshotOptions(), SnapshotEnvironment()),
        core_(MakeOptions(config, directory_.identity), CoreEnvironment()),
        auth_worker_(&executor_, kAuthQueueMax),
        health_(&core_),
        metrics_({&core_, directory_.log.get(), &transport_, &rpc_, &health_, &snapshot_counters_}),
        slow_calls_({config.warning_unary_request_duration, config.warning_apply_duration},
                    [](const std::string& line) { spdlog::warn(line); }),
        rpc_(&loop_, &clock_, RpcOptions()),
        metrics_rpc_(&loop_, &clock_, MakeRpcOptions(config)),
        signals_(loop_, SIGTERM, SIGINT),
        publisher_(&core_, OwnAttributes(), [] { spdlog::info("ready to serve client requests"); }),
        certificates_timer_(executor_.NewTimer()),
        auto_compactor_(config_.auto_compaction, AutoCompactorEnvironment()),
        disk_watch_({.directories = directory_.paths}, &storage::PosixFileSystem(), &executor_,
                    [this](uint64_t free) { core_.OnDiskFree(free); }) {}

  ~Impl() { StopSnapshots(); }

  absl::Status Bind() {
    rpc_.SetAdmission(&core_.auth_gate());
    RegisterAuth(&core_, {&auth_worker_, jwt_, config_.bcrypt_cost}, &rpc_);
    RegisterKv(&core_, &rpc_);
    RegisterWatch(&core_, &rpc_);
    RegisterLease(&core_, &rpc_);
    RegisterCluster(&core_, &rpc_);
    RegisterMaintenance(&core_, &rpc_);
    RegisterClusterMaintenance(&core_, &rpc_);
    RegisterLock(&core_, &rpc_);
    RegisterElection(&core_, &rpc_);
    RegisterSnapshot(&core_, {&snapshots_, &executor_, &snapshot_executor_}, &rpc_);
    RegisterHealth(&core_, &rpc_);
    health_.Register(&rpc_);
    HealthEndpoints::RegisterVersion(&rpc_);
    health_.Register(&metrics_rpc_);
    metrics_.Register(&rpc_);
    metrics_.Register(&metrics_rpc_);
    rpc_.SetMethodCheck([this](std::string_view method) { return AdmitToLearner(core_, method); });
    if (config_.enable_grpc_gateway) RegisterJsonGateway(&rpc_);
    rpc_.SetCertificatesRefused([this] { return core_.auth().enabled(); });
    for (const Url& url : config_.listen_peer_urls) KV_RETURN_IF_ERROR(transport_.Listen(url));
    for (const Url& url : config_.listen_metrics_urls) {
      KV_RETURN_IF_ERROR(
          metrics_rpc_.Listen(url.host, url.port, url.secure() ? tls_.client : nullptr));
    }
    // Who may not be let take part is not to be reached by clients before that is known.
    return config_.initial_corrupt_check ? absl::OkStatus() : ListenToClients();
  }

  absl::Status Run() {
    spdlog::info("starting member {} ({}) of cluster {:x}: applied {}, log {} to {}", config_.name,
                 HexId(directory_.identity.member_id), directory_.identity.cluster_id,
                 directory_.store->applied().value(), directory_.log->FirstIndex().value(),
                 directory_.log->LastIndex().value());
    WarnOfQuota();
    snapshot_thread_ = std::thread([this] { snapshot_loop_.run(); });
    pthread_setname_np(snapshot_thread_.native_handle(), "snapshot");
    SyncPeers();
    core_.Start([this] { Serve(); });
    signals_.async_wait([this](const asio::error_code& error, int signal) {
      if (error) return;
      spdlog::info("received signal {}; shutting down", signal);
      Shutdown();
    });
    SetThreadUrgency(ThreadUrgency::kAnswering);
    loop_.run();
    StopSnapshots();
    // What was not written out yet would be replayed from the log; writing it now makes the next
    // start quick.
    if (result_.ok()) result_ = directory_.store->Flush();
    return result_;
  }

 private:
  rpc::RpcServerOptions RpcOptions() {
    rpc::RpcServerOptions options = MakeRpcOptions(config_);
    options.slow_after = slow_calls_.shortest();
    options.on_slow = [this](const rpc::EndedCall& call) { slow_calls_.OnEnded(call); };
    return options;
  }

  PeerTransport::Options TransportOptions() const {
    PeerTransport::Options options;
    options.cluster_id = directory_.identity.cluster_id;
    options.self = directory_.identity.member_id;
    options.reuse_port = config_.socket_reuse_port;
    options.own_urls = absl::StrJoin(config_.initial_advertise_peer_urls, ",",
                                     [](std::string* out, const Url& url) { *out += url.text; });
    options.clock = &clock_;
    options.tls = tls_.peer;
    return options;
  }

  PeerTransport::Handlers TransportHandlers() {
    PeerTransport::Handlers handlers;
    handlers.on_raft_message = [this](raft::Message message) {
      core_.OnRaftMessage(std::move(message));
    };
    handlers.on_unreachable = [this](NodeId peer) { core_.OnUnreachable(peer); };
    handlers.on_request = [this](PeerRequest request,
                                 absl::AnyInvocable<void(PeerAnswer)> respond) {
      core_.OnPeerRequest(request, std::move(respond));
    };
    handlers.on_snapshot_connection = [this](NodeId from, http::SecureStream stream) {
      snapshot_transfer_.Accept(from, std::move(stream));
    };
    handlers.was_removed = [this](NodeId id) { return WasRemoved(*directory_.store, id); };
    handlers.on_removed = [this] { core_.OnToldOfRemoval(); };
    handlers.describe_members = [this] {
      etcdserverpb::MemberListResponse list;
      for (auto& member : Members(*directory_.store)) *list.add_members() = std::move(member);
      return list.SerializeAsString();
    };
    handlers.on_notice = [](const std::string& text) { spdlog::info(text); };
    return handlers;
  }

  SnapshotTransfer::Options SnapshotTransferOptions() const {
    SnapshotTransfer::Options options;
    options.cluster_id = directory_.identity.cluster_id;
    options.self = directory_.identity.member_id;
    options.bytes_per_second = config_.snapshot_bytes_per_second;
    options.tls = tls_.snapshot;
    return options;
  }

  SnapshotTransfer::Handlers SnapshotTransferHandlers() {
    SnapshotTransfer::Handlers handlers;
    handlers.new_incoming = [this] { return snapshots_.NewIncoming(); };
    handlers.remove_incoming = [this](const std::string& incoming) {
      snapshots_.RemoveIncoming(incoming);
    };
    handlers.on_received = [this](raft::Message message, std::string incoming) {
      executor_.Post(
          [this, message = std::move(message), incoming = std::move(incoming)]() mutable {
            const auto& snapshot = *std::get<raft::InstallSnapshot>(message.body).snapshot;
            snapshots_.OnReceived(std::string(snapshot.data.view()), std::move(incoming));
            ++snapshot_counters_[message.from].received;
            core_.OnRaftMessage(std::move(message));
          });
    };
    handlers.on_notice = [](const std::string& text) { spdlog::info(text); };
    return handlers;
  }

  SnapshotKeeper::Options SnapshotOptions() const {
    SnapshotKeeper::Options options;
    options.store = directory_.store_options;
    return options;
  }

  SnapshotKeeper::Environment SnapshotEnvironment() {
    SnapshotKeeper::Environment environment;
    environment.core = &executor_;
    environment.worker = &snapshot_executor_;
    environment.clock = &clock_;
    environment.store = directory_.store.get();
    environment.directory = directory_.states.get();
    environment.send = [this](const raft::Message& message,
                              SnapshotKeeper::CheckpointPtr checkpoint, Snapshots::SendDone done) {
      ++snapshot_counters_[message.to].sending;
      snapshot_transfer_.Send(
          message, std::move(checkpoint), transport_.UrlsOf(message.to),
          [this, done = std::move(done), to = message.to,
           began = clock_.Now()](raft::SnapshotResult result) mutable {
            executor_.Post([this, done = std::move(done), result, to, began]() mutable {
              CountSentSnapshot(to, result, clock_.Now() - began);
              done(result);
            });
          });
    };
    return environment;
  }

  void CountSentSnapshot(NodeId to, raft::SnapshotResult result, absl::Duration time) {
    SnapshotCounters& counters = snapshot_counters_[to];
    --counters.sending;
    ++(result == raft::SnapshotResult::kDelivered ? counters.sent : counters.send_failures);
    counters.send_times.Observe(time);
  }

  // Ends the worker; what it was doing is of no use any more.
  void StopSnapshots() {
    snapshots_.Stop();
    snapshot_work_.reset();
    snapshot_loop_.stop();
    if (snapshot_thread_.joinable()) snapshot_thread_.join();
    snapshot_transfer_.Stop();
  }

  MemberCore::Environment CoreEnvironment() {
    MemberCore::Environment environment;
    environment.executor = &executor_;
    environment.random = &random_;
    environment.clock = &clock_;
    environment.log = directory_.log.get();
    environment.log_writer = &log_writer_;
    environment.store = directory_.store.get();
    environment.transport = &transport_;
    environment.jwt = jwt_.get();
    environment.snapshots = &snapshots_;
    environment.ask = [this](NodeId peer, const PeerRequest& request, auto done) {
      transport_.Ask(peer, request, std::move(done));
    };
    environment.connected_for = [this](NodeId peer) { return transport_.ConnectedFor(peer); };
    environment.on_members_changed = [this] { SyncPeers(); };
    environment.on_removed = [this] { OnRemoved(); };
    environment.on_fatal = [this](absl::Status status) { OnFatal(std::move(status)); };
    environment.on_notice = [](const std::string& text) { spdlog::info(text); };
    return environment;
  }

  AutoCompactor::Environment AutoCompactorEnvironment() {
    AutoCompactor::Environment environment;
    environment.executor = &executor_;
    environment.clock = &clock_;
    environment.is_leader = [this] { return core_.node().is_leader(); };
    environment.revision = [this] { return directory_.store->revision().value(); };
    environment.compact = [this](int64_t revision, absl::AnyInvocable<void(bool)> done) {
      etcdserverpb::CompactionRequest request;
      request.set_revision(revision);
      core_.Submit(proto::Command::kCompactionFieldNumber, request.SerializeAsString(),
                   [revision, done = std::move(done)](Answer answer) mutable {
                     const bool already = answer.status == ErrCompacted();
                     if (answer.status.ok()) {
                       spdlog::info("compacted the revisions up to {}", revision);
                     } else if (!already) {
                       spdlog::warn("cannot compact the revisions up to {}: {}", revision,
                                    std::string(answer.status.message()));
                     }
                     done(answer.status.ok() || already);
                   });
    };
    return environment;
  }

  void WarnOfQuota() const {
    const int64_t quota = core_.options().space.quota_bytes;
    if (quota < 0) spdlog::info("--quota-backend-bytes is negative: the store has no quota");
    if (quota > kRecommendedQuotaMax) {
      spdlog::warn("--quota-backend-bytes {} is more than etcd's recommended maximum of {}", quota,
                   kRecommendedQuotaMax);
    }
  }

  absl::Status ListenToClients() {
    for (const std::vector<Url>* urls :
         {&config_.listen_client_urls, &config_.listen_client_http_urls}) {
      for (const Url& url : *urls) {
        KV_RETURN_IF_ERROR(rpc_.Listen(url.host, url.port, url.secure() ? tls_.client : nullptr));
      }
    }
    return absl::OkStatus();
  }

  void Serve() {
    if (config_.initial_corrupt_check) {
      if (absl::Status status = ListenToClients(); !status.ok()) return OnFatal(std::move(status));
    }
    if (core_.node().status().conf.voters.size() == 1) core_.node().Campaign();
    auto_compactor_.Start();
    if (!tls_.self_signed.empty()) KeepCertificates();
    publisher_.Start();
  }

  // The transport's peers become the members that the store knows. One that was removed is let go
  // a little later: it is to hear that its removal is committed, and a leader that was removed must
  // hear the others say so.
  void SyncPeers() {
    for (const auto& member : Members(*directory_.store)) {
      if (NodeId(member.id()) == directory_.identity.member_id) continue;
      std::vector<Url> urls;
      for (const std::string& text : member.peerurls()) {
        if (auto url = ParseUrl(text); url.ok()) urls.push_back(*std::move(url));
      }
      if (!urls.empty()) transport_.SetPeer(NodeId(member.id()), std::move(urls));
    }
    for (const NodeId peer : transport_.Peers()) {
      if (departing_.contains(peer) || !WasRemoved(*directory_.store, peer)) continue;
      std::unique_ptr<Timer>& timer = departing_[peer];
      timer = executor_.NewTimer();
      timer->Arm(core_.options().election_timeout(), [this, peer] {
        transport_.RemovePeer(peer);
        spdlog::info("member {} was removed", HexId(peer));
      });
    }
  }

  void OnRemoved() {
    spdlog::error(
        "the member has been permanently removed from the cluster; shutting down. Its data "
        "directory "
        "{} must be removed before a new member can use it",
        config_.data_dir);
    transport_.Stop();  // nobody listens to it any more
    Shutdown();
  }

  // A certificate of our own does not run out while the member runs.
  void KeepCertificates() {
    certificates_timer_->Arm(kCertificatesInterval, [this] {
      if (const absl::Status status = RenewSelfSigned(tls_); !status.ok()) {
        spdlog::warn("cannot renew a certificate: {}", std::string(status.message()));
      }
      KeepCertificates();
    });
  }

  proto::MemberAttributes OwnAttributes() const {
    proto::MemberAttributes attributes;
    attributes.set_id(directory_.identity.member_id.value());
    attributes.set_name(config_.name);
    for (const Url& url : config_.advertise_client_urls) attributes.add_client_urls(url.text);
    return attributes;
  }

  // The one place where a member stops because it cannot go on.
  void OnFatal(absl::Status status) {
    if (!result_.ok()) return;
    result_ = std::move(status);
    spdlog::critical("stopping: {}", result_.ToString());
    core_.Stop();
    transport_.Stop();
    loop_.stop();
  }

  void Shutdown() {
    if (std::exchange(shutting_down_, true)) return;
    core_.reconfigurator().HandOver([this] {
      core_.Stop();
      rpc_.Shutdown(kShutdownGrace, [this] {
        metrics_rpc_.Shutdown(absl::ZeroDuration(), [this] {
          transport_.Stop();
          loop_.stop();
        });
      });
    });
  }

  const Config config_;
  const MemberTls tls_;
  DataDirectory directory_;
  const std::shared_ptr<const Jwt> jwt_;  // null: tokens are simple ones
  RealClock clock_;
  asio::io_context loop_;
  AsioExecutor executor_;
  asio::io_context snapshot_loop_;  // of the snapshot thread
  AsioExecutor snapshot_executor_;
  asio::executor_work_guard<asio::io_context::executor_type> snapshot_work_;
  SeededRandom random_;
  ThreadedLogWriter log_writer_;
  PeerTransport transport_;
  SnapshotTransfer snapshot_transfer_;
  SnapshotKeeper snapshots_;
  MemberCore core_;
  ThreadedWorker auth_worker_;
  HealthEndpoints health_;
  std::map<NodeId, SnapshotCounters> snapshot_counters_;
  MetricsEndpoint metrics_;
  SlowCallLog slow_calls_;
  rpc::RpcServer rpc_;
  rpc::RpcServer metrics_rpc_;  // on --listen-metrics-urls: health and metrics alone
  asio::signal_set signals_;
  Publisher publisher_;
  std::unique_ptr<Timer> certificates_timer_;
  AutoCompactor auto_compactor_;
  std::map<NodeId, std::unique_ptr<Timer>> departing_;  // removed members that are still connected
  std::thread snapshot_thread_;
  DiskWatch disk_watch_;
  bool shutting_down_ = false;
  absl::Status result_;
};

absl::StatusOr<std::unique_ptr<Member>> Member::Open(const Config& config) {
  KV_ASSIGN_OR_RETURN(std::shared_ptr<const Jwt> jwt, LoadJwt(config));
  KV_ASSIGN_OR_RETURN(MemberTls tls, LoadMemberTls(config));
  KV_ASSIGN_OR_RETURN(DataDirectory directory, OpenDataDirectory(config, *tls.peer));
  auto impl = std::make_unique<Impl>(config, std::move(tls), std::move(directory), std::move(jwt));
  KV_RETURN_IF_ERROR(impl->Bind());
  return std::unique_ptr<Member>(new Member(std::move(impl)));
}

Member::Member(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Member::~Member() = default;

absl::Status Member::Run() { return impl_->Run(); }

}  // namespace keelson::server
