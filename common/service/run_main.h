#pragma once

#include <cstdio>
#include <exception>
#include <string_view>

namespace flowstack::service {

// Runs a service's wiring and makes its exit code. What the wiring throws (a database that is not
// there, a port that is taken) is told on standard error in one line and ends in exit code 1,
// instead of std::terminate with a core file.
template <class Wiring>
int run_main(std::string_view service, const Wiring& wiring) {
    try {
        return wiring();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "flowstack-%.*s: %s\n", static_cast<int>(service.size()),
                     service.data(), error.what());
        return 1;
    }
}

}  // namespace flowstack::service
