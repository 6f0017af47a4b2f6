#pragma once

#include <boost/json.hpp>
#include <string>

namespace flowstack::docs {

// JSON for people and diffs: two blanks a level, members in their order, short lists on one line.
std::string pretty_json(const boost::json::value& value);

}  // namespace flowstack::docs
