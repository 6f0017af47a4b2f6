#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/statistics.h"

// Signed webhooks of one kilobyte, as WhatsApp sends them, and a client that posts them.
namespace flowstack::bench {

// Whole HTTP requests, made and signed beforehand so that signing is not measured. Each holds one
// text message with an id of its own.
class SignedWebhooks {
public:
    // `series` keeps the ids of different runs apart; message n comes from customer n % customers.
    SignedWebhooks(const std::string& app_secret, const std::string& phone_number_id,
                   std::int64_t series, std::size_t count, std::size_t customers);

    std::size_t size() const { return ends_.size(); }
    std::string_view operator[](std::size_t n) const {
        const auto begin = n == 0 ? 0 : ends_[n - 1];
        return std::string_view(bytes_).substr(begin, ends_[n] - begin);
    }

private:
    std::string bytes_;
    std::vector<std::size_t> ends_;
};

// A connection to a program on this machine; throws when nobody listens there.
int connect_to(int port);
// The status of a whole HTTP answer at the front of `text`, which it takes away; 0 while it is not
// whole. Its body goes to `body`, if wanted.
int take_answer(std::string& text, std::string* body = nullptr);

// "+2547…" of customer n, as in the webhooks.
std::string customer_phone(std::size_t n);

struct LoadResult {
    std::int64_t acknowledged = 0;  // 200
    std::int64_t refused = 0;       // any other answer, and broken connections
    double seconds = 0;
    Latencies latencies;
};

// Posts webhooks from `from` on, each connection its next one as soon as the answer is there, until
// the time is over or none is left. One thread, epoll.
LoadResult post_all(int port, int connections, const SignedWebhooks& webhooks, std::size_t from,
                    double seconds);

}  // namespace flowstack::bench
