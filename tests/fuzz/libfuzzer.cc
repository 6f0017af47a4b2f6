// libFuzzer's end: one program for all targets, FUZZ=<target> chooses. FUZZ=list prints their
// names.
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "tests/fuzz/fuzz.h"

namespace {
const flowstack::fuzz::Target* chosen = nullptr;
}

extern "C" int LLVMFuzzerInitialize(int*, char***) {
    const char* wanted = std::getenv("FUZZ");
    const std::string name = wanted == nullptr ? "list" : wanted;
    for (const auto& target : flowstack::fuzz::targets())
        if (target.name == name) chosen = &target;
    if (chosen != nullptr) return 0;
    for (const auto& target : flowstack::fuzz::targets()) std::cout << target.name << "\n";
    if (name == "list") std::exit(0);
    std::cerr << "FUZZ names no target: " << name << "\n";
    std::exit(2);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    try {
        chosen->run({reinterpret_cast<const char*>(data), size});
    } catch (const flowstack::fuzz::Broken& broken) {
        std::cerr << broken.what << "\n";
        std::abort();
    }
    return 0;
}
