// The items of lists that are sets or maps, by the steps that lead to them (field_set.h).
#ifndef KEELSON_APISERVER_API_LIST_ITEMS_H_
#define KEELSON_APISERVER_API_LIST_ITEMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "apiserver/api/field_owners.h"
#include "apiserver/api/json.h"

namespace keelson::api {

struct ListItem {
  std::string step;
  const Json* value = nullptr;
};

// The step that leads to an item. InvalidArgument: it does not say which one it is.
// REQUIRES: shape is that of a list with kValues or kItems.
absl::StatusOr<std::string> StepTo(const Shape& shape, const Json& item);
// The items of a list sorted by step, those with the same step in the order of the list. An item
// that does not say which one it is has the step of what it says. nullptr, or no list: none.
std::vector<ListItem> ItemsOf(const Shape& shape, const Json* list);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_LIST_ITEMS_H_
