// Who may do what: no access is allowed, and none refused, that would have been the other way at
// every time while it was made.
#ifndef KEELSON_JEPSEN_CHECKERS_PERMISSIONS_H_
#define KEELSON_JEPSEN_CHECKERS_PERMISSIONS_H_

#include <map>
#include <string>
#include <vector>

#include "jepsen/checkers/verdict.h"

namespace keelson::checkers {

// Of what somebody may read or write: `key` alone, or all up to `end`.
struct Grant {
  bool read = false;
  bool write = false;
  std::string key, end;
  friend bool operator==(const Grant&, const Grant&) = default;
};

// What was in force from `since` until the next one was.
struct Permissions {
  Time since = 0;
  bool enabled = false;                              // false: everybody may everything
  std::map<std::string, std::vector<Grant>> grants;  // by user
};

struct Access {
  struct Part {
    bool write = false;
    std::string key, end;
  };
  int client = 0;
  std::string user;  // empty: nobody in particular, who may nothing
  std::vector<Part> parts;
  bool allowed = false;
  // It was asked of a member that may have been behind.
  bool may_be_old = false;
  Time invoked = 0;
  Time returned = 0;
};

// `permissions` are in the order in which they came into force, the first at 0.
Verdict CheckPermissions(const std::vector<Permissions>& permissions,
                         const std::vector<Access>& accesses);

}  // namespace keelson::checkers

#endif  // KEELSON_JEPSEN_CHECKERS_PERMISSIONS_H_
