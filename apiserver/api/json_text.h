// JSON texts, read as Go's encoding/json reads them: the same texts are refused, in the same words.
#ifndef KEELSON_APISERVER_API_JSON_TEXT_H_
#define KEELSON_APISERVER_API_JSON_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// Objects and arrays within each other; Go allows more than any object has, and our stack bears.
inline constexpr size_t kJsonDepthMax = 500;

// "": the text is one JSON value. Otherwise what is wrong: "unexpected end of JSON input".
std::string JsonFault(std::string_view text);

// Reads a text that JsonFault has found to be right. It stands before a value, or after all.
class JsonReader {
 public:
  // REQUIRES: JsonFault(text) is empty. The text must outlive the reader.
  explicit JsonReader(std::string_view text) : text_(text) { SkipSpace(); }

  // The first character of the value: one of {["tfn- and the digits.
  char Peek() const { return text_[position_]; }
  bool AtEnd() const { return position_ == text_.size(); }
  // Go's word for the value: "object", "array", "string", "bool", "number", "null".
  std::string_view PeekWord() const;

  // REQUIRES: Peek() is '"'. Bytes that are not UTF-8, and halves of surrogate pairs, become
  // U+FFFD.
  std::string ReadString();
  // The value as it is written: of numbers, and of what keeps its text.
  std::string_view ReadText();
  Json ReadValue();
  void Skip() { ReadText(); }

  // REQUIRES: Peek() is '[' or '{'. Then, as long as they give true, there is another element, or
  // name and value, to be read.
  void Enter();
  bool NextElement();
  bool NextMember(std::string* name);

 private:
  void SkipSpace();
  void SkipString();

  std::string_view text_;
  size_t position_ = 0;
};

// The value of a text. BadRequest: JsonFault's words.
absl::StatusOr<Json> ParseJson(std::string_view text);
// A number as JSON has it: whole ones that fit are integers.
Json NumberFromText(std::string_view text);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_JSON_TEXT_H_
