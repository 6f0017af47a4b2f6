#pragma once

#include <iosfwd>

#include "tools/stack/environment.h"

// Does one tenant ever get anything of another? Asked of a running stack, through its real doors:
//
// Three tenants, with one customer who writes ten messages to each of them (the same phone, so that
// nothing but the tenant tells them apart). Then, for each: its log, leakage into the other logs,
// its sessions. Then the second tenant tries, with its own key and its own name, every RPC of every
// service and every REST route and alias, with the first tenant's ids.
//
// Last, every RPC that changes something is called in a name of its own, and the events of the call
// must name that caller.
//
// RPCs are read from the descriptors of proto/, routes are asked of the running doors (/routes at
// the admin port). A route that this check's own tables do not know is a failure: whoever adds one
// must say here how it is attacked.
namespace flowstack::isolation {

// Prints a line with ✓ or ✗ for everything that is checked; true when no ✗ was among them. Throws
// when the stack cannot be asked.
bool run(const stack::Environment& environment, std::ostream& out);

}  // namespace flowstack::isolation
