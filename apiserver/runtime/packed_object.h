// Packed objects: an object as text in an object of its name only. What an informer keeps of ten
// thousands of objects that it hands on and nobody looks up costs a fifth that way.
#ifndef KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_
#define KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_

#include <memory>

#include "apiserver/api/json.h"

namespace keelson::runtime {

// Name and namespace, by which informers know it, stay where they are.
api::Json Pack(const api::Json& object);
// What it was; the object itself if it is not packed.
std::shared_ptr<const api::Json> Unpack(const std::shared_ptr<const api::Json>& object);

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_
