// ApiRequest and ApiResponse: a request that is complete, and its answer, as handlers see them.
#ifndef KEELSON_APISERVER_HTTP_EXCHANGE_H_
#define KEELSON_APISERVER_HTTP_EXCHANGE_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "apiserver/api/json.h"
#include "apiserver/http/request_info.h"
#include "apiserver/registry/admission.h"
#include "base/shared_bytes.h"

namespace keelson::apiserver {

struct ApiRequest {
  RequestInfo info;
  registry::User user;
  std::string accept;
  std::string content_type;
  std::string user_agent;
  std::string if_none_match;
  bool takes_gzip = false;
  std::string body;
};

struct ApiResponse {
  int code = 200;
  std::string content_type = "application/json";
  ByteChain body;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::vector<std::string> warnings = {};  // Warning headers

  static ApiResponse Of(const api::Json& object, int code = 200);
  // A Status object, with Retry-After where it says so.
  static ApiResponse Of(const absl::Status& error);
  static ApiResponse Text(std::string text, int code = 200,
                          std::string content_type = "text/plain; charset=utf-8");
};

// The value of a Warning header for `text` (RFC 7234, code 299).
std::string WarningValue(std::string_view text);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_EXCHANGE_H_
