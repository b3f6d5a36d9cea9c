// The kinds that are questions: what somebody may do, who somebody is, whose a token is. Each
// function is given the object that a client posted and gives it back with its status. Nothing is
// stored. Errors are those of api/errors.h.
//
// Thread: any.
#ifndef KEELSON_APISERVER_AUTH_REVIEWS_H_
#define KEELSON_APISERVER_AUTH_REVIEWS_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "apiserver/api/json.h"
#include "apiserver/auth/authenticator.h"
#include "apiserver/auth/authorizer.h"

namespace keelson::auth {

absl::StatusOr<api::Json> ReviewSelfAccess(Authorizer& authorizer, const registry::User& user,
                                           api::Json review);
absl::StatusOr<api::Json> ReviewAccess(Authorizer& authorizer, api::Json review);
// `name_space`: of the path.
absl::StatusOr<api::Json> ReviewLocalAccess(Authorizer& authorizer, std::string_view name_space,
                                            api::Json review);
absl::StatusOr<api::Json> ReviewSelfRules(Authorizer& authorizer, const registry::User& user,
                                          api::Json review);
absl::StatusOr<api::Json> ReviewSelf(const registry::User& user, absl::Time now, api::Json review);
absl::StatusOr<api::Json> ReviewToken(const Authenticator& authenticator, api::Json review);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_REVIEWS_H_
