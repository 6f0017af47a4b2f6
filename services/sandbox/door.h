#pragma once

#include "common/http/server.h"
#include "services/sandbox/sandbox.h"

namespace flowstack::sandbox {

// The handler of the sandbox's one port. It serves the phone page's files, /health, and everything
// that Sandbox answers.
http::Handler door(Sandbox& sandbox);

}  // namespace flowstack::sandbox
