// A directory for one test, gone with it.
#ifndef KEELSON_STORAGE_TEMPORARY_DIRECTORY_H_
#define KEELSON_STORAGE_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/check.h"

namespace keelson::storage {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "keelson-XXXXXX").string();
    KV_CHECK(::mkdtemp(name.data()) != nullptr) << "cannot make a temporary directory";
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace keelson::storage

#endif  // KEELSON_STORAGE_TEMPORARY_DIRECTORY_H_
