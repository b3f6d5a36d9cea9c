// Checks of single fields, with kube-apiserver's texts. Each adds to `errors` what is wrong with
// the value at `path`, and nothing when it is right.
#ifndef KEELSON_APISERVER_API_KINDS_FIELD_CHECKS_H_
#define KEELSON_APISERVER_API_KINDS_FIELD_CHECKS_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// One of the name rules of labels.h.
using NameCheck = bool (*)(std::string_view name, std::string* why);

void CheckName(std::string_view name, NameCheck rule, std::string_view path, FieldErrors& errors);
// What may not be empty: a required value, or a name by `rule`.
void CheckRequiredName(std::string_view name, NameCheck rule, std::string_view path,
                       FieldErrors& errors);
void CheckRequired(std::string_view text, std::string_view path, FieldErrors& errors);
// `supported` in the order it is told. An empty text is a required value.
void CheckOneOf(std::string_view text, std::initializer_list<std::string_view> supported,
                std::string_view path, FieldErrors& errors);
// As CheckOneOf for a field that may be absent (nullptr); an empty text is not supported.
void CheckOptionalOneOf(const Json* text, std::initializer_list<std::string_view> supported,
                        std::string_view path, FieldErrors& errors);

void CheckNotNegative(int64_t number, std::string_view path, FieldErrors& errors);
void CheckPositive(int64_t number, std::string_view path, FieldErrors& errors);
// The field of an object, if it is there.
void CheckNotNegativeAt(const Json& object, std::string_view field, std::string_view path,
                        FieldErrors& errors);
void CheckBetween(int64_t number, int64_t first, int64_t last, std::string_view path,
                  FieldErrors& errors);
void CheckPort(int64_t port, std::string_view path, FieldErrors& errors);
void CheckPortName(std::string_view name, std::string_view path, FieldErrors& errors);
void CheckPortOrName(const Json* port, std::string_view path, FieldErrors& errors);
void CheckProtocol(std::string_view protocol, std::string_view path, FieldErrors& errors);
// Permissions of a file: 0 to 0777, if there are any.
void CheckFileMode(const Json& object, std::string_view field, std::string_view path,
                   FieldErrors& errors);

bool IsIpv4(std::string_view text);
bool IsIpv6(std::string_view text);
void CheckIp(std::string_view ip, std::string_view path, FieldErrors& errors);
// An address packets can be sent to: not unspecified, loopback or link-local.
void CheckEndpointIp(std::string_view ip, std::string_view path, FieldErrors& errors);
void CheckCidr(std::string_view cidr, std::string_view path, FieldErrors& errors);

bool HasBackstep(std::string_view file);  // ".." is one of its elements
void CheckNoBackstep(std::string_view file, std::string_view path, FieldErrors& errors);
// Relative, without a ".." on the way.
void CheckDescendingPath(std::string_view file, std::string_view path, FieldErrors& errors);
// And not beginning with "..", which names of versions of mounted files do.
void CheckFileInVolume(std::string_view file, std::string_view path, FieldErrors& errors);

// Names of environment variables: printable ASCII but '='.
void CheckEnvironmentName(std::string_view name, std::string_view path, FieldErrors& errors);

// Whether the two say the same: null, "", 0, false, and empty lists and maps are as if absent,
// because clients leave out or fill in what is zero as their languages have it.
bool MeansTheSame(const Json* left, const Json* right);
// What differs between them, a line a field: "-path: old" and "+path: new".
std::string Differences(const Json& before, const Json& after);
// "field is immutable", unless object and old mean the same at `field`.
void CheckImmutable(const Json& object, const Json& old, std::string_view field,
                    std::string_view path, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_FIELD_CHECKS_H_
