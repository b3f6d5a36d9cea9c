// RawJson: a value that is kept as its JSON text. metadata.managedFields is most of many an object,
// and nearly nobody looks into it: it is neither parsed nor written anew on its way from the store
// to a client.
//
// In memory it is a value of the type `binary`, which JSON has not; registry::Dump writes it as its
// text. What compares values compares the texts.
#ifndef KEELSON_APISERVER_API_RAW_JSON_H_
#define KEELSON_APISERVER_API_RAW_JSON_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/api/json.h"

namespace keelson::api {

// REQUIRES: text is one JSON value.
Json RawJson(std::string_view text);
// nullopt: an ordinary value.
std::optional<std::string_view> RawText(const Json& value);
// How the metadata of an object begins in a text that an API server wrote, and how near the
// beginning: what stands before it, of an event too, is short.
inline constexpr std::string_view kVersionField = "\"metadata\":{\"resourceVersion\":\"";
inline constexpr size_t kMetadataWithin = 512;
// A text in which managedFields follow the resourceVersion at once, as an API server writes them,
// without them; and these, which lie in it. Both are empty if there are none. Of texts that are no
// JSON whatever is found.
struct SplitText {
  std::string rest;
  std::string_view managed;
};
SplitText WithoutManagedFields(std::string_view text);
// Makes ordinary values of the managedFields of an object.
void UnpackManagedFields(Json& object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_RAW_JSON_H_
