#include "http/status_text.h"

#include <array>

namespace keelson::http {
namespace {

constexpr int kFirst = 100;
constexpr int kEnd = 600;

constexpr std::array<char, 3 * (kEnd - kFirst)> MakeDigits() {
  std::array<char, 3 * (kEnd - kFirst)> digits = {};
  for (int status = kFirst; status < kEnd; ++status) {
    const size_t at = static_cast<size_t>(status - kFirst) * 3;
    digits[at] = static_cast<char>('0' + status / 100);
    digits[at + 1] = static_cast<char>('0' + status / 10 % 10);
    digits[at + 2] = static_cast<char>('0' + status % 10);
  }
  return digits;
}

constexpr auto kDigits = MakeDigits();

}  // namespace

std::string_view StatusDigits(int status) {
  if (status < kFirst || status >= kEnd) status = 500;
  return {kDigits.data() + static_cast<size_t>(status - kFirst) * 3, 3};
}

std::string_view StatusReason(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

}  // namespace keelson::http
