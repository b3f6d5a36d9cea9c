// HTTP/1.1 and 1.0 (RFC 9112) on http-parser: one request at a time, keep-alive, Content-Length and
// chunked bodies both ways, Expect, Upgrade. A pipelined request waits until the one before it is
// answered. Internal to http/.
#ifndef KEELSON_HTTP_HTTP1_SESSION_H_
#define KEELSON_HTTP_HTTP1_SESSION_H_

#include <memory>

#include "http/session.h"

namespace keelson::http {

// REQUIRES: `host` outlives the session.
std::unique_ptr<Session> MakeHttp1Session(SessionHost* host);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_HTTP1_SESSION_H_
