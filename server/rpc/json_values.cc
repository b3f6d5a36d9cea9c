#include "server/rpc/json_values.h"

#include "absl/strings/ascii.h"
#include "base/status_macros.h"

namespace keelson::rpc {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

absl::StatusOr<std::optional<std::string>> JsonValues::Next() {
  KV_ASSIGN_OR_RETURN(const bool whole, Scan());
  if (!whole) {
    if (ended_ && !bytes_.empty()) return absl::InvalidArgumentError("unexpected EOF");
    return std::optional<std::string>();
  }
  std::optional<std::string> value = bytes_.substr(0, scanned_);
  bytes_.erase(0, scanned_);
  scanned_ = 0;
  kind_ = Kind::kNone;
  return value;
}

absl::StatusOr<bool> JsonValues::Scan() {
  if (kind_ == Kind::kNone) {
    size_t space = 0;
    while (space < bytes_.size() && IsSpace(bytes_[space])) ++space;
    bytes_.erase(0, space);
    if (bytes_.empty()) return false;
    KV_RETURN_IF_ERROR(Begin(bytes_[0]));
    scanned_ = 1;
  }
  for (; scanned_ < bytes_.size(); ++scanned_) {
    const char c = bytes_[scanned_];
    if (in_text_) {
      if (!ScanText(c) && kind_ == Kind::kText) {
        ++scanned_;
        return true;
      }
    } else if (kind_ == Kind::kWord) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.') {
        return true;
      }
    } else if (c == '"') {
      in_text_ = true;
    } else if (c == '{' || c == '[') {
      if (++depth_ > kDepthMax) return absl::InvalidArgumentError("exceeded max depth");
    } else if ((c == '}' || c == ']') && --depth_ == 0) {
      ++scanned_;
      return true;
    }
  }
  return kind_ == Kind::kWord && ended_;
}

// One byte of a string; false: it was the last one.
bool JsonValues::ScanText(char c) {
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_text_ = false;
  }
  return in_text_;
}

absl::Status JsonValues::Begin(char c) {
  if (c == '{' || c == '[') {
    kind_ = Kind::kNested;
    depth_ = 1;
  } else if (c == '"') {
    kind_ = Kind::kText;
    in_text_ = true;
  } else if (absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-' || c == 'n' ||
             c == 't' || c == 'f') {
    kind_ = Kind::kWord;
  } else {
    return absl::InvalidArgumentError(std::string("invalid character '") + c +
                                      "' looking for beginning of value");
  }
  return absl::OkStatus();
}

}  // namespace keelson::rpc
