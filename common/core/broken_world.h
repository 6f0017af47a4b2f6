#pragma once

#include <stdexcept>

// What no rule can answer. Libraries throw these or types derived from them, and the doors
// (common/rpc/error.h, the gateway's REST) know how each is told to a caller.
namespace flowstack {

// A store or a neighbour cannot be reached now. Nothing was decided: try again later.
struct Unavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Others kept writing first, more often than we were ready to decide again. Try again.
struct Contention : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace flowstack
