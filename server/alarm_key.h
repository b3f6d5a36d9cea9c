// The key of an alarm in the store's table kAlarms.
//
//   alarm_key := member:be64 alarm:be32          since format 1; the record's value is empty
//   example      member=1 alarm=NOSPACE(1)  ->  00000000 00000001 00000001
#ifndef KEELSON_SERVER_ALARM_KEY_H_
#define KEELSON_SERVER_ALARM_KEY_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "base/coding.h"
#include "base/types.h"
#include "storage/store.h"

namespace keelson::server {

struct AlarmKey {
  NodeId member;
  uint32_t alarm = 0;  // etcdserverpb.AlarmType

  std::string Encode() const {
    std::string key;
    AppendBig64(key, member.value());
    AppendBig32(key, alarm);
    return key;
  }
};

// In order of member and alarm.
inline void ForEachAlarm(const storage::Store& store,
                         absl::FunctionRef<void(const AlarmKey&)> visit) {
  store.ForEachRecord(storage::Table::kAlarms, [&](std::string_view key, std::string_view) {
    uint64_t member;
    uint32_t alarm;
    if (TakeBig64(key, member) && TakeBig32(key, alarm)) visit(AlarmKey{NodeId(member), alarm});
  });
}

}  // namespace keelson::server

#endif  // KEELSON_SERVER_ALARM_KEY_H_
