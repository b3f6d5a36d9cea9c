#include "server/rpc/server_call.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "base/check.h"
#include "server/rpc/compression.h"
#include "server/rpc/metadata.h"

namespace keelson::rpc {
namespace {

constexpr auto kStatic = http::Header::Storage::kStatic;
constexpr http::Header kContentType = {"content-type", "application/grpc", kStatic};
constexpr http::Header kGzipEncoding = {"grpc-encoding", "gzip", kStatic};
constexpr http::Header kAcceptEncoding = {"grpc-accept-encoding", "gzip", kStatic};
constexpr std::string_view kAcceptEncodingName = "grpc-accept-encoding";
// Answers up to this size are not worth compressing.
constexpr size_t kGzipMin = 1024;

constexpr std::string_view kCodes[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                       "9", "10", "11", "12", "13", "14", "15", "16"};

std::string_view CodeText(const absl::Status& status) {
  const auto code = static_cast<size_t>(status.raw_code());
  return code < std::size(kCodes) ? kCodes[code] : "2";
}

using Headers = absl::InlinedVector<http::Header, 4>;

// Appends grpc-status and grpc-message; `text` holds the encoded message.
void AppendStatus(const absl::Status& status, std::string* text, Headers* headers) {
  headers->push_back({"grpc-status", CodeText(status), kStatic});
  if (status.message().empty()) return;
  *text = PercentEncode({status.message().data(), status.message().size()});
  headers->push_back({"grpc-message", *text});
}

// Whether `list` ("identity, gzip") names gzip.
bool NamesGzip(std::string_view list) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view item = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (item == "gzip") return true;
  }
  return false;
}

}  // namespace

void SendStatusOnly(http::Stream* stream, const absl::Status& status) {
  Headers headers = {kContentType};
  if (status.code() == absl::StatusCode::kUnimplemented) headers.push_back(kAcceptEncoding);
  std::string text;
  AppendStatus(status, &text, &headers);
  stream->SendHeaders(200, headers, http::EndStream::kYes);
}

ServerCall::ServerCall(const CallEnvironment* environment, const Method* method,
                       http::Stream* stream, http::HeaderBlock headers)
    : environment_(environment),
      method_(method),
      stream_(stream),
      headers_(std::move(headers)),
      reader_(environment->request_bytes_max),
      meter_(method->statistics.get(), environment->clock) {}

ServerCall::~ServerCall() { KV_CHECK(!deadline_pending_) << "OnClose comes first"; }

void ServerCall::Start() {
  const std::string_view encoding = headers_.Get("grpc-encoding");
  request_gzip_ = encoding == "gzip";
  if (!encoding.empty() && !request_gzip_ && encoding != "identity") {
    return Fail(absl::UnimplementedError(
        "grpc: Decompressor is not installed for grpc-encoding \"" + std::string(encoding) + "\""));
  }
  answer_gzip_ = request_gzip_ && NamesGzip(headers_.Get(kAcceptEncodingName));
  if (const auto text = headers_.Find("grpc-timeout"); text.has_value()) {
    const std::optional<absl::Duration> timeout = ParseTimeout(*text);
    if (!timeout.has_value()) {
      return Fail(absl::InternalError("malformed grpc-timeout: " + std::string(*text)));
    }
    deadline_ = environment_->deadlines->Add(environment_->clock->Now() + *timeout, this);
    deadline_pending_ = true;
  }
  if (const auto* bidi = std::get_if<BidiHandler>(&method_->handler)) {
    receiver_ = (*bidi)(shared_from_this());
  }
}

std::optional<std::string_view> ServerCall::metadata(std::string_view name) const {
  const std::optional<std::string_view> value = headers_.Find(name);
  if (!value.has_value() || !name.ends_with("-bin")) return value;
  for (const auto& [known, bytes] : decoded_) {
    if (known == name) return bytes;
  }
  std::optional<std::string> bytes = DecodeBinaryValue(*value);
  if (!bytes.has_value()) return std::nullopt;
  // Strings move when the vector grows, short ones with their bytes: there is room for all at once.
  if (decoded_.empty()) decoded_.reserve(headers_.size());
  return decoded_.emplace_back(std::string(name), *std::move(bytes)).second;
}

std::optional<absl::Duration> ServerCall::deadline() const {
  if (!deadline_.has_value()) return std::nullopt;
  return deadline_->first;
}

std::string ServerCall::peer() const {
  return stream_ == nullptr ? peer_ : stream_->peer_address();
}

std::optional<std::string_view> ServerCall::peer_common_name() const {
  const std::string& name = stream_ == nullptr ? peer_common_name_ : stream_->peer_common_name();
  return name.empty() ? std::nullopt : std::optional<std::string_view>(name);
}

// --- request ------------------------------------------------------------------------------------

void ServerCall::OnData(std::string_view bytes) {
  if (stream_->queued_bytes() > environment_->high_water_bytes) {
    unconsumed_ += bytes.size();
  } else {
    stream_->Consume(bytes.size());
  }
  if (!active()) return;
  const absl::Status status = reader_.Feed(bytes, [this](bool compressed, SharedBytes message) {
    return OnMessage(compressed, std::move(message));
  });
  if (!status.ok()) Fail(status);
}

bool ServerCall::OnMessage(bool compressed, SharedBytes message) {
  if (compressed) {
    absl::StatusOr<std::string> bytes =
        request_gzip_
            ? Gunzip(message.view(), environment_->request_bytes_max)
            : absl::InternalError("grpc: compressed flag set with identity or empty encoding");
    if (!bytes.ok()) {
      Fail(bytes.status());
      return false;
    }
    message = SharedBytes(*std::move(bytes));
  }
  meter_.Received(message.size());
  if (std::holds_alternative<BidiHandler>(method_->handler)) {
    if (receiver_ != nullptr) receiver_->OnMessage(std::move(message));
    return active();
  }
  if (++request_count_ == 1) {
    request_ = std::move(message);
    return true;
  }
  Fail(absl::InternalError("grpc: received more than one request message for a unary request"));
  return false;
}

void ServerCall::OnEnd() {
  half_closed_ = true;
  if (!active()) return;
  if (const absl::Status status = reader_.Finish(); !status.ok()) return Fail(status);
  if (std::holds_alternative<BidiHandler>(method_->handler)) {
    if (receiver_ != nullptr) receiver_->OnHalfClose();
    return;
  }
  if (request_count_ == 0) {
    return Fail(absl::InternalError("grpc: received no request message"));
  }
  SharedBytes request = std::move(request_);
  if (const auto* unary = std::get_if<UnaryHandler>(&method_->handler)) {
    (*unary)(shared_from_this(), std::move(request));
  } else {
    receiver_ =
        std::get<ServerStreamHandler>(method_->handler)(shared_from_this(), std::move(request));
  }
}

// --- answer -------------------------------------------------------------------------------------

void ServerCall::SendHeaders() {
  headers_sent_ = true;
  if (answer_gzip_) {
    stream_->SendHeaders(200, {kContentType, kGzipEncoding}, http::EndStream::kNo);
  } else {
    stream_->SendHeaders(200, absl::MakeConstSpan(&kContentType, 1), http::EndStream::kNo);
  }
}

void ServerCall::Send(ByteChain message) {
  if (!active()) return;
  meter_.Sent(message.size());
  if (!headers_sent_) SendHeaders();
  const bool compress = answer_gzip_ && message.size() > kGzipMin;
  if (compress) message = ByteChain(Gzip(message));
  char prefix[kMessagePrefixBytes];
  EncodeMessagePrefix(compress, message.size(), prefix);
  stream_->SendData(std::string_view(prefix, kMessagePrefixBytes));
  stream_->SendData(message);
}

void ServerCall::Finish(const absl::Status& status) {
  if (!active()) return;
  finished_ = true;
  meter_.Ended(status.code());
  RemoveDeadline();
  SendStatus(status);
  on_cancel_ = nullptr;
}

void ServerCall::SendStatus(const absl::Status& status) {
  if (!headers_sent_ && !status.ok()) return SendStatusOnly(stream_, status);
  if (!headers_sent_) SendHeaders();
  Headers trailers;
  std::string text;
  AppendStatus(status, &text, &trailers);
  stream_->End(trailers);
}

// --- end ----------------------------------------------------------------------------------------

void ServerCall::OnCancel(std::function<void()> callback) {
  if (active()) on_cancel_ = std::move(callback);
}

void ServerCall::OnWritable() {
  if (unconsumed_ > 0) stream_->Consume(std::exchange(unconsumed_, 0));
  if (active() && receiver_ != nullptr) receiver_->OnWritable();
}

void ServerCall::OnDeadline() {
  deadline_pending_ = false;
  Fail(absl::DeadlineExceededError("context deadline exceeded"));
}

void ServerCall::Fail(const absl::Status& status) {
  if (!active()) return;
  const std::shared_ptr<ServerCall> self = shared_from_this();
  meter_.Ended(status.code());
  RemoveDeadline();
  SendStatus(status);
  Cancel();
}

void ServerCall::Cancel() {
  cancelled_ = true;
  if (const auto callback = std::exchange(on_cancel_, nullptr)) callback();
  if (receiver_ != nullptr) receiver_->OnCancel();
}

void ServerCall::OnClose(http::CloseReason) {
  const bool was_active = active();
  meter_.Ended(absl::StatusCode::kCancelled);
  if (!finished_) {
    peer_ = stream_->peer_address();
    peer_common_name_ = stream_->peer_common_name();
  }
  stream_ = nullptr;
  RemoveDeadline();
  if (was_active) Cancel();
  receiver_.reset();
}

void ServerCall::RemoveDeadline() {
  if (!std::exchange(deadline_pending_, false)) return;
  environment_->deadlines->Remove(*deadline_);
}

}  // namespace keelson::rpc
