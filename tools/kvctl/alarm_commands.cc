#include "tools/kvctl/command.h"

namespace keelson::kvctl {
namespace {

class AlarmListCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "alarm list",
            .summary = "Lists all alarms",
            .usage = "",
            .description = "NOSPACE: a member's quota is used up, writes are refused. CORRUPT: members\n"
                           "disagree about the data.",
            .examples = "kvctl alarm list"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("alarm list command accepts no arguments");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    const auto response = session.client().maintenance().AlarmList("", session.call_options());
    if (!response.ok()) return session.CallFailed(response.status());
    return session.printer().Alarm(*response);
  }
};

class AlarmDisarmCommand final : public Command {
 public:
  CommandHelp help() const override {
    return {.name = "alarm disarm",
            .summary = "Disarms all alarms",
            .usage = "",
            .description = "Do away with the cause first: make space, or replace the corrupt member.",
            .examples = "kvctl alarm disarm"};
  }

  Exit Run(Session& session, Flags& flags, const Arguments& arguments) override {
    if (!arguments.all().empty()) return BadArguments("alarm disarm command accepts no arguments");
    KVCTL_RETURN_IF_FAILED(session.Open(flags));
    client::Maintenance& maintenance = session.client().maintenance();
    const auto alarms = maintenance.AlarmList("", session.call_options());
    if (!alarms.ok()) return session.CallFailed(alarms.status());
    etcdserverpb::AlarmResponse disarmed;
    for (const etcdserverpb::AlarmMember& alarm : alarms->alarms()) {
      const auto response = maintenance.AlarmDisarm(alarm, session.call_options());
      if (!response.ok()) return session.CallFailed(response.status());
      disarmed.mutable_alarms()->MergeFrom(response->alarms());
    }
    return session.printer().Alarm(disarmed);
  }
};

}  // namespace

void AddAlarmCommands(Commands& commands) {
  commands.push_back(std::make_unique<AlarmDisarmCommand>());
  commands.push_back(std::make_unique<AlarmListCommand>());
}

}  // namespace keelson::kvctl
