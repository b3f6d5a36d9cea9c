#include "server/config_file.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace keelson::server {
namespace {

constexpr size_t kFileBytesMax = 1 << 20;

// What a scalar is; the words are YAML 1.1's, which Go's reader keeps to.
enum class Kind : uint8_t { kNull, kBool, kWhole, kFloat, kText };

bool IsOneOf(const std::string& text, std::initializer_list<const char*> words) {
  return std::any_of(words.begin(), words.end(), [&text](const char* word) {
    return text == word || text == absl::AsciiStrToUpper(word) ||
           (text.size() > 1 && absl::EqualsIgnoreCase(text, word) &&
            absl::ascii_isupper(static_cast<unsigned char>(text[0])) &&
            text.substr(1) == std::string(word).substr(1));
  });
}

bool IsTrue(const std::string& text) { return IsOneOf(text, {"true", "yes", "on", "y"}); }

Kind KindOf(const YAML::Node& node) {
  if (node.IsNull()) return Kind::kNull;
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return Kind::kText;
  if (text.empty() || text == "~" || IsOneOf(text, {"null"})) return Kind::kNull;
  if (IsTrue(text) || IsOneOf(text, {"false", "no", "off", "n"})) return Kind::kBool;
  const size_t sign = text[0] == '-' || text[0] == '+' ? 1 : 0;
  const std::string digits = text.substr(sign);
  if (digits.empty() ||
      (!absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) && digits[0] != '.')) {
    return Kind::kText;
  }
  uint64_t whole;
  if (digits.starts_with("0x") && absl::SimpleHexAtoi(digits, &whole)) return Kind::kWhole;
  if (absl::SimpleAtoi(digits, &whole)) return Kind::kWhole;
  double number;
  return absl::SimpleAtod(digits, &number) ? Kind::kFloat : Kind::kText;
}

class Reader {
 public:
  Reader(Settings& settings, std::vector<std::string>* notices)
      : settings_(settings), notices_(notices) {}

  absl::Status Read(const YAML::Node& root) {
    if (!root.IsDefined() || root.IsNull()) return absl::OkStatus();
    if (!root.IsMap()) return At(root, "the file is no list of keys and values");
    return ReadSection(root, "");
  }

 private:
  static absl::Status At(const YAML::Node& node, const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat("line ", node.Mark().line + 1, ": ", what));
  }

  bool IsSection(const std::string& prefix) const {
    const auto& rows = settings_.rows();
    return std::any_of(rows.begin(), rows.end(), [&prefix](const Settings::Row& row) {
      return absl::StartsWithIgnoreCase(row.file_key, prefix);
    });
  }

  absl::Status ReadSection(const YAML::Node& section, const std::string& prefix) {
    for (const auto& entry : section) {
      const YAML::Node& name = entry.first;
      const YAML::Node& value = entry.second;
      if (!name.IsScalar()) return At(name, "a key is no text");
      const std::string key = prefix + name.Scalar();
      if (IsSection(key + ".")) {
        if (value.IsNull()) continue;
        if (!value.IsMap()) return At(value, key + " is no section of keys and values");
        KV_RETURN_IF_ERROR(ReadSection(value, key + "."));
      } else if (Settings::Row* const row = settings_.FindFileKey(key); row != nullptr) {
        KV_RETURN_IF_ERROR(ReadValue(value, *row));
      } else {
        notices_->push_back(absl::StrCat("the configuration file has a key that nobody knows: ",
                                         absl::CHexEscape(key)));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadValue(const YAML::Node& value, Settings::Row& row) {
    if (value.IsNull()) return absl::OkStatus();
    if (row.in_file == Settings::InFile::kList) return ReadList(value, row);
    if (!value.IsScalar()) return At(value, row.file_key + " is no single value");
    const Kind kind = KindOf(value);
    if (kind == Kind::kNull) return absl::OkStatus();
    std::string text = value.Scalar();
    if (std::holds_alternative<bool*>(row.target)) {
      if (kind != Kind::kBool) return At(value, row.file_key + " is neither true nor false");
      text = IsTrue(text) ? "true" : "false";
    } else if (std::holds_alternative<absl::Duration*>(row.target)) {
      // etcd knows nanoseconds only.
      if (kind == Kind::kWhole) text += "ns";
    } else if (std::holds_alternative<std::string*>(row.target) ||
               std::holds_alternative<std::vector<std::string>*>(row.target) ||
               std::holds_alternative<std::vector<Url>*>(row.target)) {
      if (kind != Kind::kText) {
        return At(value, absl::StrCat(row.file_key, " is no text; it needs quotation marks"));
      }
    } else if (kind != Kind::kWhole) {
      return At(value, row.file_key + " is no whole number");
    }
    if (const absl::Status status = settings_.Set(row, text); !status.ok()) {
      return At(value, absl::StrCat("invalid value \"", absl::CHexEscape(text), "\" for ",
                                    row.file_key, ": ", status.message()));
    }
    return absl::OkStatus();
  }

  absl::Status ReadList(const YAML::Node& value, Settings::Row& row) {
    if (!value.IsSequence()) return At(value, row.file_key + " is no list");
    std::vector<std::string> values;
    for (const YAML::Node& item : value) {
      if (!item.IsScalar() || KindOf(item) != Kind::kText) {
        return At(item, row.file_key + " has an entry that is no text");
      }
      values.push_back(item.Scalar());
    }
    return settings_.Set(row, std::move(values));
  }

  Settings& settings_;
  std::vector<std::string>* const notices_;
};

}  // namespace

absl::Status ApplyConfigText(const std::string& text, Settings& settings,
                             std::vector<std::string>* notices) {
  // yaml-cpp tells what is wrong by exceptions; none leaves here.
  try {
    const absl::Status status = Reader(settings, notices).Read(YAML::Load(text));
    return absl::Status(status.code(), OneLine(status.message()));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(
        OneLine(absl::StrCat("line ", error.mark.line + 1, ": ", error.msg)));
  }
}

absl::Status ApplyConfigFile(const std::string& path, Settings& settings,
                             std::vector<std::string>* notices) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the configuration file ", path, ": ", std::strerror(errno)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kFileBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("configuration file ", path, ": larger than ", kFileBytesMax, " bytes"));
  }
  if (const absl::Status status = ApplyConfigText(text, settings, notices); !status.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("configuration file ", path, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace keelson::server
