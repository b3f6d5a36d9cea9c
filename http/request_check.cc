#include "http/request_check.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <iterator>

namespace keelson::http {
namespace {

constexpr std::string_view kPseudoFields[] = {":method", ":scheme", ":path", ":authority"};
// A request has all of these; ":authority" may be missing.
constexpr unsigned kPseudoRequired = 0b0111;
constexpr std::string_view kConnectionFields[] = {"connection", "keep-alive", "proxy-connection",
                                                  "transfer-encoding", "upgrade"};

bool LegalBytes(std::string_view name, std::string_view value) {
  const auto* name_bytes = reinterpret_cast<const uint8_t*>(name.data());
  const auto* value_bytes = reinterpret_cast<const uint8_t*>(value.data());
  return nghttp2_check_header_name(name_bytes, name.size()) != 0 &&
         nghttp2_check_header_value(value_bytes, value.size()) != 0;
}

bool IsConnectionField(std::string_view name) {
  return std::find(std::begin(kConnectionFields), std::end(kConnectionFields), name) !=
         std::end(kConnectionFields);
}

std::optional<uint64_t> ParseLength(std::string_view text) {
  constexpr size_t kDigitsMax = 18;
  if (text.empty() || text.size() > kDigitsMax) return std::nullopt;
  uint64_t length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<uint64_t>(c - '0');
  }
  return length;
}

}  // namespace

bool RequestCheck::OnPseudoField(std::string_view name) {
  if (regular_seen_) return false;
  const auto* found = std::find(std::begin(kPseudoFields), std::end(kPseudoFields), name);
  if (found == std::end(kPseudoFields)) return false;
  const unsigned bit = 1u << (found - std::begin(kPseudoFields));
  if ((pseudo_seen_ & bit) != 0) return false;
  pseudo_seen_ |= bit;
  return true;
}

bool RequestCheck::OnField(std::string_view name, std::string_view value) {
  if (!LegalBytes(name, value)) return false;
  if (name.starts_with(':')) return OnPseudoField(name) && (name != ":path" || !value.empty());
  regular_seen_ = true;
  if (IsConnectionField(name)) return false;
  if (name == "te") return value == "trailers";
  if (name == "content-length") {
    if (content_length_) return false;
    content_length_ = ParseLength(value);
    return content_length_.has_value();
  }
  return true;
}

bool RequestCheck::OnFieldsComplete() {
  return (pseudo_seen_ & kPseudoRequired) == kPseudoRequired;
}

bool RequestCheck::OnTrailer(std::string_view name, std::string_view value) const {
  return LegalBytes(name, value) && !name.starts_with(':') && !IsConnectionField(name);
}

bool RequestCheck::OnBody(uint64_t bytes) {
  body_bytes_ += bytes;
  return !content_length_ || body_bytes_ <= *content_length_;
}

bool RequestCheck::OnEnd() const { return !content_length_ || body_bytes_ == *content_length_; }

}  // namespace keelson::http
