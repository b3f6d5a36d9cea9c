// Quoted: a text as Go's %q writes it, which is how Kubernetes' messages name things.
#ifndef KEELSON_APISERVER_API_QUOTE_H_
#define KEELSON_APISERVER_API_QUOTE_H_

#include <string>
#include <string_view>

namespace keelson::api {

// With the quotation marks; what is not printable is escaped, bytes that are not UTF-8 as \x..
std::string Quoted(std::string_view text);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_QUOTE_H_
