// Document: a text that the server says about itself: discovery, OpenAPI.
#ifndef KEELSON_APISERVER_API_DOCUMENT_H_
#define KEELSON_APISERVER_API_DOCUMENT_H_

#include <string>
#include <utility>
#include <vector>

namespace keelson::api {

struct Document {
  int code = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // names in lower case
};

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_DOCUMENT_H_
