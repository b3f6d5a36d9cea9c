// What tests say about kinds: a manifest in; defaults, findings and cells out.
#ifndef KEELSON_APISERVER_API_KINDS_KIND_TESTING_H_
#define KEELSON_APISERVER_API_KINDS_KIND_TESTING_H_

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "apiserver/api/errors.h"
#include "apiserver/api/kind.h"
#include "apiserver/api/time.h"
#include "base/concat.h"

namespace keelson::api {

inline std::vector<std::string> TextsOf(const FieldErrors& errors) {
  std::vector<std::string> texts;
  for (const Cause& cause : errors.causes()) {
    texts.push_back(Concat(cause.field, ": ", cause.message));
  }
  return texts;
}

inline Json Defaulted(const Kind& kind, Json object) {
  if (kind.set_defaults != nullptr) kind.set_defaults(object);
  return object;
}

// As a new object is made: defaults, and what a new one begins with.
inline Json Created(const Kind& kind, Json object) {
  object = Defaulted(kind, std::move(object));
  if (kind.prepare_create != nullptr) kind.prepare_create(object);
  return object;
}

// What is wrong with the manifest of a new object.
inline std::vector<std::string> Findings(const Kind& kind, const Json& manifest) {
  FieldErrors errors;
  if (kind.validate != nullptr) kind.validate(Created(kind, manifest), errors);
  return TextsOf(errors);
}

// What is wrong with a new version of an object that was created from `old`.
inline std::vector<std::string> UpdateFindings(const Kind& kind, const Json& old, const Json& now) {
  const Json before = Created(kind, old);
  Json after = Defaulted(kind, now);
  if (kind.prepare_update != nullptr) kind.prepare_update(after, before);
  FieldErrors errors;
  if (kind.validate != nullptr) kind.validate(after, errors);
  if (kind.validate_update != nullptr) kind.validate_update(after, before, errors);
  return TextsOf(errors);
}

// The cells of all columns, joined by " | ", at 2026-01-01T00:10:00Z.
inline std::string CellsOf(const Kind& kind, const Json& object) {
  std::vector<Json> cells;
  kind.print(object, {.now = *ParseTime("2026-01-01T00:10:00Z")}, &cells);
  std::string text;
  for (const Json& cell : cells) {
    if (!text.empty()) text += " | ";
    text += cell.is_string() ? cell.get<std::string>() : cell.dump();
  }
  return text;
}

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_KIND_TESTING_H_
