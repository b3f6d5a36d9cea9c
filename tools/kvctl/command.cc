#include "tools/kvctl/command.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tools/kvctl/completion.h"

namespace keelson::kvctl {
namespace {

constexpr char kAbout[] = "kvctl - A command line for Keelson and every other etcd v3 store.\n";

std::string FirstWord(const std::string& name) { return name.substr(0, name.find(' ')); }

std::string Indented(const std::string& text) {
  return absl::StrCat("\t", absl::StrJoin(absl::StrSplit(text, '\n'), "\n\t"), "\n");
}

std::string GlobalHelp() {
  GlobalFlags globals;
  Flags flags;
  globals.AddTo(flags);
  return flags.Help();
}

// The commands whose name begins with `prefix`, a line each.
std::string CommandList(const Commands& commands, const std::string& prefix) {
  size_t width = 0;
  for (const auto& command : commands) width = std::max(width, command->help().name.size());
  std::string text;
  for (const auto& command : commands) {
    const CommandHelp help = command->help();
    if (!absl::StartsWith(help.name, prefix)) continue;
    const std::string name = help.name.substr(prefix.size());
    absl::StrAppend(&text, "\t", name, std::string(width + 4 - help.name.size(), ' '), help.summary,
                    "\n");
  }
  return text;
}

std::string ProgramHelp(const Commands& commands) {
  return absl::StrCat(
      "NAME:\n\t", kAbout, "\nUSAGE:\n\tkvctl <command> [options] [arguments]\n\nCOMMANDS:\n",
      CommandList(commands, ""),
      "\nEXAMPLES:\n"
      "\tkvctl put greeting hello               write a key\n"
      "\tkvctl get --prefix gree                read every key that begins so\n"
      "\tkvctl watch --prefix \"\"                see every change as it happens\n"
      "\tkvctl endpoint status --cluster -w table   how the members are\n"
      "\tkvctl help txn                         more about one command\n"
      "\nOPTIONS:\n",
      GlobalHelp(),
      "\nEvery option can be given as a variable, KVCTL_ENDPOINTS for --endpoints; etcdctl's\n"
      "variables, ETCDCTL_ENDPOINTS, are read too.\n");
}

std::string GroupHelp(const Commands& commands, const std::string& group) {
  return absl::StrCat("NAME:\n\t", group, " - ", group, " commands\n\nUSAGE:\n\tkvctl ", group,
                      " <subcommand> [options]\n\nCOMMANDS:\n", CommandList(commands, group + " "),
                      "\nGLOBAL OPTIONS:\n", GlobalHelp());
}

std::string HelpOf(const Command& command, const Flags& own) {
  const CommandHelp help = command.help();
  std::string text = absl::StrCat("NAME:\n\t", help.name, " - ", help.summary,
                                  "\n\nUSAGE:\n\tkvctl ", help.name, " ", help.usage, "\n");
  if (!help.description.empty()) {
    absl::StrAppend(&text, "\nDESCRIPTION:\n", Indented(help.description));
  }
  if (!help.examples.empty()) absl::StrAppend(&text, "\nEXAMPLES:\n", Indented(help.examples));
  absl::StrAppend(&text, "\nOPTIONS:\n", own.Help(), "\nGLOBAL OPTIONS:\n", GlobalHelp());
  return text;
}

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

// `word` if it is among `choices`, or the only one it begins; "" otherwise.
std::string Complete(const std::string& word, const std::set<std::string>& choices) {
  if (choices.count(word) > 0) return word;
  std::string only;
  for (const std::string& choice : choices) {
    if (!absl::StartsWith(choice, word)) continue;
    if (!only.empty()) return "";
    only = choice;
  }
  return only;
}

Exit UnknownCommand(const std::string& word, const std::string& parent,
                    const std::set<std::string>& choices) {
  std::string near;
  size_t least = 3;
  for (const std::string& choice : choices) {
    const size_t distance = EditDistance(word, choice);
    if (distance < least) {
      least = distance;
      near = choice;
    }
  }
  const std::string hint = near.empty() ? "" : absl::StrCat("; did you mean \"", near, "\"?");
  return Failed(absl::StrCat("unknown command \"", word, "\" for \"", parent, "\"", hint, " (run '",
                             parent, " --help' for usage)"));
}

}  // namespace

Choice ChooseCommand(const Commands& commands, std::vector<std::string>& arguments) {
  GlobalFlags globals;
  Flags flags;
  globals.AddTo(flags);
  std::set<std::string> words = {"help"};
  for (const auto& command : commands) words.insert(FirstWord(command->help().name));

  const auto take = [&]() -> std::optional<std::string> {
    const std::optional<size_t> at = flags.FirstArgument(arguments);
    if (!at.has_value()) return std::nullopt;
    std::string word = arguments[*at];
    arguments.erase(arguments.begin() + static_cast<ptrdiff_t>(*at));
    return word;
  };
  const auto find = [&](const std::string& name) -> Command* {
    for (const auto& command : commands) {
      if (command->help().name == name) return command.get();
    }
    return nullptr;
  };

  Choice choice;
  const std::optional<std::string> word = take();
  if (!word.has_value()) return choice;
  const std::string first = Complete(*word, words);
  if (first.empty()) {
    choice.exit = UnknownCommand(*word, "kvctl", words);
    return choice;
  }
  if (first == "help") {
    arguments.push_back("--help");
    return ChooseCommand(commands, arguments);
  }
  choice.command = find(first);
  if (choice.command != nullptr) return choice;
  std::set<std::string> subwords;
  for (const auto& command : commands) {
    const std::string name = command->help().name;
    if (absl::StartsWith(name, first + " ")) subwords.insert(name.substr(first.size() + 1));
  }
  choice.group = first;
  const std::optional<std::string> subword = take();
  if (!subword.has_value()) return choice;
  const std::string second = Complete(*subword, subwords);
  if (second.empty()) {
    choice.exit = UnknownCommand(*subword, absl::StrCat("kvctl ", first), subwords);
  } else {
    choice.command = find(absl::StrCat(first, " ", second));
  }
  return choice;
}

namespace {

Exit Run(const Commands& commands, std::vector<std::string> arguments, Session& session) {
  if (!arguments.empty() && arguments[0] == kCompleteWord) {
    session.out() << Candidates(commands, {arguments.begin() + 1, arguments.end()});
    return Ok();
  }
  const Choice choice = ChooseCommand(commands, arguments);
  KVCTL_RETURN_IF_FAILED(choice.exit);

  Flags own;
  if (choice.command != nullptr) choice.command->AddFlags(own);
  Flags flags = own;
  bool help = false;
  flags.Bool("help", 'h', &help, "help for the command");
  session.globals().AddTo(flags);
  Arguments parsed;
  if (const absl::Status status = flags.Parse(arguments, &parsed); !status.ok()) {
    return Failed(status);
  }
  if (choice.command == nullptr) {
    session.out() << (choice.group.empty() ? ProgramHelp(commands)
                                           : GroupHelp(commands, choice.group));
    return Ok();
  }
  if (help) {
    session.out() << HelpOf(*choice.command, own);
    return Ok();
  }
  return choice.command->Run(session, flags, parsed);
}

}  // namespace

Commands AllCommands() {
  Commands commands;
  AddAlarmCommands(commands);
  AddAuthCommands(commands);
  AddCheckCommands(commands);
  AddCompactionCommand(commands);
  AddCompletionCommands(commands);
  AddDelCommand(commands);
  AddDowngradeCommands(commands);
  AddElectCommand(commands);
  AddEndpointCommands(commands);
  AddGetCommand(commands);
  AddLeaseCommands(commands);
  AddLoadCommand(commands);
  AddLockCommand(commands);
  AddMakeMirrorCommand(commands);
  AddMemberCommands(commands);
  AddMoveLeaderCommand(commands);
  AddOfflineCommands(commands);
  AddPutCommand(commands);
  AddRoleCommands(commands);
  AddSnapshotCommands(commands);
  AddTxnCommand(commands);
  AddUserCommands(commands);
  AddVersionCommand(commands);
  AddWatchCommand(commands);
  return commands;
}

int RunKvctl(std::vector<std::string> arguments, Session& session) {
  const Commands commands = AllCommands();
  Exit exit = Run(commands, std::move(arguments), session);
  session.out().flush();
  if (exit.ok() && !session.out()) exit = {ExitCode::kIo, "cannot write to the standard output"};
  if (!exit.error.empty()) session.err() << "Error: " << exit.error << "\n";
  session.err().flush();
  return static_cast<int>(exit.code);
}

}  // namespace keelson::kvctl
