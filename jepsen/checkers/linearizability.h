// Linearizability of registers: whether the operations of a history can be put into one order that
// a register would answer so, each between its call and its return. The search is that of Wing and
// Gong with Lowe's memory of what was tried; keys are independent and are searched one by one (Horn
// and Kroening), which is right because no operation here touches two.
//
// An operation of unknown outcome may take effect at any time after its call, or never.
#ifndef KEELSON_JEPSEN_CHECKERS_LINEARIZABILITY_H_
#define KEELSON_JEPSEN_CHECKERS_LINEARIZABILITY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct RegisterOperation {
  enum class Kind : uint8_t { kRead, kWrite, kCompareAndSet };
  int client = 0;
  std::string key;
  Kind kind = Kind::kRead;
  // What was read, or is written; nullopt: the key is absent.
  std::optional<std::string> value = {};
  std::optional<std::string> expected = {};  // of kCompareAndSet
  bool swapped = true;                       // of a kCompareAndSet that is kOk
  Outcome outcome = Outcome::kOk;
  Time invoked = 0;
  Time returned = kNever;  // kNever, too, for kUnknown
};

struct SearchLimits {
  // Of what is remembered, over all keys; about a hundred bytes each and an eighth of a byte for
  // each operation of the key.
  uint64_t states_max = 2'000'000;
};

// Every key is absent at first.
Verdict CheckRegisters(const std::vector<RegisterOperation>& history,
                       const SearchLimits& limits = {});

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_LINEARIZABILITY_H_
