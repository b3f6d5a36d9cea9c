// HTTP status codes as text, in static storage.
#ifndef KEELSON_HTTP_STATUS_TEXT_H_
#define KEELSON_HTTP_STATUS_TEXT_H_

#include <string_view>

namespace keelson::http {

// "404". Codes outside 100..599 become "500".
std::string_view StatusDigits(int status);
// "Not Found"; "" for a code without a well-known reason.
std::string_view StatusReason(int status);

}  // namespace keelson::http

#endif  // KEELSON_HTTP_STATUS_TEXT_H_
