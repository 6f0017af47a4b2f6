#pragma once

#include <stdexcept>

// Failures that no rule can answer. Libraries throw these types or types derived from them, and the
// doors (common/rpc/error.h, gateway's REST) know how each is told to a caller.
namespace flowstack {

// A store or a neighbour cannot be reached now. Nothing was decided: try again later.
struct Unavailable : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Other writers came first, more often than we decide again. The caller may try again.
struct Contention : std::runtime_error {
    using std::runtime_error::runtime_error;
};

}  // namespace flowstack
