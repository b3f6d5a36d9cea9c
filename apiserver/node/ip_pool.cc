#include "apiserver/node/ip_pool.h"

#include <arpa/inet.h>

#include "absl/strings/numbers.h"

namespace keelson::node {
namespace {

constexpr uint32_t kBitsMin = 16;
constexpr uint32_t kBitsMax = 30;

std::optional<uint32_t> ParseIp(const std::string& text) {
  in_addr address;
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string Format(uint32_t ip) {
  const in_addr address = {htonl(ip)};
  char text[INET_ADDRSTRLEN];
  return inet_ntop(AF_INET, &address, text, sizeof text);
}

}  // namespace

std::optional<IpPool> IpPool::Parse(const std::string& cidr) {
  const size_t slash = cidr.find('/');
  uint32_t bits = 0;
  if (slash == cidr.npos || !absl::SimpleAtoi(cidr.substr(slash + 1), &bits) || bits < kBitsMin ||
      bits > kBitsMax) {
    return std::nullopt;
  }
  const std::optional<uint32_t> ip = ParseIp(cidr.substr(0, slash));
  if (!ip) return std::nullopt;
  const uint32_t size = uint32_t{1} << (32 - bits);
  return IpPool(*ip & ~(size - 1), size);
}

std::string IpPool::Take(const std::string& wanted) {
  const std::optional<uint32_t> ip = ParseIp(wanted);
  if (ip && *ip > base_ && *ip < base_ + size_ - 1 && taken_.insert(*ip).second) return wanted;
  for (uint32_t tried = 0; tried < size_; ++tried) {
    const uint32_t offset = next_;
    next_ = next_ + 1 >= size_ - 1 ? 1 : next_ + 1;
    if (taken_.insert(base_ + offset).second) return Format(base_ + offset);
  }
  return "";
}

void IpPool::Return(const std::string& ip) {
  if (const std::optional<uint32_t> number = ParseIp(ip)) taken_.erase(*number);
}

}  // namespace keelson::node
