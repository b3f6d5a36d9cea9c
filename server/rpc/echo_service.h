// The service of the tests of server/rpc/: every shape of call, with bytes instead of messages.
//
//   Echo    unary         gives the request back; metadata "x-status: CODE message" fails with
//   that;
//                         the answer to the request "METADATA name" is that header's value
//   Wait    unary         never answers; counts cancellations
//   Cancels unary         how often Wait and Chat calls were cancelled, in decimal digits
//   Expand  server stream request "COUNT SIZE": COUNT messages of SIZE bytes, paced by queued_bytes
//   Chat    bidi          gives each message back; finishes OK after the client's half-close;
//   "fail"
//                         fails with ABORTED
#ifndef KEELSON_SERVER_RPC_ECHO_SERVICE_H_
#define KEELSON_SERVER_RPC_ECHO_SERVICE_H_

#include "asio/io_context.hpp"
#include "server/rpc/rpc_server.h"

namespace keelson::rpc {

void RegisterEchoService(asio::io_context* loop, RpcServer* server);

}  // namespace keelson::rpc

#endif  // KEELSON_SERVER_RPC_ECHO_SERVICE_H_
