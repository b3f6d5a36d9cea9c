// Texts and values as Go writes them, which is how Kubernetes' messages name things.
#ifndef KEELSON_APISERVER_API_QUOTE_H_
#define KEELSON_APISERVER_API_QUOTE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "apiserver/api/json.h"

namespace keelson::api {

// Go's table of printable characters, less its small print: controls, spaces other than ' ', marks
// of direction, private use and what is no character are not.
bool IsPrintable(uint32_t c);
// As %q has it: with the quotation marks; what is not printable is escaped, bytes that are not
// UTF-8 as \x..
std::string Quoted(std::string_view text);
// As %v has it: map[a:1 b:[x y]].
std::string GoText(const Json& value);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_QUOTE_H_
