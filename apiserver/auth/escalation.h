// Nobody grants what he does not have: whoever writes a role must hold all of its rules, or may
// `escalate` it; whoever binds one must hold its rules too, or may `bind` it. An admission plugin.
#ifndef KEELSON_APISERVER_AUTH_ESCALATION_H_
#define KEELSON_APISERVER_AUTH_ESCALATION_H_

#include <memory>

#include "absl/status/status.h"
#include "apiserver/auth/authorizer.h"
#include "apiserver/registry/admission.h"

namespace keelson::auth {

// OK for what is no role or binding.
absl::Status CheckEscalation(Authorizer& authorizer, const registry::AdmissionRequest& request);

// `authorizer` is set before the first request, and outlives the plugin.
std::unique_ptr<registry::AdmissionPlugin> MakeEscalationPlugin(Authorizer* const* authorizer);

}  // namespace keelson::auth

#endif  // KEELSON_APISERVER_AUTH_ESCALATION_H_
