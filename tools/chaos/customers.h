#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tools/chaos/shared.h"
#include "tools/stack/environment.h"

// Customers who keep shopping while the stack is attacked, and shops that broadcast to them.
namespace flowstack::chaos {

struct CustomerOptions {
    std::string run_dir;
    std::uint64_t seed = 0;
    int customers = 6;     // at the same time
    int journeys_max = 0;  // 0 = until told to stop
    // How long a customer waits for one answer: longer than a breaker stays open for the errors
    // that one round gives a channel, since each probe meets one of them.
    std::int64_t patience_ms = 240'000;
    int customers_per_shop = 40;  // then a new shop opens
    std::string unknown_text_policy = "hold";
    // Not 0: the only journey is a chat of so many messages, each of them delivered twice, and all
    // of them have to be answered.
    int chat_messages = 0;
};

// How many journeys of a kind were begun, reached their end, or stopped short.
struct Tally {
    std::int64_t begun = 0, ended = 0, short_of_end = 0;
};

class Customers {
public:
    Customers(const stack::Environment& environment, Shared& shared, CustomerOptions options);
    ~Customers();

    // Opens the first shop; throws when that cannot be done.
    void open();
    void start();
    // All journeys that were wanted have ended.
    bool done() const;
    // No new journeys; waits until those under way have ended.
    void finish();

    std::map<std::string, Tally> tallies() const;
    // Every journey, as JSON lines for the checker.
    std::string chats_file() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::chaos
