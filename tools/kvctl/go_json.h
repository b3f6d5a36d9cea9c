// GoJson: a message as Go's encoding/json writes the struct generated for it, which is etcdctl's json
// format and differs from protobuf's JSON: field names as in the .proto file, fields with their zero
// value left out, bytes in base64, 64-bit integers and enums as plain numbers, a oneof wrapped in an
// object of its own.
#ifndef KEELSON_TOOLS_KVCTL_GO_JSON_H_
#define KEELSON_TOOLS_KVCTL_GO_JSON_H_

#include <string>

#include "google/protobuf/message.h"

namespace keelson::kvctl {

std::string GoJson(const google::protobuf::Message& message);
// The members of the object, without its braces: for types that embed the message.
std::string GoJsonMembers(const google::protobuf::Message& message);

}  // namespace keelson::kvctl

#endif  // KEELSON_TOOLS_KVCTL_GO_JSON_H_
