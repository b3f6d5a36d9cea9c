#include "storage/info_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "storage/temporary_directory.h"

namespace keelson::storage {
namespace {

using testing::HasSubstr;

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(InfoLogTest, WarningsAreWrittenAndTheLogBeforeIsKept) {
  const TemporaryDirectory directory;
  const std::string path = directory.File("LOG");
  for (const char* what : {"first", "second"}) {
    InfoLog log(path);
    rocksdb::Warn(&log, "the %s", what);
    rocksdb::Info(&log, "of no matter");
  }
  EXPECT_THAT(ContentOf(path), HasSubstr("the second\n"));
  EXPECT_THAT(ContentOf(path), Not(HasSubstr("matter")));
  EXPECT_THAT(ContentOf(path + ".old"), HasSubstr("the first\n"));
}

TEST(InfoLogTest, ItGrowsNoLargerThanItMay) {
  const TemporaryDirectory directory;
  InfoLog log(directory.File("LOG"), 1000);
  for (int i = 0; i < 100; ++i) rocksdb::Warn(&log, "%s", std::string(100, 'x').c_str());
  EXPECT_LE(ContentOf(directory.File("LOG")).size(), 1000u);
  EXPECT_GT(log.GetLogFileSize(), 500u);
}

TEST(InfoLogTest, AFullDiskCostsLinesAndNothingElse) {
  const TemporaryDirectory directory;
  ASSERT_EQ(symlink("/dev/full", directory.File("LOG").c_str()), 0);
  // It moves the link away, and what it opens then is full, too.
  ASSERT_EQ(mkdir(directory.File("LOG.old").c_str(), 0700), 0);
  InfoLog log(directory.File("LOG"));
  for (int i = 0; i < 1000; ++i) rocksdb::Warn(&log, "%s", std::string(100, 'x').c_str());
  EXPECT_EQ(log.GetLogFileSize(), 0u);
}

TEST(InfoLogTest, WithoutAFolderThereIsNoLog) {
  InfoLog log("/nowhere/LOG");
  rocksdb::Warn(&log, "nobody hears this");
  EXPECT_EQ(log.GetLogFileSize(), 0u);
}

}  // namespace
}  // namespace keelson::storage
