// The definition of a library's function that one of ours has taken the place of.
#ifndef KEELSON_TESTS_SANITIZERS_NEXT_DEFINITION_H_
#define KEELSON_TESTS_SANITIZERS_NEXT_DEFINITION_H_

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace keelson {

template <typename Function>
Function* NextDefinition(const std::string& symbol) {
  void* const found = dlsym(RTLD_NEXT, symbol.c_str());
  if (found == nullptr) {
    std::fprintf(stderr, "no %s to stand in for\n", symbol.c_str());
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace keelson

#endif  // KEELSON_TESTS_SANITIZERS_NEXT_DEFINITION_H_
