// CRC-32C (Castagnoli), the checksum of every record and frame we write; with SSE 4.2 where the
// processor has it. Crc32cExtend(Crc32c(a), b) == Crc32c(a + b).
#ifndef KEELSON_BASE_CRC32C_H_
#define KEELSON_BASE_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace keelson {

uint32_t Crc32cExtend(uint32_t crc, std::string_view bytes);
inline uint32_t Crc32c(std::string_view bytes) { return Crc32cExtend(0, bytes); }

}  // namespace keelson

#endif  // KEELSON_BASE_CRC32C_H_
