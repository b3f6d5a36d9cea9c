// FieldSelector: "metadata.name=x,status.phase!=Running", for the fields a kind lets be selected
// by.
#ifndef KEELSON_APISERVER_API_FIELD_SELECTOR_H_
#define KEELSON_APISERVER_API_FIELD_SELECTOR_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::api {

class FieldSelector {
 public:
  struct Term {
    std::string label;
    std::string path;
    std::string absent;
    std::string value;
    bool equal;
  };
  FieldSelector() = default;  // everything
  // BadRequest: a malformed text, or a label the kind does not know ("field label not supported:
  // x").
  static absl::StatusOr<FieldSelector> Parse(const Kind& kind, std::string_view text);

  bool Matches(const Json& object) const;
  bool everything() const { return terms_.empty(); }
  size_t size() const { return terms_.size(); }
  // The value `label` must be equal to, if the selector says so.
  std::optional<std::string> Required(std::string_view label) const;
  std::string ToString() const;

 private:
  std::vector<Term> terms_;
};

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_FIELD_SELECTOR_H_
