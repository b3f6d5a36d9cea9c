#include "apiserver/api/json_text.h"

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "apiserver/api/errors.h"
#include "apiserver/api/quote.h"
#include "apiserver/api/utf8.h"
#include "base/concat.h"

namespace keelson::api {
namespace {

constexpr std::string_view kEndOfInput = "unexpected end of JSON input";

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHexDigit(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

// A character as Go quotes it. Go takes a byte for a code point here.
std::string QuotedCharacter(char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  std::string text;
  AppendCodePoint(&text, static_cast<unsigned char>(c));
  const std::string quoted = Quoted(text);
  return Concat("'", std::string_view(quoted).substr(1, quoted.size() - 2), "'");
}

// Checks the grammar. Every step gives whether to go on; fault_ says why not.
class Checker {
 public:
  explicit Checker(std::string_view text) : text_(text) {}

  std::string Check() {
    SkipSpace();
    if (!Value(0)) return fault_;
    SkipSpace();
    if (position_ < text_.size()) Refuse("after top-level value");
    return fault_;
  }

 private:
  bool Refuse(std::string_view where) {
    fault_ = position_ >= text_.size() ? std::string(kEndOfInput) : Unexpected(where);
    return false;
  }
  // In the middle of a number, a word or an escape. Go sees a space behind the end.
  bool RefuseWithin(std::string_view where) {
    fault_ = Unexpected(where);
    return false;
  }
  std::string Unexpected(std::string_view where) const {
    const char c = position_ < text_.size() ? text_[position_] : ' ';
    return Concat("invalid character ", QuotedCharacter(c), " ", where);
  }
  bool At(char c) const { return position_ < text_.size() && text_[position_] == c; }
  bool AtDigit() const { return position_ < text_.size() && IsDigit(text_[position_]); }
  void SkipSpace() {
    while (position_ < text_.size() && IsSpace(text_[position_])) ++position_;
  }

  bool Value(size_t depth) {
    if (position_ >= text_.size()) return Refuse("");
    switch (text_[position_]) {
      case '{':
        return Object(depth + 1);
      case '[':
        return Array(depth + 1);
      case '"':
        return String();
      case 't':
        return Literal("true");
      case 'f':
        return Literal("false");
      case 'n':
        return Literal("null");
      default:
        return Number();
    }
  }

  bool Object(size_t depth) {
    if (depth > kJsonDepthMax) return Refuse("exceeded max depth");
    ++position_;
    SkipSpace();
    if (At('}')) return ++position_, true;
    for (;;) {
      if (!At('"')) return Refuse("looking for beginning of object key string");
      if (!String()) return false;
      SkipSpace();
      if (!At(':')) return Refuse("after object key");
      ++position_;
      SkipSpace();
      if (!Value(depth)) return false;
      SkipSpace();
      if (At('}')) return ++position_, true;
      if (!At(',')) return Refuse("after object key:value pair");
      ++position_;
      SkipSpace();
    }
  }

  bool Array(size_t depth) {
    if (depth > kJsonDepthMax) return Refuse("exceeded max depth");
    ++position_;
    SkipSpace();
    if (At(']')) return ++position_, true;
    for (;;) {
      if (!Value(depth)) return false;
      SkipSpace();
      if (At(']')) return ++position_, true;
      if (!At(',')) return Refuse("after array element");
      ++position_;
      SkipSpace();
    }
  }

  bool String() {
    for (++position_; position_ < text_.size(); ++position_) {
      const char c = text_[position_];
      if (c == '"') return ++position_, true;
      if (static_cast<unsigned char>(c) < 0x20) return Refuse("in string literal");
      if (c == '\\' && !Escape()) return false;
    }
    return Refuse("");
  }

  // Leaves position_ at the last character of the escape.
  bool Escape() {
    ++position_;
    if (!At('u')) {
      constexpr std::string_view kEscapes = "\"\\/bfnrt";
      const bool known =
          position_ < text_.size() && kEscapes.find(text_[position_]) != std::string_view::npos;
      return known || RefuseWithin("in string escape code");
    }
    for (int i = 0; i < 4; ++i) {
      ++position_;
      if (position_ >= text_.size() || !IsHexDigit(text_[position_])) {
        return RefuseWithin("in \\u hexadecimal character escape");
      }
    }
    return true;
  }

  bool Literal(std::string_view word) {
    for (char c : word) {
      if (!At(c)) return RefuseWithin(Concat("in literal ", word, " (expecting '", c, "')"));
      ++position_;
    }
    return true;
  }

  bool Digits(std::string_view where) {
    if (!AtDigit()) return RefuseWithin(where);
    while (AtDigit()) ++position_;
    return true;
  }

  bool Number() {
    if (!At('-') && !AtDigit()) return Refuse("looking for beginning of value");
    if (At('-')) ++position_;
    if (At('0')) {
      ++position_;
    } else if (!Digits("in numeric literal")) {
      return false;
    }
    if (At('.')) {
      ++position_;
      if (!Digits("after decimal point in numeric literal")) return false;
    }
    if (At('e') || At('E')) {
      ++position_;
      if (At('+') || At('-')) ++position_;
      if (!Digits("in exponent of numeric literal")) return false;
    }
    return true;
  }

  std::string_view text_;
  size_t position_ = 0;
  std::string fault_;
};

uint32_t HexValue(std::string_view digits) {
  uint32_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

// What stands between the quotation marks.
std::string Unescaped(std::string_view text) {
  constexpr uint32_t kReplacement = 0xfffd;
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (text[0] != '\\') {
      const size_t bytes = FirstCodePoint(text).bytes;
      if (bytes == 0) {
        AppendCodePoint(&out, kReplacement);
      } else {
        out.append(text.substr(0, bytes));
      }
      text.remove_prefix(bytes == 0 ? 1 : bytes);
      continue;
    }
    if (text[1] != 'u') {
      constexpr std::string_view kNames = "bfnrt", kMeanings = "\b\f\n\r\t";
      const size_t which = kNames.find(text[1]);
      out.push_back(which == std::string_view::npos ? text[1] : kMeanings[which]);
      text.remove_prefix(2);
      continue;
    }
    uint32_t value = HexValue(text.substr(2, 4));
    text.remove_prefix(6);
    if (value >= 0xd800 && value < 0xe000) {
      const bool pair = value < 0xdc00 && text.starts_with("\\u");
      const uint32_t low = pair ? HexValue(text.substr(2, 4)) : 0;
      if (low >= 0xdc00 && low < 0xe000) {
        value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
        text.remove_prefix(6);
      } else {
        value = kReplacement;
      }
    }
    AppendCodePoint(&out, value);
  }
  return out;
}

}  // namespace

std::string JsonFault(std::string_view text) { return Checker(text).Check(); }

void JsonReader::SkipSpace() {
  while (position_ < text_.size() && IsSpace(text_[position_])) ++position_;
}

std::string_view JsonReader::PeekWord() const {
  switch (Peek()) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "bool";
    case 'n':
      return "null";
    default:
      return "number";
  }
}

// To the closing quotation mark.
void JsonReader::SkipString() {
  for (++position_; text_[position_] != '"'; ++position_) {
    if (text_[position_] == '\\') ++position_;
  }
}

std::string JsonReader::ReadString() {
  const size_t begin = position_ + 1;
  bool plain = true;
  for (++position_; text_[position_] != '"'; ++position_) {
    const char c = text_[position_];
    plain &= c != '\\' && static_cast<unsigned char>(c) < 0x80;
    if (c == '\\') ++position_;
  }
  const std::string_view text = text_.substr(begin, position_ - begin);
  ++position_;
  SkipSpace();
  return plain ? std::string(text) : Unescaped(text);
}

std::string_view JsonReader::ReadText() {
  const size_t begin = position_;
  size_t depth = 0;
  for (;;) {
    const char c = text_[position_];
    if (c == '"') {
      SkipString();
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    } else if (depth == 0) {
      // A number or a word.
      constexpr std::string_view kAfter = ",]} \t\r\n";
      position_ = std::min(text_.find_first_of(kAfter, position_), text_.size()) - 1;
    }
    ++position_;
    if (depth == 0) break;
  }
  const std::string_view text = text_.substr(begin, position_ - begin);
  SkipSpace();
  return text;
}

void JsonReader::Enter() {
  ++position_;
  SkipSpace();
}

bool JsonReader::NextElement() {
  if (Peek() == ',') Enter();
  if (Peek() != ']') return true;
  Enter();
  return false;
}

bool JsonReader::NextMember(std::string* name) {
  if (Peek() == ',') Enter();
  if (Peek() == '}') {
    Enter();
    return false;
  }
  *name = ReadString();
  Enter();  // the colon
  return true;
}

Json JsonReader::ReadValue() {
  switch (Peek()) {
    case '{': {
      Json object = Json::object();
      Enter();
      for (std::string name; NextMember(&name);) object[name] = ReadValue();
      return object;
    }
    case '[': {
      Json array = Json::array();
      Enter();
      while (NextElement()) array.push_back(ReadValue());
      return array;
    }
    case '"':
      return ReadString();
    case 't':
      return Skip(), true;
    case 'f':
      return Skip(), false;
    case 'n':
      return Skip(), nullptr;
    default:
      return NumberFromText(ReadText());
  }
}

Json NumberFromText(std::string_view text) {
  int64_t whole = 0;
  const char* end = text.data() + text.size();
  if (const auto [at, error] = std::from_chars(text.data(), end, whole);
      error == std::errc() && at == end) {
    return whole;
  }
  double number = 0;
  std::from_chars(text.data(), end, number);  // too large: stays 0
  return number;
}

absl::StatusOr<Json> ParseJson(std::string_view text) {
  if (const std::string fault = JsonFault(text); !fault.empty()) return BadRequest(fault);
  return JsonReader(text).ReadValue();
}

}  // namespace keelson::api
