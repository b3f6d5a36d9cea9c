// The stored form of one version of a key: the bytes of an mvccpb.KeyValue, written by us so that
// the same history has the same bytes everywhere (ascending field numbers, zero fields left out, as
// etcd writes them). They are spliced into answers and events unchanged.
#ifndef KEELSON_STORAGE_KEY_VALUE_H_
#define KEELSON_STORAGE_KEY_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/types.h"

namespace keelson::storage {

struct KeyValue {
  std::string_view key;
  Revision create_revision;
  Revision mod_revision;
  int64_t version = 0;
  std::string_view value;
  LeaseId lease;
};

// Appends the encoding of `kv` to `to`.
void AppendKeyValue(const KeyValue& kv, std::string& to);
// The views in the result point into `bytes`. False: not such an encoding. Unknown fields are
// refused.
bool ParseKeyValue(std::string_view bytes, KeyValue& kv);

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_KEY_VALUE_H_
