#include <cstdio>
#include <exception>
#include <iostream>

#include "tools/isolation/check.h"

// flowstack-isolation: asks the stack that the environment names (./flowstack isolation). Exit 0
// only if every line has a ✓.
int main() try {
    return flowstack::isolation::run(flowstack::stack::Environment(), std::cout) ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "isolation: %s\n", error.what());
    return 1;
}
