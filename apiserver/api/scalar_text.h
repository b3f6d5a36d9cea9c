// Scalars that are text in JSON and something else in Go: each is read as Go reads it, refused in
// Go's words, and given in its canonical form.
#ifndef KEELSON_APISERVER_API_SCALAR_TEXT_H_
#define KEELSON_APISERVER_API_SCALAR_TEXT_H_

#include <string>
#include <string_view>

namespace keelson::api {

struct ScalarText {
  std::string text;
  std::string fault;  // empty: the text is good
};

ScalarText ReadQuantity(std::string_view text);
// The zero time of Go gives an empty text: it is null in JSON.
ScalarText ReadTime(std::string_view text);
ScalarText ReadMicroTime(std::string_view text);
ScalarText ReadBase64(std::string_view text);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_SCALAR_TEXT_H_
