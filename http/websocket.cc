#include "http/websocket.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "http/ascii.h"

namespace keelson::http {
namespace {

// RFC 6455 section 1.3.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr size_t kKeyChars = 24;  // base64 of 16 bytes
constexpr size_t kControlBytesMax = 125;
constexpr uint8_t kLast = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kSize16 = 126;
constexpr uint8_t kSize64 = 127;

std::string Base64(const unsigned char* bytes, size_t size) {
  std::string text((size + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
  text.pop_back();
  return text;
}

bool IsBase64(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

// One of the words of a list with commas.
bool HasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (EqualsIgnoreCase(StripSpace(list.substr(0, comma)), word)) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

bool IsControl(WebSocketOpcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

// Shortest forms only, no surrogates, nothing above U+10FFFF.
bool IsUtf8(std::string_view text) {
  size_t i = 0;
  const auto byte = [text](size_t at) { return static_cast<uint8_t>(text[at]); };
  while (i < text.size()) {
    const uint8_t first = byte(i);
    const size_t more = first < 0x80   ? 0
                        : first < 0xC2 ? 9
                        : first < 0xE0 ? 1
                        : first < 0xF0 ? 2
                        : first < 0xF5 ? 3
                                       : 9;
    if (more > text.size() - i - 1) return false;
    for (size_t k = 1; k <= more; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
    }
    if ((first == 0xE0 && byte(i + 1) < 0xA0) || (first == 0xED && byte(i + 1) > 0x9F) ||
        (first == 0xF0 && byte(i + 1) < 0x90) || (first == 0xF4 && byte(i + 1) > 0x8F)) {
      return false;
    }
    i += 1 + more;
  }
  return true;
}

// Section 7.4: those that may be on the wire.
bool IsCloseCode(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

// Of a close frame: nothing, or a code and a text.
WebSocketClose CheckClose(std::string_view payload) {
  if (payload.empty()) return WebSocketClose::kNormal;
  if (payload.size() == 1) return WebSocketClose::kProtocolError;
  const unsigned code = static_cast<uint8_t>(payload[0]) * 256u + static_cast<uint8_t>(payload[1]);
  if (!IsCloseCode(code)) return WebSocketClose::kProtocolError;
  return IsUtf8(payload.substr(2)) ? WebSocketClose::kNormal : WebSocketClose::kNotText;
}

}  // namespace

bool IsWebSocketRequest(const HeaderBlock& headers) {
  return HasWord(headers.Get("connection"), "upgrade") &&
         HasWord(headers.Get("upgrade"), "websocket");
}

std::string WebSocketAccept(const HeaderBlock& headers) {
  const std::string_view key = headers.Get("sec-websocket-key");
  if (headers.Get(":method") != "GET" || headers.Get("sec-websocket-version") != "13" ||
      key.size() != kKeyChars || !key.ends_with("==") || !IsBase64(key.substr(0, kKeyChars - 2))) {
    return "";
  }
  const std::string text = std::string(key) + std::string(kGuid);
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return Base64(digest, sizeof(digest));
}

void AppendWebSocketFrame(WebSocketOpcode opcode, std::string_view payload, std::string* to) {
  KV_CHECK(!IsControl(opcode) || payload.size() <= kControlBytesMax);
  to->push_back(static_cast<char>(kLast | static_cast<uint8_t>(opcode)));
  if (payload.size() < kSize16) {
    to->push_back(static_cast<char>(payload.size()));
  } else {
    const int bytes = payload.size() <= 0xFFFF ? 2 : 8;
    to->push_back(static_cast<char>(bytes == 2 ? kSize16 : kSize64));
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
      to->push_back(static_cast<char>(static_cast<uint64_t>(payload.size()) >> shift));
    }
  }
  to->append(payload);
}

void AppendWebSocketClose(WebSocketClose code, std::string* to) {
  const auto number = static_cast<uint16_t>(code);
  const char payload[] = {static_cast<char>(number >> 8), static_cast<char>(number)};
  AppendWebSocketFrame(WebSocketOpcode::kClose, {payload, sizeof(payload)}, to);
}

WebSocketReader::Parsed WebSocketReader::ParseHeader(std::string_view bytes, Frame* frame) {
  if (bytes.size() < 2) return Parsed::kPartial;
  const auto first = static_cast<uint8_t>(bytes[0]);
  const auto second = static_cast<uint8_t>(bytes[1]);
  // Of a client all frames are masked.
  if ((first & kReserved) != 0 || (second & kMasked) == 0) return Parsed::kBad;
  frame->last = (first & kLast) != 0;
  frame->opcode = static_cast<WebSocketOpcode>(first & 0x0F);
  const uint8_t size = second & 0x7F;
  const size_t size_bytes = size == kSize64 ? 8 : size == kSize16 ? 2 : 0;
  frame->header_bytes = 2 + size_bytes + sizeof(frame->mask);
  if (bytes.size() < frame->header_bytes) return Parsed::kPartial;
  frame->size = size_bytes == 0 ? size : 0;
  for (size_t i = 0; i < size_bytes; ++i) {
    frame->size = frame->size << 8 | static_cast<uint8_t>(bytes[2 + i]);
  }
  // The shortest form is the only one.
  if ((size_bytes == 2 && frame->size < kSize16) || (size_bytes == 8 && frame->size <= 0xFFFF)) {
    return Parsed::kBad;
  }
  for (size_t i = 0; i < sizeof(frame->mask); ++i) {
    frame->mask[i] = static_cast<uint8_t>(bytes[2 + size_bytes + i]);
  }
  return Parsed::kFrame;
}

WebSocketClose WebSocketReader::CheckFrame(const Frame& frame) const {
  switch (frame.opcode) {
    case WebSocketOpcode::kText:
    case WebSocketOpcode::kBinary:
      if (message_opcode_ != WebSocketOpcode::kContinuation) return WebSocketClose::kProtocolError;
      break;
    case WebSocketOpcode::kContinuation:
      if (message_opcode_ == WebSocketOpcode::kContinuation) return WebSocketClose::kProtocolError;
      break;
    case WebSocketOpcode::kClose:
    case WebSocketOpcode::kPing:
    case WebSocketOpcode::kPong:
      return frame.last && frame.size <= kControlBytesMax ? WebSocketClose::kNormal
                                                          : WebSocketClose::kProtocolError;
    default:
      return WebSocketClose::kProtocolError;
  }
  return frame.size <= message_bytes_max_ - message_.size() ? WebSocketClose::kNormal
                                                            : WebSocketClose::kTooLarge;
}

WebSocketClose WebSocketReader::OnFrame(const Frame& frame, std::string payload,
                                        OnMessage on_message, bool* go_on) {
  if (IsControl(frame.opcode)) {
    if (frame.opcode == WebSocketOpcode::kClose) {
      const WebSocketClose checked = CheckClose(payload);
      if (checked != WebSocketClose::kNormal) return checked;
      on_message(frame.opcode, payload);
      *go_on = false;
    } else {
      *go_on = on_message(frame.opcode, payload);
    }
    return WebSocketClose::kNormal;
  }
  if (frame.opcode != WebSocketOpcode::kContinuation) message_opcode_ = frame.opcode;
  message_.append(payload);
  if (!frame.last) return WebSocketClose::kNormal;
  const std::string whole = std::exchange(message_, {});
  const WebSocketOpcode opcode = std::exchange(message_opcode_, WebSocketOpcode::kContinuation);
  if (opcode == WebSocketOpcode::kText && !IsUtf8(whole)) return WebSocketClose::kNotText;
  *go_on = on_message(opcode, whole);
  return WebSocketClose::kNormal;
}

WebSocketClose WebSocketReader::Feed(std::string_view bytes, OnMessage on_message) {
  input_.append(bytes);
  size_t done = 0;
  bool go_on = true;
  while (go_on) {
    const std::string_view rest = std::string_view(input_).substr(done);
    Frame frame;
    const Parsed parsed = ParseHeader(rest, &frame);
    if (parsed == Parsed::kBad) return WebSocketClose::kProtocolError;
    if (parsed == Parsed::kPartial) break;
    const WebSocketClose checked = CheckFrame(frame);
    if (checked != WebSocketClose::kNormal) return checked;
    if (rest.size() - frame.header_bytes < frame.size) break;
    std::string payload(rest.substr(frame.header_bytes, frame.size));
    for (size_t i = 0; i < payload.size(); ++i) {
      payload[i] = static_cast<char>(payload[i] ^ frame.mask[i % sizeof(frame.mask)]);
    }
    done += frame.header_bytes + payload.size();
    const WebSocketClose outcome = OnFrame(frame, std::move(payload), on_message, &go_on);
    if (outcome != WebSocketClose::kNormal) return outcome;
  }
  input_.erase(0, done);
  return WebSocketClose::kNormal;
}

}  // namespace keelson::http
