#include "server/auth/simple_tokens.h"

#include <charconv>
#include <utility>


namespace keelson::server {
namespace {

constexpr size_t kPrefixLetters = 16;
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

}  // namespace

std::string SimpleTokens::NewPrefix(const SecretSource& secrets) {
  std::string prefix;
  while (prefix.size() < kPrefixLetters) {
    for (const char c : secrets(2 * kPrefixLetters)) {
      const auto byte = static_cast<uint8_t>(c);
      // Bytes beyond a multiple of 52 would make some letters likelier.
      if (byte >= 256 / kLetters.size() * kLetters.size()) continue;
      if (prefix.size() < kPrefixLetters) prefix.push_back(kLetters[byte % kLetters.size()]);
    }
  }
  return prefix;
}

std::optional<LogIndex> SimpleTokens::IndexOf(std::string_view token) {
  const size_t dot = token.find('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view digits = token.substr(dot + 1);
  uint64_t index;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return LogIndex(index);
}

void SimpleTokens::Apply(const TokenChange& change) {
  DropExpired();
  switch (change.kind) {
    case TokenChange::Kind::kAssign: {
      tokens_.push_back({change.token, change.user, clock_->Now() + ttl_});
      const auto added = std::prev(tokens_.end());
      // Its entry's index is in it, so there is none like it.
      by_token_.emplace(added->text, added);
      break;
    }
    case TokenChange::Kind::kDropUser:
      for (auto token = tokens_.begin(); token != tokens_.end();) {
        const auto next = std::next(token);
        if (token->user == change.user) {
          by_token_.erase(token->text);
          tokens_.erase(token);
        }
        token = next;
      }
      break;
    case TokenChange::Kind::kDropAll:
      DropAll();
      break;
  }
}

void SimpleTokens::DropAll() {
  by_token_.clear();
  tokens_.clear();
}

void SimpleTokens::DropExpired() {
  const absl::Duration now = clock_->Now();
  while (!tokens_.empty() && tokens_.front().expires <= now) {
    by_token_.erase(tokens_.front().text);
    tokens_.pop_front();
  }
}

const std::string* SimpleTokens::Use(std::string_view token) {
  DropExpired();
  const auto found = by_token_.find(token);
  if (found == by_token_.end()) return nullptr;
  found->second->expires = clock_->Now() + ttl_;
  tokens_.splice(tokens_.end(), tokens_, found->second);
  return &found->second->user;
}

}  // namespace keelson::server
