// Percent-encoding of what goes into a path or a query (RFC 3986, section 2.1).
#ifndef KEELSON_APISERVER_API_PERCENT_H_
#define KEELSON_APISERVER_API_PERCENT_H_

#include <string>
#include <string_view>

namespace keelson::api {

// All but letters, digits, "-._~" and ':', which is a segment's or a value's own in both places.
std::string PercentEncoded(std::string_view text);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_PERCENT_H_
