// IpPool: the IPv4 addresses of a node's pods. A value; one thread.
#ifndef KEELSON_APISERVER_NODE_IP_POOL_H_
#define KEELSON_APISERVER_NODE_IP_POOL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_set>

namespace keelson::node {

class IpPool {
 public:
  // "10.244.3.0/24"; between /16 and /30. nullopt: it is none.
  static std::optional<IpPool> Parse(const std::string& cidr);

  // `wanted` if it is free and of this range; else the next one, so that an address is not used
  // again at once. "": none is left.
  std::string Take(const std::string& wanted);
  void Return(const std::string& ip);
  size_t taken() const { return taken_.size(); }

 private:
  IpPool(uint32_t base, uint32_t size) : base_(base), size_(size) {}
  uint32_t base_;
  uint32_t size_;  // the first and the last address are nobody's
  uint32_t next_ = 1;
  std::unordered_set<uint32_t> taken_;
};

}  // namespace keelson::node

#endif  // KEELSON_APISERVER_NODE_IP_POOL_H_
