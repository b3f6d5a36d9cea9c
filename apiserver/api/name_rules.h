// What a name, a label's key or value must look like. Each function gives all that is wrong, in
// kube-apiserver's words; nothing for what is right. labels.h has the same questions with a yes or
// no.
#ifndef KEELSON_APISERVER_API_NAME_RULES_H_
#define KEELSON_APISERVER_API_NAME_RULES_H_

#include <string>
#include <string_view>
#include <vector>

namespace keelson::api {

std::vector<std::string> QualifiedNameFaults(std::string_view name);  // [prefix/]name
std::vector<std::string> LabelValueFaults(std::string_view value);
std::vector<std::string> SubdomainFaults(std::string_view name);  // DNS-1123, 253
std::vector<std::string> LabelFaults(std::string_view name);      // DNS-1123, 63
std::vector<std::string> Label1035Faults(std::string_view name);
std::vector<std::string> ConfigKeyFaults(std::string_view key);
std::vector<std::string> PathSegmentFaults(std::string_view name);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_NAME_RULES_H_
