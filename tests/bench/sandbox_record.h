#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/bench/bench.h"

// The sandbox's own record of what it accepted, as it writes it to its file.
namespace flowstack::bench {

// Where the record ends now, to read on from here later.
std::int64_t record_end(const Context& context);

// Whole lines from that place on, of one number and one of these kinds; returns the place after the
// last.
std::int64_t read_record(
    const Context& context, std::int64_t from, const std::string& number,
    const std::function<void(const std::string& kind, const boost::json::object& line)>& each);

}  // namespace flowstack::bench
