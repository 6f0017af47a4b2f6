#pragma once

#include <string>

#include "common/eventlog/types.h"

// EventMeta (the part of an envelope that has no column of its own) as bytes, and back.
namespace flowstack::eventlog {

std::string meta_bytes(const Meta& meta, bool is_private, const std::string& build_id);

// Fills event.meta and event.is_private from event.meta_bytes. Throws std::invalid_argument.
void read_meta(Recorded& event);

}  // namespace flowstack::eventlog
