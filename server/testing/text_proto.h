// FromText: a message written as in the schema's text form, so that a test shows the request and
// nothing else.
#ifndef KEELSON_SERVER_TESTING_TEXT_PROTO_H_
#define KEELSON_SERVER_TESTING_TEXT_PROTO_H_

#include <string>

#include "base/check.h"
#include "google/protobuf/text_format.h"

namespace keelson::server {

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  KV_CHECK(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

// On one line; "" when all fields are at their defaults.
template <typename Message>
std::string ToText(const Message& message) {
  google::protobuf::TextFormat::Printer printer;
  printer.SetSingleLineMode(true);
  std::string text;
  KV_CHECK(printer.PrintToString(message, &text));
  if (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

}  // namespace keelson::server

#endif  // KEELSON_SERVER_TESTING_TEXT_PROTO_H_
