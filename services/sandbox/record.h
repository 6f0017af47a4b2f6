#pragma once

#include <cstdint>
#include <deque>
#include <fstream>
#include <mutex>
#include <string>

#include "services/sandbox/json.h"
#include "services/sandbox/values.h"

// What really happened, as seen from the providers' side: one JSON line for everything accepted,
// refused, paid and sent. Tests and people read it; the product never does.
//
// Every line has `n` (1, 2, 3 … without a gap), `at_us` and `kind`. See README.md for the kinds.
namespace flowstack::sandbox {

class Record {
public:
    static constexpr std::size_t kLinesInMemoryMax = 400'000;
    static constexpr std::size_t kPageMax = 10'000;

    // An empty path keeps the record in memory only. Throws std::runtime_error when the file
    // cannot be opened.
    explicit Record(const std::string& path);

    void write(Time now, std::string kind, json::object what);

    struct Filter {
        std::int64_t after = 0;
        std::size_t limit = kPageMax;
        std::string number, phone, kind, shortcode;
    };
    struct Page {
        std::string text;  // {"lines":[…],"last":n}
        std::size_t count = 0;
        std::int64_t last = 0;  // what to ask after next
    };
    // Older lines than those kept in memory are in the file only.
    Page page(const Filter& filter) const;
    std::int64_t last() const;

private:
    struct Line {
        std::int64_t n;
        std::string kind, number, phone, shortcode, text;
    };
    mutable std::mutex mutex_;
    std::ofstream file_;
    std::deque<Line> lines_;
    std::int64_t last_ = 0;
};

}  // namespace flowstack::sandbox
