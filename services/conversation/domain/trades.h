#pragma once

#include <vector>

#include "services/conversation/domain/flow/check.h"

// The trades of this build. A new one adds its words here and its part in step.cc
// (docs/adr/0012-trades.md).
namespace flowstack::conversation {

const Vocabulary& vocabulary();

inline std::vector<Problem> check(const Flow& flow, const FlowWorld& world) {
    return check(flow, world, vocabulary());
}

}  // namespace flowstack::conversation
