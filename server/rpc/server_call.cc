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
    : ServedCall(environment, method, stream, std::move(headers)),
      reader_(environment->request_bytes_max) {}

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
    SetDeadline(*timeout);
  }
  if (bidi()) Begin({});
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

// --- request ------------------------------------------------------------------------------------

void ServerCall::OnData(std::string_view bytes) {
  TakeWindow(bytes.size());
  if (!active()) return;
  const absl::Status status = reader_.Feed(bytes, [this](bool compressed, SharedBytes message) {
    return OnMessage(compressed, std::move(message));
  });
  if (!status.ok()) return Fail(status);
  if (active()) CountPartial(reader_.buffered() + request_.size());
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
  if (bidi()) {
    if (receiver() != nullptr) receiver()->OnMessage(std::move(message));
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
  if (!active()) return;
  if (const absl::Status status = reader_.Finish(); !status.ok()) return Fail(status);
  if (bidi()) {
    if (receiver() != nullptr) receiver()->OnHalfClose();
    return;
  }
  if (request_count_ == 0) {
    return Fail(absl::InternalError("grpc: received no request message"));
  }
  Begin(std::move(request_));
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
  NoteUnsent();
}

void ServerCall::SendStatus(const absl::Status& status) {
  if (!headers_sent_ && !status.ok()) return SendStatusOnly(stream_, status);
  if (!headers_sent_) SendHeaders();
  Headers trailers;
  std::string text;
  AppendStatus(status, &text, &trailers);
  stream_->End(trailers);
}

}  // namespace keelson::rpc
