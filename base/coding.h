// Fixed-width integers and varints as bytes. Big-endian where byte order must be numeric order
// (keys), little-endian elsewhere. The Take functions consume from the front of a view and return
// false, leaving the view unchanged, when it is too short or malformed: they are what decoders of
// untrusted bytes use.
#ifndef KEELSON_BASE_CODING_H_
#define KEELSON_BASE_CODING_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace keelson {

namespace base_internal {
template <typename T>
constexpr T ByteSwap(T v) {
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(v);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(v);
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(v);
  return v;
}
template <typename T, std::endian kOrder>
void Store(char* to, T v) {
  if constexpr (kOrder != std::endian::native) v = ByteSwap(v);
  std::memcpy(to, &v, sizeof v);
}
template <typename T, std::endian kOrder>
T Load(const char* from) {
  T v;
  std::memcpy(&v, from, sizeof v);
  if constexpr (kOrder != std::endian::native) v = ByteSwap(v);
  return v;
}
template <typename T, std::endian kOrder>
void Append(std::string& to, T v) {
  char bytes[sizeof v];
  Store<T, kOrder>(bytes, v);
  to.append(bytes, sizeof v);
}
template <typename T, std::endian kOrder>
bool Take(std::string_view& from, T& v) {
  if (from.size() < sizeof v) return false;
  v = Load<T, kOrder>(from.data());
  from.remove_prefix(sizeof v);
  return true;
}
}  // namespace base_internal

inline void StoreBig64(char* to, uint64_t v) {
  base_internal::Store<uint64_t, std::endian::big>(to, v);
}
inline void StoreBig32(char* to, uint32_t v) {
  base_internal::Store<uint32_t, std::endian::big>(to, v);
}
inline void StoreLittle64(char* to, uint64_t v) {
  base_internal::Store<uint64_t, std::endian::little>(to, v);
}
inline void StoreLittle32(char* to, uint32_t v) {
  base_internal::Store<uint32_t, std::endian::little>(to, v);
}
inline uint64_t LoadBig64(const char* from) {
  return base_internal::Load<uint64_t, std::endian::big>(from);
}
inline uint32_t LoadBig32(const char* from) {
  return base_internal::Load<uint32_t, std::endian::big>(from);
}
inline uint64_t LoadLittle64(const char* from) {
  return base_internal::Load<uint64_t, std::endian::little>(from);
}
inline uint32_t LoadLittle32(const char* from) {
  return base_internal::Load<uint32_t, std::endian::little>(from);
}

inline void AppendBig64(std::string& to, uint64_t v) {
  base_internal::Append<uint64_t, std::endian::big>(to, v);
}
inline void AppendBig32(std::string& to, uint32_t v) {
  base_internal::Append<uint32_t, std::endian::big>(to, v);
}
inline void AppendLittle64(std::string& to, uint64_t v) {
  base_internal::Append<uint64_t, std::endian::little>(to, v);
}
inline void AppendLittle32(std::string& to, uint32_t v) {
  base_internal::Append<uint32_t, std::endian::little>(to, v);
}

inline bool TakeBig64(std::string_view& from, uint64_t& v) {
  return base_internal::Take<uint64_t, std::endian::big>(from, v);
}
inline bool TakeBig32(std::string_view& from, uint32_t& v) {
  return base_internal::Take<uint32_t, std::endian::big>(from, v);
}
inline bool TakeLittle64(std::string_view& from, uint64_t& v) {
  return base_internal::Take<uint64_t, std::endian::little>(from, v);
}
inline bool TakeLittle32(std::string_view& from, uint32_t& v) {
  return base_internal::Take<uint32_t, std::endian::little>(from, v);
}
inline bool TakeByte(std::string_view& from, uint8_t& v) {
  return base_internal::Take<uint8_t, std::endian::little>(from, v);
}

// LEB128, as protobuf encodes varints; at most 10 bytes.
inline void AppendVarint(std::string& to, uint64_t v) {
  while (v >= 0x80) {
    to.push_back(static_cast<char>(v | 0x80));
    v >>= 7;
  }
  to.push_back(static_cast<char>(v));
}

inline bool TakeVarint(std::string_view& from, uint64_t& v) {
  uint64_t result = 0;
  for (size_t i = 0; i < 10 && i < from.size(); ++i) {
    const auto byte = static_cast<uint8_t>(from[i]);
    if (i == 9 && byte > 1) return false;
    result |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      v = result;
      from.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace keelson

#endif  // KEELSON_BASE_CODING_H_
