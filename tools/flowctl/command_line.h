#pragma once

#include <string>
#include <vector>

namespace flowstack::flowctl {

// Runs one command line, without the program's name, and returns its exit code (context.h). Data
// goes to stdout, words to stderr.
int run_command_line(std::vector<std::string> arguments);

}  // namespace flowstack::flowctl
