// HTTP/2 (RFC 9113) on nghttp2. Internal to http/.
#ifndef KEELSON_HTTP_HTTP2_SESSION_H_
#define KEELSON_HTTP_HTTP2_SESSION_H_

#include <memory>

#include "http/session.h"

namespace keelson::http {

// REQUIRES: `host` outlives the session.
std::unique_ptr<Session> MakeHttp2Session(SessionHost* host);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_HTTP2_SESSION_H_
