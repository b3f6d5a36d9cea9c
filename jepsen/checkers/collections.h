// Histories of a set that only grows, and of a bank whose money only moves.
#ifndef KEELSON_JEPSEN_CHECKERS_COLLECTIONS_H_
#define KEELSON_JEPSEN_CHECKERS_COLLECTIONS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

struct SetOperation {
  int client = 0;
  bool add = false;
  int64_t element = 0;                 // of an add; added once
  std::vector<int64_t> elements = {};  // of a read that is kOk
  Outcome outcome = Outcome::kOk;
  Time invoked = 0;
  Time returned = kNever;
};

// No element is lost: whatever was acknowledged, or read, before a read began is in it. None comes
// from nowhere, too early, or twice.
Verdict CheckSet(const std::vector<SetOperation>& history);

struct BankRead {
  int client = 0;
  std::map<std::string, int64_t> balances;
  Time invoked = 0;
  Time returned = kNever;
};

// Every read has the accounts `accounts`, none below zero, and the sum of all is `total`.
Verdict CheckBank(const std::vector<BankRead>& reads, const std::vector<std::string>& accounts,
                  int64_t total);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_COLLECTIONS_H_
