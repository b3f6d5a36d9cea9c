// One fuzzer for libFuzzer: KEELSON_DECODER is the name of the decoder. tools/fuzz builds and runs
// them all.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "tests/fuzz/decoders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const keelson::fuzz::Decoder* const decoder = keelson::fuzz::FindDecoder(KEELSON_DECODER);
  KV_CHECK(decoder != nullptr) << "no decoder " << KEELSON_DECODER;
  decoder->run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
