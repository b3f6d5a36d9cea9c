// The subcommands of keelson, each in the file of its name. A function below adds one to the
// program; when it is the one that was asked for, it runs and puts the exit status of the program
// into *exit_status: 0, or 1 after a line on stderr that says why. Bad flags are CLI11's.
#ifndef KEELSON_TOOLS_KEELSON_COMMANDS_H_
#define KEELSON_TOOLS_KEELSON_COMMANDS_H_

namespace CLI {
class App;
}

namespace keelson::program {

// A cluster on this machine.
void AddUpCommand(CLI::App& program, int* exit_status);
void AddStatusCommand(CLI::App& program, int* exit_status);
void AddLogsCommand(CLI::App& program, int* exit_status);
void AddDownCommand(CLI::App& program, int* exit_status);
void AddDeleteCommand(CLI::App& program, int* exit_status);

// The daemons: they run until SIGTERM or SIGINT.
void AddApiserverCommand(CLI::App& program, int* exit_status);
void AddSchedulerCommand(CLI::App& program, int* exit_status);
void AddControllersCommand(CLI::App& program, int* exit_status);
void AddFrontCommand(CLI::App& program, int* exit_status);
void AddNodeCommand(CLI::App& program, int* exit_status);

}  // namespace keelson::program

#endif  // KEELSON_TOOLS_KEELSON_COMMANDS_H_
