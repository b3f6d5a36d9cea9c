// What form of an answer the client asks for with its Accept header.
#ifndef KEELSON_APISERVER_HTTP_NEGOTIATION_H_
#define KEELSON_APISERVER_HTTP_NEGOTIATION_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace keelson::apiserver {

enum class Form {
  kObject,    // as it is
  kTable,     // columns and rows, as kubectl prints them
  kMetadata,  // PartialObjectMetadata and lists of it
};

struct Negotiated {
  Form form = Form::kObject;
  std::string version = "v1";  // of meta.k8s.io, for tables and metadata
};

// The first that can be given of those the client lists. NotAcceptable: none.
absl::StatusOr<Negotiated> Negotiate(std::string_view accept);

}  // namespace keelson::apiserver

#endif  // KEELSON_APISERVER_HTTP_NEGOTIATION_H_
