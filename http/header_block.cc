#include "http/header_block.h"

namespace keelson::http {
namespace {

// A gRPC request's fields take 200 to 300 bytes.
constexpr size_t kFirstReserve = 320;

}  // namespace

void HeaderBlock::Add(std::string_view name, std::string_view value) {
  if (text_.empty()) text_.reserve(kFirstReserve);
  fields_.push_back({static_cast<uint32_t>(text_.size()), static_cast<uint32_t>(name.size()),
                     static_cast<uint32_t>(value.size())});
  text_.append(name).append(value);
}

void HeaderBlock::Clear() {
  text_.clear();
  fields_.clear();
}

std::optional<std::string_view> HeaderBlock::Find(std::string_view name) const {
  for (const Field& field : fields_) {
    if (field.name_size != name.size()) continue;
    const std::string_view text = text_;
    if (text.substr(field.offset, field.name_size) != name) continue;
    return text.substr(field.offset + field.name_size, field.value_size);
  }
  return std::nullopt;
}

HeaderView HeaderBlock::operator[](size_t i) const {
  const Field& field = fields_[i];
  const std::string_view text = text_;
  return {text.substr(field.offset, field.name_size),
          text.substr(field.offset + field.name_size, field.value_size)};
}

}  // namespace keelson::http
