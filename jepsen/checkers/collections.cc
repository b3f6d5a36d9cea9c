#include "jepsen/checkers/collections.h"

#include <algorithm>
#include <set>

namespace keelson::checkers {
namespace {

// From when on an element must be in every read: somebody knew it was there.
std::map<int64_t, Time> CertainSince(const std::vector<SetOperation>& history) {
  std::map<int64_t, Time> since;
  const auto note = [&since](int64_t element, Time at) {
    const auto [it, is_new] = since.emplace(element, at);
    if (!is_new) it->second = std::min(it->second, at);
  };
  for (const SetOperation& operation : history) {
    if (operation.outcome != Outcome::kOk) continue;
    if (operation.add) note(operation.element, operation.returned);
    for (const int64_t element : operation.elements) note(element, operation.returned);
  }
  return since;
}

}  // namespace

Verdict CheckSet(const std::vector<SetOperation>& history) {
  std::map<int64_t, const SetOperation*> adds;
  for (const SetOperation& operation : history) {
    if (operation.add) adds[operation.element] = &operation;
  }
  const std::map<int64_t, Time> certain = CertainSince(history);
  for (const SetOperation& read : history) {
    if (read.add || read.outcome != Outcome::kOk) continue;
    const auto broken = [&read](int64_t element, const std::string& what) {
      return Verdict::Broken("element " + std::to_string(element) + " " + what +
                             ", in the read of client " + std::to_string(read.client) + " at " +
                             std::to_string(read.invoked) + ".." + std::to_string(read.returned));
    };
    std::set<int64_t> seen;
    for (const int64_t element : read.elements) {
      if (!seen.insert(element).second) return broken(element, "is there twice");
      const auto add = adds.find(element);
      if (add == adds.end()) return broken(element, "was never added");
      if (add->second->outcome == Outcome::kRefused) return broken(element, "was refused");
      if (add->second->invoked > read.returned) return broken(element, "was added later");
    }
    for (const auto& [element, since] : certain) {
      if (since < read.invoked && !seen.contains(element)) return broken(element, "is lost");
    }
  }
  return {};
}

Verdict CheckBank(const std::vector<BankRead>& reads, const std::vector<std::string>& accounts,
                  int64_t total) {
  for (const BankRead& read : reads) {
    const auto broken = [&read](const std::string& what) {
      std::string text = what + ", in the read of client " + std::to_string(read.client) + " at " +
                         std::to_string(read.invoked) + ":";
      for (const auto& [account, balance] : read.balances) {
        text += " " + account + "=" + std::to_string(balance);
      }
      return Verdict::Broken(text);
    };
    int64_t sum = 0;
    for (const auto& [account, balance] : read.balances) {
      if (std::find(accounts.begin(), accounts.end(), account) == accounts.end()) {
        return broken("there is no account " + account);
      }
      if (balance < 0) return broken("account " + account + " is below zero");
      sum += balance;
    }
    if (read.balances.size() != accounts.size()) return broken("an account is missing");
    if (sum != total) return broken("the sum is not " + std::to_string(total));
  }
  return {};
}

}  // namespace keelson::checkers
