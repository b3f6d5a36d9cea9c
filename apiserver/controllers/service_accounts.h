// What every namespace has without being asked: the service account "default" and the certificate
// of the API servers' authority. And the tokens of Secrets that ask for one.
#ifndef KEELSON_APISERVER_CONTROLLERS_SERVICE_ACCOUNTS_H_
#define KEELSON_APISERVER_CONTROLLERS_SERVICE_ACCOUNTS_H_

#include <memory>
#include <string>

#include "apiserver/runtime/controller.h"

namespace keelson::controllers {

std::unique_ptr<runtime::Controller> MakeServiceAccountController(
    const runtime::ControllerContext& context);
// `root_ca`: PEM.
std::unique_ptr<runtime::Controller> MakeRootCaController(const runtime::ControllerContext& context,
                                                          std::string root_ca);
std::unique_ptr<runtime::Controller> MakeTokenSecretController(
    const runtime::ControllerContext& context, std::string root_ca);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_SERVICE_ACCOUNTS_H_
