// A port for a server that a test starts on loopback.
#ifndef KEELSON_CLIENT_FREE_PORT_H_
#define KEELSON_CLIENT_FREE_PORT_H_

namespace keelson::client {

// One that nobody listens on; never the same one twice, for a server may not have bound it yet.
// Thread: one at a time.
int FreePort();

}  // namespace keelson::client

#endif  // KEELSON_CLIENT_FREE_PORT_H_
