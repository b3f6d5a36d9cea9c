// Packed objects: an object as text in an object of its name only. What an informer keeps of ten
// thousands of objects that it hands on and nobody looks up costs a fifth that way.
#ifndef KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_
#define KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_

#include "apiserver/api/json.h"

namespace keelson::runtime {

// Leaves name and namespace where they are, by which informers know it.
void Pack(api::Json& object);
// What it was; the object itself if it is not packed.
api::Json Unpack(const api::Json& object);

}  // namespace keelson::runtime

#endif  // KEELSON_APISERVER_RUNTIME_PACKED_OBJECT_H_
