// Isolation of transactions that append unique numbers to lists and read lists, after the idea of
// Elle (Kingsbury, Alvaro 2020): a list that was read tells the order of all appends to it, and so
// which transaction must have come before which. A cycle among them is an anomaly, and what the
// cycle is made of is its name (Adya):
//
//   G0        writes of two transactions interleave          edges ww
//   G1a       what a refused transaction wrote was read
//   G1b       a list was read between two appends of one transaction
//   G1c       information flows in a circle                  ww, wr
//   G-single  one read missed what it should have seen       ww, wr, and one rw
//   G2        two or more did                                ww, wr, rw
//   …-realtime  only together with the order of time: strict serializability is broken, not
//             serializability
#ifndef KEELSON_JEPSEN_CHECKERS_LIST_APPEND_H_
#define KEELSON_JEPSEN_CHECKERS_LIST_APPEND_H_

#include <cstdint>
#include <string>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct ListTransaction {
  struct Operation {
    bool append = false;
    std::string key;
    int64_t value = 0;               // of an append; no two append the same to one list
    std::vector<int64_t> read = {};  // of a read, if the transaction is kOk
  };
  int client = 0;
  std::vector<Operation> operations;
  Outcome outcome = Outcome::kOk;
  Time invoked = 0;
  Time returned = kNever;
};

// The sentence of a verdict begins with the anomaly's name.
Verdict CheckListAppend(const std::vector<ListTransaction>& history);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_LIST_APPEND_H_
