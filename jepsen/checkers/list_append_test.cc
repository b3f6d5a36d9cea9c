#include "jepsen/checkers/list_append.h"

#include <map>

#include "base/random.h"
#include "gtest/gtest.h"

namespace keelson::checkers {
namespace {

using Operation = ListTransaction::Operation;

Operation Append(std::string key, int64_t value) {
  return {.append = true, .key = std::move(key), .value = value};
}
Operation Read(std::string key, std::vector<int64_t> list) {
  return {.key = std::move(key), .read = std::move(list)};
}
ListTransaction Txn(std::vector<Operation> operations, Time invoked = 0, Time returned = 100) {
  return {.operations = std::move(operations), .invoked = invoked, .returned = returned};
}
// The anomaly; "" when there is none.
std::string Anomaly(const std::vector<ListTransaction>& history) {
  const Verdict verdict = CheckListAppend(history);
  return verdict.broken() ? verdict.why.substr(0, verdict.why.find(':')) : "";
}

TEST(CheckListAppend, AcceptsWhatIsSerial) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1)}, 0, 1), Txn({Read("x", {1}), Append("x", 2)}, 2, 3),
                     Txn({Read("x", {1, 2}), Read("y", {})}, 4, 5)}),
            "");
}

TEST(CheckListAppend, FindsInterleavedWrites) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1), Append("y", 1)}), Txn({Append("x", 2), Append("y", 2)}),
                     Txn({Read("x", {1, 2})}), Txn({Read("y", {2, 1})})}),
            "G0");
}

TEST(CheckListAppend, FindsWhatWasReadOfARefusedTransaction) {
  ListTransaction refused = Txn({Append("x", 1)});
  refused.outcome = Outcome::kRefused;
  EXPECT_EQ(Anomaly({refused, Txn({Read("x", {1})})}), "G1a");
}

TEST(CheckListAppend, FindsAReadInTheMiddleOfATransaction) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1), Append("x", 2)}), Txn({Read("x", {1})})}), "G1b");
}

TEST(CheckListAppend, FindsCircularInformation) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1), Read("y", {1})}), Txn({Append("y", 1), Read("x", {1})})}),
            "G1c");
}

TEST(CheckListAppend, FindsAReadThatMissedOneWrite) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1), Append("y", 1)}), Txn({Read("x", {1}), Read("y", {})}),
                     Txn({Read("y", {1})})}),
            "G-single");
}

TEST(CheckListAppend, FindsWriteSkew) {
  EXPECT_EQ(Anomaly({Txn({Read("x", {}), Append("y", 1)}), Txn({Read("y", {}), Append("x", 1)}),
                     Txn({Read("x", {1}), Read("y", {1})})}),
            "G2");
}

TEST(CheckListAppend, FindsAStaleReadByTimeAlone) {
  const std::vector<ListTransaction> history = {
      Txn({Append("x", 1)}, 0, 1), Txn({Read("x", {})}, 2, 3), Txn({Read("x", {1})}, 4, 5)};
  EXPECT_EQ(Anomaly(history), "G-single-realtime");
}

TEST(CheckListAppend, FindsAnAcknowledgedAppendThatNobodyReads) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1)}, 0, 1), Txn({Append("x", 2)}, 2, 3),
                     Txn({Read("x", {1})}, 4, 5)}),
            "G-single-realtime");
}

TEST(CheckListAppend, FindsListsThatAreNoBeginningsOfEachOther) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1)}), Txn({Append("x", 2)}), Txn({Read("x", {1, 2})}),
                     Txn({Read("x", {2})})}),
            "incompatible order");
}

TEST(CheckListAppend, FindsDuplicatesGarbageAndOwnAppendsNotSeen) {
  EXPECT_EQ(Anomaly({Txn({Append("x", 1)}), Txn({Read("x", {1, 1})})}), "duplicate 1");
  EXPECT_EQ(Anomaly({Txn({Read("x", {9})})}), "garbage 9");
  EXPECT_EQ(Anomaly({Txn({Append("x", 1), Read("x", {})})}), "internal");
}

TEST(CheckListAppend, ATransactionOfUnknownOutcomeMayBeSeenOrNot) {
  ListTransaction unknown = Txn({Append("x", 1)}, 0, kNever);
  unknown.outcome = Outcome::kUnknown;
  EXPECT_EQ(Anomaly({unknown, Txn({Read("x", {})}, 2, 3)}), "");
  EXPECT_EQ(Anomaly({unknown, Txn({Read("x", {})}, 2, 3), Txn({Read("x", {1})}, 4, 5)}), "");
}

// Transactions carried out one after the other are accepted; with one of their reads cut short,
// they are not.
TEST(CheckListAppend, AcceptsSerialHistoriesAndConvictsALateLostRead) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    std::map<std::string, std::vector<int64_t>> lists;
    std::vector<ListTransaction> history;
    int64_t value = 0;
    for (int i = 0; i < 300; ++i) {
      std::vector<Operation> operations;
      for (uint64_t n = 1 + random.Below(4); n > 0; --n) {
        const std::string key(1, static_cast<char>('a' + random.Below(4)));
        if (random.Below(2) == 0) {
          operations.push_back(Append(key, ++value));
          lists[key].push_back(value);
        } else {
          operations.push_back(Read(key, lists[key]));
        }
      }
      // Their times overlap.
      history.push_back(Txn(std::move(operations), i * 10, i * 10 + 35));
    }
    history.push_back(Txn({Read("a", lists["a"])}, 5000, 5001));
    EXPECT_EQ(Anomaly(history), "") << "seed " << seed;
    ASSERT_GT(lists["a"].size(), 1u);
    lists["a"].pop_back();
    history.push_back(Txn({Read("a", lists["a"])}, 5002, 5003));
    EXPECT_NE(Anomaly(history), "") << "seed " << seed;
  }
}

}  // namespace
}  // namespace keelson::checkers
