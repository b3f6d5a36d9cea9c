// kvctl: the command line.
#include <iostream>
#include <string>
#include <vector>

#include "tools/kvctl/command.h"

extern char** environ;

int main(int argc, char** argv) {
  std::ios::sync_with_stdio(false);
  // Reading must not flush what another thread is just printing (watch -i): it would be written twice.
  std::cin.tie(nullptr);
  std::cerr.tie(nullptr);
  keelson::kvctl::Environment environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const size_t equals = text.find('=');
    if (equals != std::string::npos) {
      environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  keelson::kvctl::Session session(std::move(environment), std::cin, std::cout, std::cerr);
  return keelson::kvctl::RunKvctl(std::vector<std::string>(argv + 1, argv + argc), session);
}
