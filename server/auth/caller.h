// Caller: on whose behalf something is asked: the user that a token or a client certificate names,
// and the auth revision as of which it does.
#ifndef KEELSON_SERVER_AUTH_CALLER_H_
#define KEELSON_SERVER_AUTH_CALLER_H_

#include <cstdint>
#include <string>

namespace keelson::server {

struct Caller {
  std::string user;
  uint64_t auth_revision = 0;  // 0: nobody said who it is

  bool known() const { return auth_revision != 0; }
};

}  // namespace keelson::server

#endif  // KEELSON_SERVER_AUTH_CALLER_H_
