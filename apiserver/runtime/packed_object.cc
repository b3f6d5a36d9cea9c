#include "apiserver/runtime/packed_object.h"

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "apiserver/api/object.h"

namespace keelson::runtime {
namespace {

using api::Json;

constexpr char kPacked[] = "packed";

}  // namespace

void Pack(Json& object) {
  std::string text = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.shrink_to_fit();
  Json metadata = {{"name", api::NameOf(object)}};
  if (!api::NamespaceOf(object).empty()) metadata["namespace"] = api::NamespaceOf(object);
  object = {{"metadata", std::move(metadata)}, {kPacked, std::move(text)}};
}

Json Unpack(const Json& object) {
  const Json* packed = api::Member(object, kPacked);
  if (packed == nullptr || !packed->is_string()) return object;
  Json unpacked = Json::parse(packed->get_ref<const std::string&>(), nullptr, false);
  if (unpacked.is_discarded()) return Json::object();
  return unpacked;
}

}  // namespace keelson::runtime
