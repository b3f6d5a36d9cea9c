// RecordReader: key/value records, a line each, as `kvctl load` takes them. Two forms:
//
//   JSON       {"key": "name", "value": "text"}; bytes that are no text go in base64 as "key64" and
//              "value64" instead. Other members are ignored. The default.
//   delimited  key, delimiter, value: the first delimiter ends the key, the end of the line ends the
//              value. With base64, both fields are base64, so that they may hold any byte.
//
// Empty lines are skipped. Used by one thread.
#ifndef KEELSON_TOOLS_KVCTL_RECORD_READER_H_
#define KEELSON_TOOLS_KVCTL_RECORD_READER_H_

#include <cstdint>
#include <istream>
#include <string>

#include "absl/status/statusor.h"

namespace keelson::kvctl {

struct Record {
  std::string key = {};
  std::string value = {};
};

struct RecordFormat {
  std::string delimiter = {};  // empty: JSON
  bool base64 = false;    // of delimited records
};

class RecordReader {
 public:
  RecordReader(std::istream& in, RecordFormat format) : in_(in), format_(std::move(format)) {}

  // False at the end of the input. InvalidArgument, naming the line, when one is malformed.
  absl::StatusOr<bool> Next(Record* record);

 private:
  std::istream& in_;
  const RecordFormat format_;
  int64_t line_number_ = 0;
};

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_RECORD_READER_H_
