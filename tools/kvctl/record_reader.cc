#include "tools/kvctl/record_reader.h"

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace keelson::kvctl {
namespace {

using Json = nlohmann::json;

// The member `name` as it is, or `name`64 decoded.
bool TakeMember(const Json& object, const std::string& name, std::string* bytes) {
  if (const auto plain = object.find(name); plain != object.end() && plain->is_string()) {
    *bytes = plain->get_ref<const std::string&>();
    return true;
  }
  const auto encoded = object.find(name + "64");
  return encoded != object.end() && encoded->is_string() &&
         absl::Base64Unescape(encoded->get_ref<const std::string&>(), bytes);
}

bool ParseJson(const std::string& line, Record* record) {
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  return object.is_object() && TakeMember(object, "key", &record->key) &&
         TakeMember(object, "value", &record->value);
}

bool ParseDelimited(const std::string& line, const RecordFormat& format, Record* record) {
  const size_t end = line.find(format.delimiter);
  if (end == std::string::npos) return false;
  record->key = line.substr(0, end);
  record->value = line.substr(end + format.delimiter.size());
  if (!format.base64) return true;
  std::string key, value;
  if (!absl::Base64Unescape(record->key, &key)) return false;
  if (!absl::Base64Unescape(record->value, &value)) return false;
  *record = {std::move(key), std::move(value)};
  return true;
}

}  // namespace

absl::StatusOr<bool> RecordReader::Next(Record* record) {
  std::string line;
  while (std::getline(in_, line)) {
    ++line_number_;
    if (line.empty()) continue;
    const bool good = format_.delimiter.empty() ? ParseJson(line, record)
                                                : ParseDelimited(line, format_, record);
    if (!good) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", line_number_,
                       format_.delimiter.empty()
                           ? " is not a JSON object with key and value (or key64, value64)"
                           : " is not key, delimiter, value"));
    }
    if (record->key.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", line_number_, " has an empty key"));
    }
    return true;
  }
  return false;
}

}  // namespace keelson::kvctl
