#include "apiserver/runtime/packed_object.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace keelson::runtime {
namespace {

using api::Json;

TEST(PackedObject, IsWhatItWas) {
  const Json object = {{"metadata", {{"name", "n"}, {"namespace", "s"}, {"labels", {{"a", "b"}}}}},
                       {"spec", {{"list", {1, 2.5, nullptr, "text"}}}}};
  const auto packed = std::make_shared<const Json>(Pack(object));
  EXPECT_EQ((*packed)["metadata"], Json({{"name", "n"}, {"namespace", "s"}}));
  EXPECT_EQ(packed->size(), 2u);
  EXPECT_EQ(*Unpack(packed), object);
}

TEST(PackedObject, OneThatIsNotPackedIsLeftAsItIs) {
  const auto object = std::make_shared<const Json>(Json{{"metadata", {{"name", "n"}}}});
  EXPECT_EQ(Unpack(object), object);
}

}  // namespace
}  // namespace keelson::runtime
