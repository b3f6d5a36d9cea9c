// Objects read from Kubernetes' protobuf form by their schema.
//
//   body     := "k8s\0" Unknown
//   Unknown  := {1: TypeMeta {1: apiVersion, 2: kind}, 2: raw, 3: contentEncoding, 4: contentType}
//   raw      := the object, as its message
#ifndef KEELSON_APISERVER_API_PROTOBUF_H_
#define KEELSON_APISERVER_API_PROTOBUF_H_

#include <string>
#include <string_view>

#include "apiserver/api/json.h"
#include "apiserver/api/schema.h"

namespace keelson::api {

struct ProtobufEnvelope {
  std::string api_version;
  std::string kind;
  std::string_view raw;  // in the body
};

// "": the envelope was read. Otherwise what is wrong, in the words of kube-apiserver.
std::string ReadProtobufEnvelope(std::string_view body, ProtobufEnvelope* envelope);
// As ReadTypedJson. Fields the schema does not know are dropped, as protobuf does.
// "": the object was read. *object is of no use otherwise.
std::string ReadProtobuf(std::string_view bytes, const Message& message, Json* object);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_PROTOBUF_H_
