// What a Job and the job template of a CronJob have in common.
#ifndef KEELSON_APISERVER_API_KINDS_JOB_SPEC_H_
#define KEELSON_APISERVER_API_KINDS_JOB_SPEC_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "apiserver/api/errors.h"
#include "apiserver/api/json.h"

namespace keelson::api {

// All but the selector, which is made for Jobs and not allowed in templates.
void ValidateJobSpec(const Json& spec, std::string_view path, FieldErrors& errors);

// Whether `text` names indexes of a job, below `completions` and ascending: "0-2,5". Gives how many
// they are; the message of InvalidArgument is kube-apiserver's.
absl::StatusOr<int64_t> CountIndexes(std::string_view text, int64_t completions);
// An index that is in both, if there is one.
std::string OverlapOfIndexes(std::string_view completed, std::string_view failed,
                             int64_t completions);

// `status` as a controller wrote it, against what it was.
void ValidateJobStatus(const Json& job, const Json& old, FieldErrors& errors);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_KINDS_JOB_SPEC_H_
