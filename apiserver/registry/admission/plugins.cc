// The plugins there are, in order.
#include "apiserver/registry/admission.h"

namespace keelson::registry {

std::vector<std::unique_ptr<AdmissionPlugin>> MakeAdmissionPlugins() {
  std::vector<std::unique_ptr<AdmissionPlugin>> plugins;
  return plugins;
}

}  // namespace keelson::registry
