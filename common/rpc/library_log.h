#pragma once

namespace flowstack::rpc {

// What the gRPC library says about itself (a failed handshake, a broken connection) goes to our
// log, as a line of it with the level that gRPC gives it. For the whole process; the first call
// counts.
void log_what_the_library_says();

}  // namespace flowstack::rpc
