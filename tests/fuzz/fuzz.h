#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

// What a parser of outside bytes is given, and what must hold whatever they are. A target takes any
// bytes, in any order, again and again in one process: it keeps no state and writes nothing.
//
// The same targets are linked into `fuzz_test`, which replays the committed inputs with the
// everyday build, and into `fuzz` (preset fuzz), which libFuzzer drives.
namespace flowstack::fuzz {

struct Target {
    std::string_view name;  // its folder under tests/fuzz/corpus
    void (*run)(std::string_view bytes);
};

// All targets, in the order of linking.
std::vector<Target>& targets();

// A promise was broken. Not a std::exception, so that no target takes it for a refusal.
struct Broken {
    std::string what;
};

struct Registration {
    Registration(std::string_view name, void (*run)(std::string_view)) {
        targets().push_back({name, run});
    }
};

// Takes bytes from the front of an input.
class Input {
public:
    explicit Input(std::string_view bytes) : rest_(bytes) {}
    // 0 when nothing is left.
    unsigned byte() {
        if (rest_.empty()) return 0;
        const auto value = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }
    unsigned two_bytes() {
        const auto high = byte();
        return high << 8 | byte();
    }
    std::string_view take(std::size_t count) {
        const auto taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }
    std::string_view rest() { return take(rest_.size()); }
    bool empty() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

}  // namespace flowstack::fuzz

#define FLOWSTACK_FUZZ_TARGET(name)                                                     \
    static void fuzz_##name(std::string_view bytes);                                    \
    static const ::flowstack::fuzz::Registration registered_##name{#name, fuzz_##name}; \
    static void fuzz_##name(std::string_view bytes)

#define FLOWSTACK_EXPECT(condition)                                                        \
    do {                                                                                   \
        if (!(condition))                                                                  \
            throw ::flowstack::fuzz::Broken{std::string(__FILE__) + ":" +                  \
                                            std::to_string(__LINE__) + ": " + #condition}; \
    } while (false)
