#pragma once

#include "common/eventlog/types.h"

namespace flowstack::conversation {

// Kind of the settings changes that tell every replica that a tenant's content changed. The key is
// "<category>/<stream key>".
inline constexpr const char* kContentChange = "content";

// Side rows of an event: content changes become settings changes, nothing else is derived here.
void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out);

}  // namespace flowstack::conversation
