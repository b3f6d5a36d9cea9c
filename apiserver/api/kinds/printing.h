// Pieces of what `kubectl get` prints that several kinds share.
#ifndef KEELSON_APISERVER_API_KINDS_PRINTING_H_
#define KEELSON_APISERVER_API_KINDS_PRINTING_H_

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/json.h"
#include "apiserver/api/kind.h"

namespace keelson::api {

// The age of the object, "<unknown>" without a creationTimestamp.
std::string AgeCell(const Json& object, const PrintContext& context);
// `field` of every element of a list, joined by ",": the names or images of containers.
std::string FieldCell(const Json& list, std::string_view field);
// A LabelSelector in its object form as clients write it; "<none>" for one that says nothing.
std::string SelectorCell(const Json& selector);
// A map of labels: "a=b,c=d"; "<none>" for an empty one.
std::string LabelsCell(const Json& labels);
// The texts of a list joined by ","; "<none>" for an empty one.
std::string ListCell(const Json& texts);
// The first `most` joined by ",", and "a,b,c + 2 more..." where there are more; "<none>" for none.
std::string ClippedCell(const std::vector<std::string>& texts, size_t most = 3);
// The text, or "<none>" for an empty one.
std::string OrNone(std::string_view text);
// {"Name", "string", "name"}, which every table begins with.
Column NameColumn();

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_PRINTING_H_
