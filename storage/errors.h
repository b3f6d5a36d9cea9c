// The texts of errors that reach clients through storage/; etcd's, byte for byte, because clients
// compare them (they follow "etcdserver: " on the wire).
#ifndef KEELSON_STORAGE_ERRORS_H_
#define KEELSON_STORAGE_ERRORS_H_

namespace keelson::storage {

inline constexpr char kCompactedMessage[] = "mvcc: required revision has been compacted";
inline constexpr char kFutureRevisionMessage[] = "mvcc: required revision is a future revision";

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_ERRORS_H_
