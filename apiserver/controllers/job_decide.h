// What becomes of a Job: which indexes are done, how its failures count, when to try again. Pure.
#ifndef KEELSON_APISERVER_CONTROLLERS_JOB_DECIDE_H_
#define KEELSON_APISERVER_CONTROLLERS_JOB_DECIDE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "apiserver/api/json.h"

namespace keelson::controllers {

// "0-2,5": indexes of an Indexed Job. What is not of that form, or not below `completions`, is left
// out.
std::set<int64_t> ParseIndexes(std::string_view text, int64_t completions);
std::string FormatIndexes(const std::set<int64_t>& indexes);

// The completion index of a pod; -1: none.
int64_t IndexOf(const api::Json& pod);
bool IsIndexed(const api::Json& job);
bool ReplacesFailedOnly(const api::Json& job);  // podReplacementPolicy Failed
// Ended without success, or about to.
bool HasFailed(const api::Json& job, const api::Json& pod);
// When the last of its containers ended; else when it was deleted or became unready.
absl::Time EndOf(const api::Json& pod);

// What the failure policy says to a failed pod.
enum class FailureAction { kCount, kIgnore, kFailJob, kFailIndex };
struct FailureMatch {
  FailureAction action = FailureAction::kCount;
  std::string message;  // of kFailJob
};
FailureMatch MatchFailurePolicy(const api::Json& job, const api::Json& pod);

// The message of the success policy's rule that is fulfilled; nullopt: none.
std::optional<std::string> MatchSuccessPolicy(const api::Json& job,
                                              const std::set<int64_t>& succeeded);

// The pause between the `failures`th failure in a row and the next try: 10 s, doubled up to 10
// minutes.
absl::Duration RetryPause(int64_t failures);
// How many pods should be active.
int64_t WantedActive(const api::Json& job, int64_t active, int64_t succeeded);

}  // namespace keelson::controllers

#endif  // KEELSON_APISERVER_CONTROLLERS_JOB_DECIDE_H_
