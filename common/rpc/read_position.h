#pragma once

#include <string>

namespace flowstack::rpc {

// Metadata of an answer: up to which events of the logs the list is complete,
// "gateway=0:120,1:33;payment=2:7": of each source its lanes with their positions; a lane that is
// left out has nothing yet. REST makes X-Read-Position of it.
inline constexpr const char* kReadPositionHeader = "x-flowstack-read-position";

// Adds it to the unary call that this thread answers; the first one of a call counts, since it is
// the earliest. Does nothing on a thread that answers no call.
void answer_read_position(const std::string& position);

}  // namespace flowstack::rpc
