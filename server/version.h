// The versions that this program says it has.
#ifndef KEELSON_SERVER_VERSION_H_
#define KEELSON_SERVER_VERSION_H_

namespace keelson::server {

inline constexpr char kKeelsonVersion[] = "0.1.0";
// The version of etcd whose API and behaviour this is; clients decide by it what they may use.
inline constexpr char kEtcdVersion[] = "3.7.0";
inline constexpr char kEtcdClusterVersion[] = "3.7.0";

}  // namespace keelson::server

#endif  // KEELSON_SERVER_VERSION_H_
