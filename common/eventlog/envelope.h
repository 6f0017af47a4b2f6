#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/eventlog/types.h"

// EventMeta (the part of an envelope that has no column of its own) as bytes, and back.
namespace flowstack::eventlog {

std::string meta_bytes(const Meta& meta, bool is_private, const std::string& build_id);

// Fills event.meta and event.is_private from event.meta_bytes. Throws std::invalid_argument.
void read_meta(Recorded& event);

// The position in an envelope as to_bus() writes it, without decoding the rest. 0 when it is not
// where to_bus() has it: from_bus() may still find one.
std::int64_t position_of(std::string_view bus_bytes);

}  // namespace flowstack::eventlog
