#include "tests/differential/operation.h"

#include "absl/strings/str_cat.h"

namespace keelson::differential {
namespace {

const char* NameOf(Operation::Kind kind) {
  switch (kind) {
    case Operation::Kind::kCall:
      return "call";
    case Operation::Kind::kRangeStream:
      return "range stream";
    case Operation::Kind::kKeepAlive:
      return "keep alive";
    case Operation::Kind::kOpenStream:
      return "open watch stream";
    case Operation::Kind::kWatchCreate:
      return "create watcher";
    case Operation::Kind::kWatchCancel:
      return "cancel watcher";
    case Operation::Kind::kWatchProgress:
      return "ask for progress";
    case Operation::Kind::kExpire:
      return "let expire";
  }
  return "?";
}

}  // namespace

std::string ToString(const Operation& operation) {
  std::string text = operation.method.empty() ? NameOf(operation.kind) : operation.method;
  if (!operation.user.empty()) absl::StrAppend(&text, " as ", operation.user);
  if (operation.kind >= Operation::Kind::kOpenStream) {
    absl::StrAppend(&text, " slot ", operation.slot, " choice ", operation.choice);
  }
  if (operation.request != nullptr) {
    constexpr size_t kShown = 3000;
    std::string fields = operation.request->ShortDebugString();
    if (fields.size() > kShown) fields = fields.substr(0, kShown) + "...";
    absl::StrAppend(&text, " {", fields, "}");
  }
  return text;
}

}  // namespace keelson::differential
