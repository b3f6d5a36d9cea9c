// The decoders of bytes that were stored or come from others, as one function each: libFuzzer calls
// it (fuzzer_main.cc), and so does decoders_test for the corpus that is kept and changes of it. It
// takes any bytes. They may be refused; what is accepted must have the properties that the rest of
// the program relies on, else the process stops.
#ifndef KEELSON_TESTS_FUZZ_DECODERS_H_
#define KEELSON_TESTS_FUZZ_DECODERS_H_

#include <span>
#include <string_view>

namespace keelson::fuzz {

struct Decoder {
  std::string_view name;  // of its folder in corpus/
  void (*run)(std::string_view bytes);
};

std::span<const Decoder> Decoders();
// Null: there is none of that name.
const Decoder* FindDecoder(std::string_view name);

}  // namespace keelson::fuzz

#endif  // KEELSON_TESTS_FUZZ_DECODERS_H_
