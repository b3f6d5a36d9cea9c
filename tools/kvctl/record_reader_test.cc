#include "tools/kvctl/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace keelson::kvctl {
namespace {

// All records as "key=value", then the error, if any.
std::vector<std::string> Read(const std::string& text, RecordFormat format) {
  std::istringstream in(text);
  RecordReader reader(in, std::move(format));
  std::vector<std::string> read;
  for (Record record;;) {
    const auto more = reader.Next(&record);
    if (!more.ok()) read.push_back(std::string(more.status().message()));
    if (!more.ok() || !*more) return read;
    read.push_back(record.key + "=" + record.value);
  }
}

using testing::ElementsAre;

TEST(RecordReaderTest, JsonLinesMayHoldTextOrBase64) {
  EXPECT_THAT(Read("{\"key\": \"a\", \"value\": \"1\\n2\"}\n\n{\"key64\":\"AP8=\",\"value64\":\"\"}\n", {}),
              ElementsAre("a=1\n2", std::string("\0\xff=", 3)));
}

TEST(RecordReaderTest, TheFirstDelimiterEndsTheKey) {
  EXPECT_THAT(Read("a\t1\t2\nb\t\n", {.delimiter = "\t"}), ElementsAre("a=1\t2", "b="));
}

TEST(RecordReaderTest, DelimitedBase64HoldsAnyByte) {
  EXPECT_THAT(Read("AAo=,YQ==", {.delimiter = ",", .base64 = true}),
              ElementsAre(std::string("\0\n=a", 4)));
}

TEST(RecordReaderTest, AMalformedLineIsNamed) {
  const char* const json = "line 2 is not a JSON object with key and value (or key64, value64)";
  const std::string good = "{\"key\":\"a\",\"value\":\"1\"}\n";
  for (const char* bad : {"x", "[]", "{\"key\":\"a\"}", "{\"key\":1,\"value\":\"2\"}", "{\"key64\":\"?\",\"value\":\"\"}"}) {
    EXPECT_THAT(Read(good + bad, {}), ElementsAre("a=1", json)) << bad;
  }
  EXPECT_THAT(Read("nothing", {.delimiter = "\t"}), ElementsAre("line 1 is not key, delimiter, value"));
  EXPECT_THAT(Read("\tv", {.delimiter = "\t"}), ElementsAre("line 1 has an empty key"));
}

}  // namespace
}  // namespace keelson::kvctl
