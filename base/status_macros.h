// KV_RETURN_IF_ERROR(expr) and KV_ASSIGN_OR_RETURN(lhs, expr): the Abseil idioms that Debian 12's
// release (20220623) does not have yet; to be dropped for absl/status/status_macros.h when it does.
#ifndef KEELSON_BASE_STATUS_MACROS_H_
#define KEELSON_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define KV_RETURN_IF_ERROR(expr)             \
  do {                                       \
    ::absl::Status kv_status_ = (expr);      \
    if (!kv_status_.ok()) return kv_status_; \
  } while (false)

#define KV_STATUS_CONCAT_INNER_(a, b) a##b
#define KV_STATUS_CONCAT_(a, b) KV_STATUS_CONCAT_INNER_(a, b)

#define KV_ASSIGN_OR_RETURN(lhs, expr) \
  KV_ASSIGN_OR_RETURN_IMPL_(KV_STATUS_CONCAT_(kv_status_or_, __LINE__), lhs, expr)
#define KV_ASSIGN_OR_RETURN_IMPL_(var, lhs, expr) \
  auto var = (expr);                              \
  if (!var.ok()) return std::move(var).status();  \
  lhs = *std::move(var)

#endif  // KEELSON_BASE_STATUS_MACROS_H_
