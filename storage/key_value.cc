#include "storage/key_value.h"

#include "base/coding.h"

namespace keelson::storage {
namespace {

// KeyValue := field*, ascending, each left out when zero or empty
//   0a varint(size) key        1 key              bytes
//   10 varint                  2 create_revision  int64
//   18 varint                  3 mod_revision     int64
//   20 varint                  4 version          int64
//   2a varint(size) value      5 value            bytes
//   30 varint                  6 lease            int64 (ten bytes when negative)
enum Tag : uint8_t {
  kKey = 0x0a,
  kCreateRevision = 0x10,
  kModRevision = 0x18,
  kVersion = 0x20,
  kValue = 0x2a,
  kLease = 0x30,
};

void AppendBytes(Tag tag, std::string_view bytes, std::string& to) {
  if (bytes.empty()) return;
  to.push_back(static_cast<char>(tag));
  AppendVarint(to, bytes.size());
  to.append(bytes);
}

void AppendInt(Tag tag, int64_t v, std::string& to) {
  if (v == 0) return;
  to.push_back(static_cast<char>(tag));
  AppendVarint(to, static_cast<uint64_t>(v));
}

bool TakeBytes(std::string_view& from, std::string_view& bytes) {
  uint64_t size;
  if (!TakeVarint(from, size) || size > from.size()) return false;
  bytes = from.substr(0, size);
  from.remove_prefix(size);
  return true;
}

bool TakeInt(std::string_view& from, int64_t& v) {
  uint64_t bits;
  if (!TakeVarint(from, bits)) return false;
  v = static_cast<int64_t>(bits);
  return true;
}

}  // namespace

void AppendKeyValue(const KeyValue& kv, std::string& to) {
  AppendBytes(kKey, kv.key, to);
  AppendInt(kCreateRevision, kv.create_revision.value(), to);
  AppendInt(kModRevision, kv.mod_revision.value(), to);
  AppendInt(kVersion, kv.version, to);
  AppendBytes(kValue, kv.value, to);
  AppendInt(kLease, kv.lease.value(), to);
}

bool ParseKeyValue(std::string_view bytes, KeyValue& kv) {
  kv = KeyValue{};
  uint8_t last = 0;
  while (!bytes.empty()) {
    uint8_t tag;
    if (!TakeByte(bytes, tag) || tag <= last) return false;
    last = tag;
    int64_t v = 0;
    bool ok;
    switch (tag) {
      case kKey:
        ok = TakeBytes(bytes, kv.key);
        break;
      case kCreateRevision:
        ok = TakeInt(bytes, v);
        kv.create_revision = Revision(v);
        break;
      case kModRevision:
        ok = TakeInt(bytes, v);
        kv.mod_revision = Revision(v);
        break;
      case kVersion:
        ok = TakeInt(bytes, kv.version);
        break;
      case kValue:
        ok = TakeBytes(bytes, kv.value);
        break;
      case kLease:
        ok = TakeInt(bytes, v);
        kv.lease = LeaseId(v);
        break;
      default:
        return false;
    }
    if (!ok) return false;
  }
  return true;
}

}  // namespace keelson::storage
