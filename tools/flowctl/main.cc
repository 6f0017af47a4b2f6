#include "tools/flowctl/command_line.h"

// The command line of operators and auditors; the README beside this file describes it.
int main(int argc, char** argv) {
    return flowstack::flowctl::run_command_line({argv + 1, argv + argc});
}
