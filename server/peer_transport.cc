// What is in the frames (peer_frame.h) of the channels:
// channel 1: a raft message (raft_codec.cc)
// channel 2: request  := id:varint kind:u8 id:be64
// channel 3: answer   := id:varint present:u8 value:be64
// channel 4: introduction := the sender's peer URLs, by commas; the first frame of a connection
#include "server/peer_transport.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include "absl/strings/str_cat.h"
#include "asio/buffer.hpp"
#include "asio/connect.hpp"
#include "asio/post.hpp"
#include "asio/read.hpp"
#include "asio/steady_timer.hpp"
#include "asio/write.hpp"
#include "base/check.h"
#include "base/coding.h"
#include "http/address.h"
#include "server/peer_frame.h"
#include "server/peer_hello.h"
#include "server/raft_codec.h"

namespace keelson::server {
namespace {

using asio::ip::tcp;

constexpr size_t kReadBytes = 256 << 10;
constexpr absl::Duration kHelloTimeout = absl::Seconds(5);
// How often the round-trip time of a connection is looked at.
constexpr absl::Duration kSampleInterval = absl::Seconds(5);
constexpr absl::Duration kAcceptRetry = absl::Milliseconds(100);
// Members that introduced themselves and are not known otherwise; of their URLs.
constexpr size_t kGuestsMax = 32;
constexpr size_t kIntroductionBytesMax = 4096;
constexpr size_t kRefusedMax = 64;

enum Channel : uint8_t {
  kRaftChannel = 1,
  kRequestChannel = 2,
  kAnswerChannel = 3,
  kIntroductionChannel = 4,
};

std::string Describe(NodeId id) { return absl::StrCat(absl::Hex(id.value())); }

}  // namespace

struct PeerTransport::Waiting {
  explicit Waiting(asio::io_context& loop) : timer(loop) {}
  absl::AnyInvocable<void(PeerAnswer)> done;
  asio::steady_timer timer;
};

// -----------------------------------------------------------------------------------------
// outgoing

class PeerTransport::Outgoing : public std::enable_shared_from_this<Outgoing> {
 public:
  Outgoing(PeerTransport* transport, NodeId peer)
      : transport_(transport),
        peer_(peer),
        resolver_(*transport->loop_),
        stream_(*transport->loop_),
        timer_(*transport->loop_),
        redial_(transport->options_.redial_min) {}

  void Start() { Dial(); }

  // As the cluster knows them. A connection to an address that is no longer among them ends.
  void SetUrls(std::vector<Url> urls) {
    is_guest_ = false;
    recorded_ = std::move(urls);
    const std::vector<Url> all = this->urls();
    const bool kept =
        std::any_of(all.begin(), all.end(), [this](const Url& url) { return url.text == dialed_; });
    if (connected_ && !kept) Redial("it is reached elsewhere now");
  }
  // As the peer itself says; tried after those that the cluster knows.
  void Introduce(std::vector<Url> urls) { introduced_ = std::move(urls); }
  std::vector<Url> urls() const {
    std::vector<Url> all = recorded_;
    for (const Url& url : introduced_) {
      const auto same = [&url](const Url& other) { return other.text == url.text; };
      if (std::none_of(recorded_.begin(), recorded_.end(), same)) all.push_back(url);
    }
    return all;
  }
  bool is_guest() const { return is_guest_; }
  absl::Duration connected_for() const {
    if (!connected_) return absl::ZeroDuration();
    // Never zero, or it would look as if there were no connection.
    return std::max(transport_->options_.clock->Now() - connected_at_, absl::Nanoseconds(1));
  }

  void Stop() {
    transport_ = nullptr;
    Close();
    timer_.cancel();
    resolver_.cancel();
  }

  // False: not connected, or too much is waiting.
  bool Queue(uint8_t channel, const ByteChain& payload) {
    if (!connected_ || queued_bytes_ > transport_->options_.queued_bytes_max) return false;
    queue_.push_back(EncodePeerFrameHead(channel, payload));
    for (const SharedBytes& piece : payload.pieces()) queue_.push_back(piece);
    queued_bytes_ += payload.size() + kPeerFrameHeadBytes;
    if (!writing_ && !flush_posted_) {
      flush_posted_ = true;
      // One write for all that this turn of the loop has to say to the peer.
      asio::post(*transport_->loop_, [self = shared_from_this()] {
        self->flush_posted_ = false;
        self->Flush();
      });
    }
    return true;
  }

 private:
  void Dial() {
    if (!transport_) return;
    const std::vector<Url> all = urls();
    const Url url = all[next_url_++ % all.size()];
    dialed_ = url.text;
    resolver_.async_resolve(url.host, std::to_string(url.port),
                            [self = shared_from_this(), url](const asio::error_code& error,
                                                             tcp::resolver::results_type found) {
                              if (!self->transport_) return;
                              if (error) return self->Redial(error.message());
                              self->Connect(url, found);
                            });
  }

  void Connect(const Url& url, const tcp::resolver::results_type& endpoints) {
    stream_ = http::SecureStream(*transport_->loop_);
    ArmTimeout();
    asio::async_connect(stream_.socket(), endpoints,
                        [self = shared_from_this(), epoch = epoch_, url](
                            const asio::error_code& error, const auto&) {
                          if (epoch != self->epoch_) return;
                          if (error) return self->Redial(error.message());
                          self->Secure(url);
                        });
  }

  void Secure(const Url& url) {
    asio::error_code ignored;  // a socket that just broke shows it on the next write
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    if (url.secure()) {
      stream_.StartTls(
          transport_->options_.tls->Connect(stream_.socket().native_handle(), url.host));
    }
    stream_.AsyncHandshake(
        [self = shared_from_this(), epoch = epoch_](const asio::error_code& error) {
          if (epoch != self->epoch_) return;
          if (error) return self->Redial(self->stream_.Describe(error));
          self->SayHello();
        });
  }

  void SayHello() {
    hello_ = EncodeHello({.cluster = transport_->options_.cluster_id,
                          .from = transport_->options_.self,
                          .to = peer_});
    asio::async_write(
        stream_, asio::buffer(hello_),
        [self = shared_from_this(), epoch = epoch_](const asio::error_code& error, size_t) {
          if (epoch != self->epoch_) return;
          if (error) return self->Redial(error.message());
          self->AwaitWelcome();
        });
  }

  void AwaitWelcome() {
    asio::async_read(
        stream_, asio::buffer(&code_, 1),
        [self = shared_from_this(), epoch = epoch_](const asio::error_code& error, size_t) {
          if (epoch != self->epoch_) return;
          if (error) return self->Redial(self->stream_.Describe(error));
          if (self->code_ == kWelcome) return self->OnConnected();
          const auto transport = self->transport_;
          self->Redial(HelloCodeText(self->code_));
          if (self->code_ == kRemoved) transport->handlers_.on_removed();
        });
  }

  void OnConnected() {
    timer_.cancel();
    connected_ = true;
    connected_at_ = transport_->options_.clock->Now();
    Queue(kIntroductionChannel, ByteChain(transport_->options_.own_urls));
    redial_ = transport_->options_.redial_min;
    last_notice_.clear();
    transport_->handlers_.on_notice(absl::StrCat("connected to peer ", Describe(peer_)));
    transport_->statistics_[peer_].active = true;
    WatchForClose();
    SampleRoundTrip();
  }

  // The system measures it with every acknowledgement.
  void SampleRoundTrip() {
    tcp_info info = {};
    socklen_t size = sizeof(info);
    if (getsockopt(stream_.socket().native_handle(), IPPROTO_TCP, TCP_INFO, &info, &size) == 0) {
      transport_->statistics_[peer_].round_trip.Observe(absl::Microseconds(info.tcpi_rtt));
    }
    timer_.expires_after(absl::ToChronoNanoseconds(kSampleInterval));
    timer_.async_wait([self = shared_from_this(), epoch = epoch_](const asio::error_code& error) {
      if (!error && self->transport_ && epoch == self->epoch_) self->SampleRoundTrip();
    });
  }

  // The other side sends nothing after its welcome; a read ends when it goes away.
  void WatchForClose() {
    stream_.async_read_some(asio::buffer(&code_, 1), [self = shared_from_this(), epoch = epoch_](
                                                         const asio::error_code& error, size_t) {
      if (epoch != self->epoch_) return;
      self->Redial(error ? self->stream_.Describe(error) : "unexpected bytes");
    });
  }

  void Flush() {
    if (!transport_ || !connected_ || writing_ || queue_.empty()) return;
    writing_ = true;
    in_flight_.swap(queue_);
    queued_bytes_ = 0;
    std::vector<asio::const_buffer> buffers;
    buffers.reserve(in_flight_.size());
    for (const SharedBytes& piece : in_flight_) buffers.emplace_back(piece.data(), piece.size());
    asio::async_write(
        stream_, std::move(buffers),
        [self = shared_from_this(), epoch = epoch_](const asio::error_code& error, size_t bytes) {
          if (epoch != self->epoch_) return;
          self->transport_->statistics_[self->peer_].sent_bytes += bytes;
          self->writing_ = false;
          self->in_flight_.clear();
          if (error) return self->Redial(error.message());
          self->Flush();
        });
  }

  void ArmTimeout() {
    timer_.expires_after(absl::ToChronoNanoseconds(kHelloTimeout));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error && self->transport_ && !self->connected_) self->Redial("timed out");
    });
  }

  void Close() {
    ++epoch_;
    stream_.Close();
    connected_ = false;
    writing_ = false;
    queue_.clear();
    in_flight_.clear();
    queued_bytes_ = 0;
  }

  void Redial(const std::string& reason) {
    const bool was_connected = connected_;
    Close();
    if (was_connected) {
      PeerStatistics& statistics = transport_->statistics_[peer_];
      statistics.active = false;
      ++statistics.disconnects;
      transport_->handlers_.on_unreachable(peer_);
    }
    if (reason != last_notice_) {
      last_notice_ = reason;
      transport_->handlers_.on_notice(
          absl::StrCat("cannot reach peer ", Describe(peer_), ": ", reason));
    }
    timer_.expires_after(absl::ToChronoNanoseconds(redial_));
    redial_ = std::min(redial_ * 2, transport_->options_.redial_max);
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->Dial();
    });
  }

  PeerTransport* transport_;  // null once stopped
  const NodeId peer_;
  bool is_guest_ = true;  // not (yet) a member as far as it is known here
  std::vector<Url> recorded_, introduced_;
  std::string dialed_;  // the URL of the last attempt
  size_t next_url_ = 0;
  tcp::resolver resolver_;
  http::SecureStream stream_;
  asio::steady_timer timer_;
  absl::Duration redial_;
  std::string last_notice_;  // the same trouble is told once
  std::string hello_;
  uint8_t code_ = 0;
  bool connected_ = false;
  absl::Duration connected_at_;
  bool writing_ = false;
  bool flush_posted_ = false;
  uint64_t epoch_ = 0;  // of the connection; a completion of an earlier one is ignored
  std::vector<SharedBytes> queue_;
  std::vector<SharedBytes> in_flight_;
  size_t queued_bytes_ = 0;
};

// -----------------------------------------------------------------------------------------
// incoming

class PeerTransport::Incoming : public std::enable_shared_from_this<Incoming> {
 public:
  Incoming(PeerTransport* transport, tcp::socket socket)
      : transport_(transport), stream_(std::move(socket)), timer_(*transport->loop_) {}

  enum class Security { kClear, kTls };
  void Start(Security security) {
    timer_.expires_after(absl::ToChronoNanoseconds(kHelloTimeout));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error) self->End();
    });
    if (security == Security::kTls) {
      stream_.StartTls(transport_->options_.tls->Accept(stream_.socket().native_handle()));
    }
    stream_.AsyncHandshake([self = shared_from_this()](const asio::error_code& error) {
      if (!self->transport_) return;
      if (!error) return self->AwaitHello();
      self->transport_->handlers_.on_notice(
          absl::StrCat("rejected a connection to the peer port: ", self->stream_.Describe(error)));
      self->End();
    });
  }

  void Stop() {
    transport_ = nullptr;
    stream_.Close();
    timer_.cancel();
  }

  NodeId peer() const { return peer_; }

 private:
  void AwaitHello() {
    buffer_.resize(kHelloBytes);
    asio::async_read(stream_, asio::buffer(buffer_),
                     [self = shared_from_this()](const asio::error_code& error, size_t) {
                       if (!self->transport_) return;
                       if (error) return self->End();
                       self->OnHello();
                     });
  }

  // Whoever is about to join knows neither the cluster's id nor its own.
  HelloCode Judge(const Hello& hello) const {
    const Options& options = transport_->options_;
    if (hello.version != kPeerVersion) return kWrongVersion;
    if (hello.purpose == PeerPurpose::kMembers) return kWelcome;
    if (hello.cluster != options.cluster_id) return kWrongCluster;
    if (hello.to != options.self || hello.from == options.self) return kWrongMember;
    return transport_->handlers_.was_removed(hello.from) ? kRemoved : kWelcome;
  }

  void OnHello() {
    timer_.cancel();
    const std::optional<Hello> hello = DecodeHello(buffer_);
    if (!hello) {
      transport_->handlers_.on_notice("closed a connection to the peer port: it is no member's");
      return End();
    }
    code_ = Judge(*hello);
    if (code_ != kWelcome) transport_->NoticeRefusal(hello->from, code_);
    peer_ = hello->from;
    purpose_ = hello->purpose;
    asio::async_write(stream_, asio::buffer(&code_, 1),
                      [self = shared_from_this()](const asio::error_code& error, size_t) {
                        if (!self->transport_) return;
                        if (error || self->code_ != kWelcome) return self->End();
                        if (self->purpose_ == PeerPurpose::kSnapshot) return self->HandOver();
                        if (self->purpose_ == PeerPurpose::kMembers) return self->TellMembers();
                        self->buffer_.clear();
                        self->buffer_.resize(kReadBytes);
                        self->Read();
                      });
  }

  void Read() {
    // Room for at least the frame that has begun, but no more than arrives: the buffer doubles.
    if (buffer_.size() - filled_ < kReadBytes / 2) buffer_.resize(buffer_.size() * 2);
    stream_.async_read_some(
        asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_),
        [self = shared_from_this()](const asio::error_code& error, size_t bytes) {
          if (!self->transport_) return;
          if (error) return self->End();
          self->transport_->statistics_[self->peer_].received_bytes += bytes;
          self->filled_ += bytes;
          if (!self->TakeFrames()) {
            ++self->transport_->statistics_[self->peer_].received_failures;
            return self->End();
          }
          self->Read();
        });
  }

  void TellMembers() {
    buffer_ = EncodeMembersReply(transport_->options_.cluster_id,
                                 transport_->handlers_.describe_members());
    asio::async_write(stream_, asio::buffer(buffer_),
                      [self = shared_from_this()](const asio::error_code&, size_t) {
                        // Told or not, that was all.
                        if (self->transport_) self->End();
                      });
  }

  void HandOver() {
    transport_->handlers_.on_snapshot_connection(peer_, std::move(stream_));
    End();
  }

  // False: the peer sent something that is no frame.
  bool TakeFrames() {
    std::string_view rest(buffer_.data(), filled_);
    PeerFrame frame;
    PeerFrameOutcome outcome;
    while ((outcome = ParsePeerFrame(rest, transport_->options_.frame_bytes_max, &frame)) ==
           PeerFrameOutcome::kFrame) {
      transport_->Dispatch(peer_, frame.channel, SharedBytes::Copy(frame.payload));
      if (!transport_) return true;  // a handler stopped us
      rest.remove_prefix(frame.bytes);
    }
    if (outcome != PeerFrameOutcome::kPartial) {
      transport_->handlers_.on_notice(
          outcome == PeerFrameOutcome::kMalformed
              ? "closed a peer's connection: malformed frame"
              : "closed a peer's connection: a frame fails its checksum");
      return false;
    }
    // Only what follows a frame that was taken: a large frame is not copied onto itself at every
    // read.
    if (rest.size() < filled_) std::copy(rest.begin(), rest.end(), buffer_.begin());
    filled_ = rest.size();
    if (filled_ == 0 && buffer_.size() > 4 * kReadBytes) {
      buffer_ = std::string(kReadBytes, '\0');
    }
    return true;
  }

  void End() {
    if (!transport_) return;
    PeerTransport* const transport = transport_;
    Stop();
    transport->incoming_.erase(shared_from_this());
  }

  PeerTransport* transport_;  // null once ended
  http::SecureStream stream_;
  asio::steady_timer timer_;
  NodeId peer_;
  PeerPurpose purpose_ = PeerPurpose::kFrames;
  uint8_t code_ = 0;
  std::string buffer_;
  size_t filled_ = 0;
};

class PeerTransport::Listener : public std::enable_shared_from_this<Listener> {
 public:
  Listener(PeerTransport* transport, tcp::acceptor acceptor, Incoming::Security security)
      : transport_(transport),
        acceptor_(std::move(acceptor)),
        security_(security),
        timer_(*transport->loop_) {}

  void Accept() {
    acceptor_.async_accept(
        [self = shared_from_this()](const asio::error_code& error, tcp::socket socket) {
          if (!self->transport_) return;
          if (error) return self->AcceptLater();
          asio::error_code ignored;  // a connection that is gone already ends on its first read
          socket.set_option(tcp::no_delay(true), ignored);
          const auto incoming = std::make_shared<Incoming>(self->transport_, std::move(socket));
          self->transport_->incoming_.insert(incoming);
          incoming->Start(self->security_);
          self->Accept();
        });
  }

  void Stop() {
    transport_ = nullptr;
    asio::error_code ignored;  // as above
    acceptor_.close(ignored);
    timer_.cancel();
  }

 private:
  // Out of file descriptors, most likely: try again when some may have been freed.
  void AcceptLater() {
    timer_.expires_after(absl::ToChronoNanoseconds(kAcceptRetry));
    timer_.async_wait([self = shared_from_this()](const asio::error_code& error) {
      if (!error && self->transport_) self->Accept();
    });
  }

  PeerTransport* transport_;
  tcp::acceptor acceptor_;
  const Incoming::Security security_;
  asio::steady_timer timer_;
};

// ----------------------------------------------------------------------------------------
// transport

PeerTransport::PeerTransport(asio::io_context* loop, Options options, Handlers handlers)
    : loop_(loop),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      alive_(std::make_shared<int>()) {}

PeerTransport::~PeerTransport() { Stop(); }

absl::Status PeerTransport::Listen(const Url& url) {
  const std::string name = absl::StrCat("listen tcp ", url.host, ":", url.port);
  asio::error_code error;
  tcp::resolver resolver(*loop_);
  const auto found =
      resolver.resolve(url.host, std::to_string(url.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error.message()));
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  tcp::acceptor acceptor(*loop_);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && options_.reuse_port) {
    acceptor.set_option(http::ReusePort(true), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    std::string reason = error.message();
    reason[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(reason[0])));
    return absl::UnavailableError(absl::StrCat(name, ": bind: ", reason));
  }
  listeners_.push_back(std::make_shared<Listener>(
      this, std::move(acceptor),
      url.secure() ? Incoming::Security::kTls : Incoming::Security::kClear));
  listeners_.back()->Accept();
  return absl::OkStatus();
}

void PeerTransport::SetPeer(NodeId peer, std::vector<Url> urls) {
  const auto it = peers_.find(peer);
  if (it != peers_.end()) return it->second->SetUrls(std::move(urls));
  statistics_.try_emplace(peer);
  const auto outgoing = std::make_shared<Outgoing>(this, peer);
  outgoing->SetUrls(std::move(urls));
  peers_.emplace(peer, outgoing);
  outgoing->Start();
}

void PeerTransport::OnIntroduction(NodeId from, std::string_view payload) {
  if (payload.size() > kIntroductionBytesMax) return;
  auto urls = ParseUrls(std::string(payload));
  if (!urls.ok() || urls->empty()) return;
  const auto it = peers_.find(from);
  if (it != peers_.end()) return it->second->Introduce(*std::move(urls));
  const auto guests = std::count_if(peers_.begin(), peers_.end(),
                                    [](const auto& peer) { return peer.second->is_guest(); });
  if (static_cast<size_t>(guests) >= kGuestsMax) return;
  handlers_.on_notice(absl::StrCat("heard of peer ", Describe(from), " by itself"));
  const auto outgoing = std::make_shared<Outgoing>(this, from);
  outgoing->Introduce(*std::move(urls));
  peers_.emplace(from, outgoing);
  outgoing->Start();
}

// Whoever is refused comes back twice a second.
void PeerTransport::NoticeRefusal(NodeId from, uint8_t code) {
  if (refused_.size() >= kRefusedMax) refused_.clear();
  const auto [it, is_new] = refused_.emplace(from, code);
  if (!is_new && it->second == code) return;
  it->second = code;
  handlers_.on_notice(absl::StrCat("refused peer ", Describe(from), ": ", HelloCodeText(code)));
}

void PeerTransport::RemovePeer(NodeId peer) {
  auto node = peers_.extract(peer);
  if (!node.empty()) node.mapped()->Stop();
  for (auto it = incoming_.begin(); it != incoming_.end();) {
    const std::shared_ptr<Incoming> incoming = *it;
    if (incoming->peer() != peer) {
      ++it;
      continue;
    }
    incoming->Stop();
    it = incoming_.erase(it);
  }
}

std::vector<NodeId> PeerTransport::Peers() const {
  std::vector<NodeId> ids;
  for (const auto& [id, peer] : peers_) ids.push_back(id);
  return ids;
}

absl::Duration PeerTransport::ConnectedFor(NodeId peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? absl::ZeroDuration() : it->second->connected_for();
}

std::vector<Url> PeerTransport::UrlsOf(NodeId peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? std::vector<Url>() : it->second->urls();
}

void PeerTransport::Stop() {
  for (const auto& listener : listeners_) listener->Stop();
  listeners_.clear();
  for (const auto& [id, peer] : peers_) peer->Stop();
  peers_.clear();
  for (const auto& incoming : incoming_) incoming->Stop();
  incoming_.clear();
  waiting_.clear();
}

bool PeerTransport::Send(const raft::Message& message) {
  const auto it = peers_.find(message.to);
  if (it == peers_.end()) return false;
  if (it->second->Queue(kRaftChannel, EncodeRaftMessage(message))) return true;
  ++statistics_[message.to].sent_failures;
  // Told later, not from inside raft's own output.
  asio::post(*loop_, [this, peer = message.to, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) handlers_.on_unreachable(peer);
  });
  return false;
}

void PeerTransport::Ask(NodeId peer, const PeerRequest& request,
                        absl::AnyInvocable<void(PeerAnswer)> done) {
  std::string payload;
  const uint64_t id = ++last_request_;
  AppendVarint(payload, id);
  payload.push_back(static_cast<char>(request.kind));
  AppendBig64(payload, request.id);
  const auto it = peers_.find(peer);
  if (it == peers_.end() || !it->second->Queue(kRequestChannel, ByteChain(std::move(payload)))) {
    return done(std::nullopt);
  }
  auto waiting = std::make_unique<Waiting>(*loop_);
  waiting->done = std::move(done);
  waiting->timer.expires_after(absl::ToChronoNanoseconds(options_.request_timeout));
  waiting->timer.async_wait([this, id](const asio::error_code& error) {
    if (!error) ExpireRequest(id);
  });
  waiting_.emplace(id, std::move(waiting));
}

void PeerTransport::ExpireRequest(uint64_t id) {
  auto node = waiting_.extract(id);
  if (!node.empty()) node.mapped()->done(std::nullopt);
}

void PeerTransport::Dispatch(NodeId from, uint8_t channel, const SharedBytes& payload) {
  switch (channel) {
    case kRaftChannel: {
      std::optional<raft::Message> message = DecodeRaftMessage(payload);
      // A snapshot comes with its state, on a connection of its own.
      if (!message || message->from != from || message->to != options_.self ||
          std::holds_alternative<raft::InstallSnapshot>(message->body)) {
        ++statistics_[from].received_failures;
        handlers_.on_notice(absl::StrCat("ignored a malformed message of peer ", Describe(from)));
        return;
      }
      return handlers_.on_raft_message(*std::move(message));
    }
    case kRequestChannel:
      return OnPeerRequest(from, payload.view());
    case kAnswerChannel:
      return OnPeerAnswer(payload.view());
    case kIntroductionChannel:
      return OnIntroduction(from, payload.view());
    default:
      handlers_.on_notice(absl::StrCat("ignored a frame of unknown channel ", channel));
  }
}

void PeerTransport::OnPeerRequest(NodeId from, std::string_view payload) {
  uint64_t id, subject;
  uint8_t kind;
  if (!TakeVarint(payload, id) || !TakeByte(payload, kind) || !TakeBig64(payload, subject)) return;
  handlers_.on_request({static_cast<PeerRequestKind>(kind), subject},
                       [this, from, id, alive = std::weak_ptr<int>(alive_)](PeerAnswer answer) {
                         if (alive.expired()) return;
                         std::string out;
                         AppendVarint(out, id);
                         out.push_back(answer ? 1 : 0);
                         AppendBig64(out, static_cast<uint64_t>(answer.value_or(0)));
                         const auto it = peers_.find(from);
                         // A lost answer shows at the asking member as a timeout.
                         if (it != peers_.end())
                           it->second->Queue(kAnswerChannel, ByteChain(std::move(out)));
                       });
}

void PeerTransport::OnPeerAnswer(std::string_view payload) {
  uint64_t id, value;
  uint8_t present;
  if (!TakeVarint(payload, id) || !TakeByte(payload, present) || !TakeBig64(payload, value)) return;
  auto node = waiting_.extract(id);
  if (node.empty()) return;
  node.mapped()->done(present ? PeerAnswer(static_cast<int64_t>(value)) : std::nullopt);
}

}  // namespace keelson::server
