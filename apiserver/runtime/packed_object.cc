#include "apiserver/runtime/packed_object.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "apiserver/api/json_parse.h"
#include "apiserver/api/object.h"

namespace keelson::runtime {
namespace {

using api::Json;

constexpr char kPacked[] = "packed";

}  // namespace

Json Pack(const Json& object) {
  std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.shrink_to_fit();
  Json metadata = {{"name", api::NameOf(object)}};
  if (!api::NamespaceOf(object).empty()) metadata["namespace"] = api::NamespaceOf(object);
  return {{"metadata", std::move(metadata)}, {kPacked, std::move(text)}};
}

std::shared_ptr<const Json> Unpack(const std::shared_ptr<const Json>& object) {
  const Json* packed = api::Member(*object, kPacked);
  if (packed == nullptr || !packed->is_string()) return object;
  std::optional<Json> unpacked = api::ParseText(packed->get_ref<const std::string&>());
  return std::make_shared<const Json>(unpacked ? *std::move(unpacked) : Json::object());
}

}  // namespace keelson::runtime
