#include "server/rpc/compression.h"

#include <zlib.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace keelson::rpc {
namespace {

constexpr int kGzipWindowBits = 15 + 16;  // zlib: 16 asks for the gzip wrapper
constexpr size_t kStep = 64 * 1024;

Bytef* Input(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

std::string Gzip(const ByteChain& bytes) {
  z_stream stream = {};
  constexpr int kMemoryLevel = 8;
  KV_CHECK_EQ(deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindowBits, kMemoryLevel,
                           Z_DEFAULT_STRATEGY),
              Z_OK);
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_out = Input(out);
  stream.avail_out = static_cast<uInt>(out.size());
  for (const SharedBytes& piece : bytes.pieces()) {
    stream.next_in = Input(piece.view());
    stream.avail_in = static_cast<uInt>(piece.size());
    KV_CHECK_EQ(deflate(&stream, Z_NO_FLUSH), Z_OK);
  }
  KV_CHECK_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

absl::StatusOr<std::string> Gunzip(std::string_view compressed, uint64_t bytes_max) {
  z_stream stream = {};
  KV_CHECK_EQ(inflateInit2(&stream, kGzipWindowBits), Z_OK);
  stream.next_in = Input(compressed);
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string out;
  int result = Z_OK;
  while (result == Z_OK && out.size() <= bytes_max) {
    const size_t before = out.size();
    out.resize(std::min<uint64_t>(before + kStep, bytes_max + 1));
    stream.next_out = Input(out) + before;
    stream.avail_out = static_cast<uInt>(out.size() - before);
    result = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  const bool whole = result == Z_STREAM_END && stream.avail_in == 0;
  inflateEnd(&stream);
  if (out.size() > bytes_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("grpc: received message after decompression larger than max (", out.size(),
                     " vs. ", bytes_max, ")"));
  }
  if (!whole) {
    return absl::InternalError("grpc: failed to decompress the received message: not valid gzip");
  }
  return out;
}

}  // namespace keelson::rpc
