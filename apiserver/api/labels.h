// LabelSelector: which labels match. From the text of a query parameter ("a=b,c!=d,e in (x,y),!f")
// or from the object form {matchLabels, matchExpressions}. Immutable; any thread.
#ifndef KEELSON_APISERVER_API_LABELS_H_
#define KEELSON_APISERVER_API_LABELS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

class LabelSelector {
 public:
  enum class Operator { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;  // sorted
  };

  LabelSelector() = default;  // everything
  static LabelSelector Nothing();
  // BadRequest with the text kube-apiserver has.
  static absl::StatusOr<LabelSelector> Parse(std::string_view text);
  // {matchLabels, matchExpressions}; null selects nothing, an empty one everything.
  static LabelSelector FromObject(const Json& selector);
  // A plain map of labels (services, replication controllers); an empty one selects everything.
  static LabelSelector FromMap(const Json& labels);

  bool Matches(const Json& labels) const;  // a map of texts
  bool everything() const { return !nothing_ && requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  // As clients write it, requirements ordered by key: "a=b,c in (d,e)".
  std::string ToString() const;

 private:
  std::vector<Requirement> requirements_;  // ordered by key
  bool nothing_ = false;
};

// Checks of metadata and selectors, with kube-apiserver's texts.
bool IsQualifiedName(std::string_view name, std::string* why);  // [prefix/]name
bool IsLabelValue(std::string_view value, std::string* why);
bool IsSubdomain(std::string_view name, std::string* why);  // DNS-1123, 253
bool IsLabel(std::string_view name, std::string* why);      // DNS-1123, 63
bool IsLabel1035(std::string_view name, std::string* why);
bool IsConfigKey(std::string_view key, std::string* why);  // of ConfigMaps and Secrets
void ValidateLabels(const Json& labels, std::string_view path, FieldErrors& errors);
// `selector`: the object form.
void ValidateLabelSelector(const Json& selector, std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_LABELS_H_
