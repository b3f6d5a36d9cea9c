// JsonValues: finds the JSON values in a body that arrives in pieces: one after the other, with
// white space between them or without, as Go's json.Decoder takes them. Looks at brackets and
// strings only; whether a value is good JSON is its reader's business.
//
// Thread: one.
#ifndef KEELSON_SERVER_RPC_JSON_VALUES_H_
#define KEELSON_SERVER_RPC_JSON_VALUES_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace keelson::rpc {

class JsonValues {
 public:
  // More than this many brackets inside one another are refused.
  static constexpr int kDepthMax = 200;

  void Feed(std::string_view bytes) { bytes_.append(bytes); }
  // The body ended: what is there is all.
  void End() { ended_ = true; }

  // The next value, or nullopt: it has not arrived whole (after End: there is none). Error:
  // InvalidArgument, worded as Go does; nothing may be asked after it.
  absl::StatusOr<std::optional<std::string>> Next();
  // Bytes that wait for the rest of their value.
  size_t waiting() const { return bytes_.size(); }

 private:
  // Looks at bytes_ from scanned_ on. True: a value ends at scanned_.
  absl::StatusOr<bool> Scan();
  bool ScanText(char c);
  absl::Status Begin(char c);

  enum class Kind { kNone, kNested, kText, kWord };

  std::string bytes_;   // from the beginning of a value, or white space
  size_t scanned_ = 0;  // bytes of it that have been looked at
  Kind kind_ = Kind::kNone;
  int depth_ = 0;
  bool in_text_ = false;
  bool escaped_ = false;
  bool ended_ = false;
};

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_JSON_VALUES_H_
