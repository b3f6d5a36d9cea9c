// The JSON gateway: etcd's /v3/... paths over plain HTTP. A request becomes the message of the gRPC
// method and is handled by the same code; the answer becomes JSON: protobuf's, with the fields' own
// names and without those that have their default, as etcd writes it.
#ifndef KEELSON_SERVER_JSON_GATEWAY_H_
#define KEELSON_SERVER_JSON_GATEWAY_H_

#include "server/rpc/rpc_server.h"

namespace keelson::server {

// All paths; one whose method nobody registered answers Unimplemented.
void RegisterJsonGateway(rpc::RpcServer* server);

// The JSON form of the messages of `method` ("/package.Service/Method"); for tests too.
// REQUIRES: there is such a method.
rpc::MessageJson JsonOfMethod(const std::string& method);

}  // namespace keelson::server

#endif  // KEELSON_SERVER_JSON_GATEWAY_H_
