#include "tools/kvbench/etcd_messages.h"

#include "base/coding.h"

namespace keelson::kvbench {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

size_t VarintSize(uint64_t v) {
  size_t size = 1;
  for (; v >= 0x80; v >>= 7) ++size;
  return size;
}

void AppendTag(std::string& to, uint32_t number, WireType type) {
  AppendVarint(to, number << 3 | type);
}

void AppendBytesField(std::string& to, uint32_t number, std::string_view value) {
  AppendTag(to, number, kBytes);
  AppendVarint(to, value.size());
  to.append(value);
}

void AppendVarintField(std::string& to, uint32_t number, uint64_t value) {
  AppendTag(to, number, kVarint);
  AppendVarint(to, value);
}

// Field numbers up to 15 have a tag of one byte.
size_t BytesFieldSize(std::string_view value) {
  return 1 + VarintSize(value.size()) + value.size();
}

void AppendPrefix(std::string& to, size_t size) {
  to.push_back('\0');
  AppendBig32(to, static_cast<uint32_t>(size));
}

}  // namespace

void AppendPut(std::string& to, std::string_view key, std::string_view value) {
  AppendPrefix(to, BytesFieldSize(key) + BytesFieldSize(value));
  AppendBytesField(to, 1, key);
  AppendBytesField(to, 2, value);
}

void AppendGet(std::string& to, std::string_view key, Consistency consistency) {
  const bool serializable = consistency == Consistency::kSerializable;
  AppendPrefix(to, BytesFieldSize(key) + (serializable ? 2 : 0));
  AppendBytesField(to, 1, key);
  if (serializable) AppendVarintField(to, 7, 1);
}

void AppendStatus(std::string& to) { AppendPrefix(to, 0); }

void AppendWatchCreate(std::string& to, std::string_view key, int64_t watch_id) {
  std::string create;
  AppendBytesField(create, 1, key);
  AppendVarintField(create, 7, static_cast<uint64_t>(watch_id));
  AppendPrefix(to, BytesFieldSize(create));
  AppendBytesField(to, 1, create);
}

bool FieldReader::Next() {
  if (rest_.empty() || broken_) return false;
  uint64_t tag = 0;
  uint64_t size = 0;
  broken_ = true;  // until this field turns out well
  if (!TakeVarint(rest_, tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) return false;
  number_ = static_cast<uint32_t>(tag >> 3);
  varint_ = 0;
  bytes_ = {};
  switch (tag & 7) {
    case kVarint:
      if (!TakeVarint(rest_, varint_)) return false;
      broken_ = false;
      return true;
    case kFixed64:
      size = 8;
      break;
    case kFixed32:
      size = 4;
      break;
    case kBytes:
      if (!TakeVarint(rest_, size)) return false;
      break;
    default:
      return false;
  }
  if (size > rest_.size()) return false;
  bytes_ = rest_.substr(0, size);
  rest_.remove_prefix(size);
  broken_ = false;
  return true;
}

std::optional<uint64_t> ReadRangeCount(std::string_view message) {
  uint64_t count = 0;
  FieldReader fields(message);
  while (fields.Next()) {
    if (fields.number() == 4) count = fields.varint();
  }
  return fields.broken() ? std::nullopt : std::make_optional(count);
}

std::optional<MemberStatus> ReadStatus(std::string_view message) {
  MemberStatus status;
  FieldReader fields(message);
  while (fields.Next()) {
    if (fields.number() == 4) status.leader = fields.varint();
    if (fields.number() != 1) continue;
    FieldReader header(fields.bytes());
    while (header.Next()) {
      if (header.number() == 2) status.member_id = header.varint();
    }
    if (header.broken()) return std::nullopt;
  }
  return fields.broken() ? std::nullopt : std::make_optional(status);
}

std::optional<WatchAnswer> ReadWatch(std::string_view message,
                                     absl::FunctionRef<void(std::string_view)> on_value) {
  WatchAnswer answer;
  FieldReader fields(message);
  while (fields.Next()) {
    switch (fields.number()) {
      case 3:
        answer.created = fields.varint() != 0;
        break;
      case 4:
        answer.canceled = fields.varint() != 0;
        break;
      case 6:
        answer.cancel_reason = fields.bytes();
        break;
      case 11: {
        ++answer.events;
        FieldReader event(fields.bytes());
        while (event.Next()) {
          if (event.number() != 2) continue;
          FieldReader key_value(event.bytes());
          while (key_value.Next()) {
            if (key_value.number() == 5) on_value(key_value.bytes());
          }
          if (key_value.broken()) return std::nullopt;
        }
        if (event.broken()) return std::nullopt;
        break;
      }
      default:
        break;
    }
  }
  return fields.broken() ? std::nullopt : std::make_optional(answer);
}

std::optional<size_t> MessageCutter::Cut(std::string_view bytes,
                                         absl::FunctionRef<void(std::string_view)> on_message) {
  size_t done = 0;
  while (bytes.size() - done >= kMessagePrefixBytes) {
    const uint32_t size = LoadBig32(bytes.data() + done + 1);
    if (bytes[done] != 0 || size > kMessageMax) return std::nullopt;
    if (bytes.size() - done - kMessagePrefixBytes < size) break;
    on_message(bytes.substr(done + kMessagePrefixBytes, size));
    done += kMessagePrefixBytes + size;
  }
  return done;
}

bool MessageCutter::Feed(std::string_view bytes,
                         absl::FunctionRef<void(std::string_view)> on_message) {
  const bool whole = partial_.empty();  // then nothing is copied but what is left over
  if (!whole) partial_.append(bytes);
  const std::optional<size_t> done = Cut(whole ? bytes : std::string_view(partial_), on_message);
  if (!done) return false;
  if (whole) {
    partial_.assign(bytes.substr(*done));
  } else {
    partial_.erase(0, *done);
  }
  return true;
}

}  // namespace keelson::kvbench
