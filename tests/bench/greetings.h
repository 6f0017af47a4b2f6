#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/statistics.h"

// Customers who say "Hi" to a shop by way of the sandbox, and what the sandbox's record says came
// of it. The shop may be any system: the sandbox posts the webhooks to whatever address its number
// has, judges the answer as the provider would, and posts its statuses.
namespace flowstack::bench {

// A line of the record that tells of a greeting.
struct GreetingNews {
    enum class Kind { said, accepted, status };
    Kind kind = Kind::said;
    std::size_t customer = 0;  // the n of customer_phone(n)
    std::int64_t at_us = 0;    // on the sandbox's clock
};
// Nothing for a line of another number, another kind, or a status that the shop did not take (it
// comes again). The lines are the sandbox's own, so they are searched and not parsed: most of a
// record is bodies.
std::optional<GreetingNews> read_news(std::string_view line, std::string_view phone_number_id);

// What came of so many greetings.
struct Outcome {
    std::size_t said = 0;
    std::size_t answered = 0;
    std::size_t sends = 0;
    std::size_t unanswered = 0;
    std::size_t answered_twice = 0;
    std::size_t three_statuses = 0;  // customers whose answer has exactly three
    std::size_t refused = 0;         // webhooks that the shop did not take
    // From what the customer said to the acceptance of the answer, with what the load was late by.
    Latencies latencies;
    Latencies lag;
    double answered_per_s = 0;  // from the first "Hi" to the last acceptance

    // One answer and three statuses for everybody.
    bool exact() const {
        return said == answered && sends == said && three_statuses == said && refused == 0;
    }
    // The counts of both together; latencies and rate stay this one's.
    void count(const Outcome& more);
    std::string text() const;
};

// Keeps the books of one load. Pure.
class GreetingBooks {
public:
    // `first` is the number of the first customer.
    explicit GreetingBooks(std::size_t first) : first_(first) {}

    // Another customer says "Hi", so much later than the load wanted; returns who.
    std::size_t say(std::int64_t late_us);
    void take(const GreetingNews& news);

    std::size_t said() const { return customers_.size(); }
    std::size_t answered() const { return answered_; }
    std::size_t waiting() const { return said() - answered_; }
    bool all_done() const { return statuses_ >= 3 * said() && waiting() == 0; }
    Outcome outcome() const;

private:
    struct Customer {
        std::int64_t late_us = 0;
        std::int64_t said_us = 0;
        std::int64_t accepted_us = 0;
        std::size_t sends = 0;
        std::size_t statuses = 0;
    };
    std::size_t first_;
    std::vector<Customer> customers_;
    std::size_t answered_ = 0;
    std::size_t statuses_ = 0;
};

struct GreetingLoad {
    enum class Kind {
        pace,    // `amount` new customers a second, whatever comes back (an open loop)
        flight,  // always `amount` who wait for their answer
        single,  // one at a time: the next one comes when everything about the last is over
    };
    Kind kind = Kind::pace;
    int amount = 0;
    double seconds = 0;
};

struct GreetingShop {
    int sandbox_port = 0;
    std::string phone_number_id;
    std::string record;  // the sandbox's file
};

// Plays the load, waits for the last status (or until nothing has come for half a minute) and half
// a second more, since a second answer would come later than the first. Customers are numbered from
// `first`. One thread, epoll.
Outcome greet(const GreetingShop& shop, std::size_t first, const GreetingLoad& load);

}  // namespace flowstack::bench
