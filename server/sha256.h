// Sha256: the sum that ends a Maintenance.Snapshot stream and the file that is made of it, as with
// etcd.
#ifndef KEELSON_SERVER_SHA256_H_
#define KEELSON_SERVER_SHA256_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace keelson::server {

inline constexpr size_t kSha256Bytes = 32;

class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Add(std::string_view bytes);
  // The sum of all that was added. Nothing may be added after it.
  std::string Finish();

 private:
  struct Context;
  const std::unique_ptr<Context> context_;
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_SHA256_H_
