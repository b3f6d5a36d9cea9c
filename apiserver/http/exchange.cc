#include "apiserver/http/exchange.h"

#include <nlohmann/json.hpp>

#include "apiserver/api/errors.h"
#include "apiserver/registry/stored_text.h"
#include "base/concat.h"

namespace keelson::apiserver {

ApiResponse ApiResponse::Of(const api::Json& object, int code) {
  ApiResponse response;
  response.code = code;
  std::string text = registry::Dump(object);
  text += '\n';
  response.body = ByteChain(std::move(text));
  return response;
}

ApiResponse ApiResponse::Of(const absl::Status& error) {
  ApiResponse response = Of(api::StatusObject(error), api::HttpCode(error));
  if (const int seconds = api::RetryAfterSeconds(error); seconds > 0) {
    response.headers.emplace_back("retry-after", std::to_string(seconds));
  }
  return response;
}

ApiResponse ApiResponse::Text(std::string text, int code, std::string content_type) {
  ApiResponse response;
  response.code = code;
  response.content_type = std::move(content_type);
  response.body = ByteChain(std::move(text));
  return response;
}

std::string WarningValue(std::string_view text) {
  std::string value = "299 - \"";
  for (const char letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20) continue;
    if (letter == '"' || letter == '\\') value += '\\';
    value += letter;
  }
  return value + '"';
}

}  // namespace keelson::apiserver
