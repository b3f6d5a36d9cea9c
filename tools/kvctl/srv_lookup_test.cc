#include "tools/kvctl/srv_lookup.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace keelson::kvctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Number(unsigned v) {
  return {static_cast<char>(v >> 8 & 0xff), static_cast<char>(v & 0xff)};
}
std::string Name(const std::vector<std::string>& labels) {
  std::string bytes;
  for (const std::string& label : labels) bytes += static_cast<char>(label.size()) + label;
  return bytes + '\0';
}

// An answer of `records` to a question for "s.".
std::string Answer(const std::vector<std::string>& records) {
  std::string message = Number(7) + Number(0x8180) + Number(1) +
                        Number(static_cast<unsigned>(records.size())) + Number(0) + Number(0) +
                        Name({"s"}) + Number(33) + Number(1);
  for (const std::string& record : records) message += record;
  return message;
}
std::string Record(unsigned type, const std::string& data) {
  return Number(0xc00c) + Number(type) + Number(1) + Number(0) + Number(60) +
         Number(static_cast<unsigned>(data.size())) + data;
}
std::string Srv(unsigned priority, unsigned weight, unsigned port, const std::string& target) {
  return Record(33, Number(priority) + Number(weight) + Number(port) + target);
}

TEST(SrvAnswerTest, ServersComeByPriorityAndThenByWeight) {
  const auto servers =
      ParseSrvAnswer(Answer({Srv(2, 9, 1, Name({"c", "x"})), Srv(1, 5, 2379, Name({"b", "x"})),
                             Srv(1, 7, 65535, Name({"a", "x"}))}));
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_THAT(*servers, ElementsAre("a.x:65535", "b.x:2379", "c.x:1"));
}

TEST(SrvAnswerTest, OtherRecordsAndTheNameOfNobodyAreLeftOut) {
  const auto servers = ParseSrvAnswer(
      Answer({Record(5, Name({"t"})), Srv(1, 1, 9, Name({})), Srv(1, 1, 8, Name({"a"}))}));
  ASSERT_TRUE(servers.ok()) << servers.status();
  EXPECT_THAT(*servers, ElementsAre("a:8"));
  EXPECT_THAT(*ParseSrvAnswer(Answer({})), IsEmpty());
}

TEST(SrvAnswerTest, WhatIsNotWholeIsRefused) {
  const std::string good = Answer({Srv(1, 1, 9, Name({"a", "x"})), Srv(2, 1, 9, Name({"b"}))});
  ASSERT_TRUE(ParseSrvAnswer(good).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseSrvAnswer(good.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(ParseSrvAnswer(Answer({Record(33, Number(1) + Number(1) + Number(9))})).ok());
  // A name that goes round in a circle.
  EXPECT_FALSE(ParseSrvAnswer(Answer({Srv(1, 1, 9, Number(0xc000 + 37))})).ok());
}

TEST(SrvAnswerTest, AnyBytesAreParsedOrRefused) {
  const std::string good = Answer({Srv(1, 1, 9, Name({"a", "x"})), Srv(2, 1, 9, Name({"b"}))});
  SeededRandom random(1);
  for (int i = 0; i < 100000; ++i) {
    std::string bytes = good;
    for (int n = 0; n < 3; ++n) {
      bytes[random.Next() % bytes.size()] = static_cast<char>(random.Next());
    }
    (void)ParseSrvAnswer(bytes).ok();
  }
}

}  // namespace
}  // namespace keelson::kvctl
