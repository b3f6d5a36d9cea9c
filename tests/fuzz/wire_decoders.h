// The decoders of what clients, peers and operators send; decoders.cc lists them with the others.
#ifndef KEELSON_TESTS_FUZZ_WIRE_DECODERS_H_
#define KEELSON_TESTS_FUZZ_WIRE_DECODERS_H_

#include <string_view>

namespace keelson::fuzz {

void RunHttp1(std::string_view bytes);      // a connection's first bytes, and in two pieces
void RunHttp2(std::string_view bytes);      // what follows the preface
void RunWebSocket(std::string_view bytes);  // a client's frames
void RunGrpcBody(std::string_view bytes);
void RunGrpcText(std::string_view bytes);     // timeouts and binary metadata
void RunJsonValues(std::string_view bytes);   // a body of the gateway
void RunGatewayJson(std::string_view bytes);  // method:u8, then its request
void RunPeerFrame(std::string_view bytes);
void RunAuthRecord(std::string_view bytes);
void RunJwt(std::string_view bytes);
void RunConfigFile(std::string_view bytes);
void RunFlagValue(std::string_view bytes);  // flag:u8, then its value
void RunUrl(std::string_view bytes);

}  // namespace keelson::fuzz

#endif  // KEELSON_TESTS_FUZZ_WIRE_DECODERS_H_
