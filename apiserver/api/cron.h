// CronSchedule: when a CronJob is due. Five fields ("*/5 8-18 * * mon-fri"), or "@hourly",
// "@daily",
// "@weekly", "@monthly", "@yearly", or "@every 1h30m".
//
// Times are those of a time zone. A time of day that a change of clocks skips is skipped; one that
// it repeats is due twice. Where both the day of the month and the day of the week are restricted,
// either suffices. Immutable.
#ifndef KEELSON_APISERVER_API_CRON_H_
#define KEELSON_APISERVER_API_CRON_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace keelson::api {

class CronSchedule {
 public:
  // InvalidArgument, with the text kube-apiserver has. "TZ=Europe/Paris ..." overrides `zone`.
  static absl::StatusOr<CronSchedule> Parse(std::string_view text,
                                            absl::TimeZone zone = absl::UTCTimeZone());

  // The first time after `time` that is due. nullopt: none within five years ("0 0 30 2 *").
  std::optional<absl::Time> Next(absl::Time time) const;

 private:
  struct Field {
    uint64_t bits = 0;  // bit n: n matches
    bool any = false;   // it was written as "*"
  };
  CronSchedule() = default;
  static absl::StatusOr<CronSchedule> ParseDescriptor(std::string_view text);
  static absl::StatusOr<CronSchedule> ParseFields(std::string_view text);
  bool MatchesDay(absl::CivilDay day) const;

  absl::Duration every_ = absl::ZeroDuration();  // of "@every"; zero: the fields count
  Field minute_, hour_, day_of_month_, month_, day_of_week_;
  absl::TimeZone zone_;

  friend class CronFieldParser;
};

// The zone of that name. NotFound with kube-apiserver's text: "unknown time zone X".
absl::StatusOr<absl::TimeZone> FindTimeZone(std::string_view name);

}  // namespace keelson::api

#endif  // KEELSON_APISERVER_API_CRON_H_
