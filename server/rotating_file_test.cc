#include "server/rotating_file.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace keelson::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMegabyte = 1 << 20;

class RotatingFileTest : public testing::Test {
 protected:
  RotatingFileTest() {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~RotatingFileTest() override { fs::remove_all(folder_); }

  void Open(const LogRotation& rotation) {
    auto opened = RotatingFile::Open(path_, rotation, [this] { return now_; });
    ASSERT_TRUE(opened.ok()) << opened.status();
    file_ = *std::move(opened);
  }
  // A line of half a megabyte, some time after the last one.
  void WriteLine(char letter, absl::Duration later = absl::Seconds(1)) {
    now_ += later;
    file_->Write(std::string(kMegabyte / 2 - 1, letter) + "\n");
    file_->AwaitTidied();
  }
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string Content(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
  const std::string path_ = (folder_ / "kvd.log").string();
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);  // 2027-01-15 08:00:00
  std::unique_ptr<RotatingFile> file_;
};

TEST_F(RotatingFileTest, ANewFileBeginsWhereTheLineWouldNotFit) {
  Open({.megabytes_max = 1});
  WriteLine('a');
  WriteLine('b');
  EXPECT_EQ(Names(), std::vector<std::string>{"kvd.log"});
  WriteLine('c');
  EXPECT_EQ(Names(), (std::vector<std::string>{"kvd-2027-01-15T08-00-03.000.log", "kvd.log"}));
  EXPECT_EQ(Content("kvd-2027-01-15T08-00-03.000.log").size(), kMegabyte);
  EXPECT_EQ(Content("kvd.log"), std::string(kMegabyte / 2 - 1, 'c') + "\n");
}

TEST_F(RotatingFileTest, AFileThatIsThereIsGoneOnWith) {
  std::ofstream(path_) << std::string(kMegabyte - 10, 'x');
  Open({.megabytes_max = 1});
  file_->Write("short\n");
  EXPECT_EQ(Names().size(), 1u);
  EXPECT_EQ(fs::file_size(path_), kMegabyte - 4);
  file_->Write("longer\n");
  EXPECT_EQ(Names().size(), 2u);
  EXPECT_EQ(Content("kvd.log"), "longer\n");
}

TEST_F(RotatingFileTest, OnlySoManyEndedFilesAreKeptAndNoOtherIsTouched) {
  std::ofstream(folder_ / "kvd-notes.log") << "not ours";
  Open({.megabytes_max = 1, .backups_max = 2});
  for (int i = 0; i < 9; ++i) WriteLine('a');
  EXPECT_EQ(Names(), (std::vector<std::string>{"kvd-2027-01-15T08-00-07.000.log",
                                               "kvd-2027-01-15T08-00-09.000.log", "kvd-notes.log",
                                               "kvd.log"}));
}

TEST_F(RotatingFileTest, EndedFilesGoByAge) {
  Open({.megabytes_max = 1, .age_days_max = 2});
  WriteLine('a');
  WriteLine('a');
  WriteLine('a');
  EXPECT_EQ(Names().size(), 2u);
  WriteLine('a', absl::Hours(40));
  EXPECT_EQ(Names().size(), 2u);
  WriteLine('a', absl::Hours(7));
  EXPECT_EQ(Names().size(), 3u);
  WriteLine('a', absl::Hours(1));
  WriteLine('a', absl::Hours(1));
  EXPECT_EQ(Names(), (std::vector<std::string>{"kvd-2027-01-17T07-00-03.000.log",
                                               "kvd-2027-01-17T09-00-03.000.log", "kvd.log"}));
}

TEST_F(RotatingFileTest, EndedFilesAreCompressedWhole) {
  Open({.megabytes_max = 1, .compress = true});
  for (const char letter : {'a', 'b', 'c'}) WriteLine(letter);
  EXPECT_EQ(Names(), (std::vector<std::string>{"kvd-2027-01-15T08-00-03.000.log.gz", "kvd.log"}));
  const gzFile file = gzopen((folder_ / Names()[0]).c_str(), "rb");
  std::string content(kMegabyte + 1, '\0');
  ASSERT_EQ(gzread(file, content.data(), static_cast<unsigned>(content.size())),
            static_cast<int>(kMegabyte));
  gzclose(file);
  EXPECT_EQ(content[0], 'a');
  EXPECT_EQ(content[kMegabyte - 2], 'b');
}

TEST_F(RotatingFileTest, AFolderThatIsNotThereIsAnError) {
  const auto opened = RotatingFile::Open((folder_ / "none" / "kvd.log").string(), {});
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace keelson::server
