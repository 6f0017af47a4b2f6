#pragma once

#include <functional>
#include <string>
#include <vector>

#include "services/conversation/domain/flow/document.h"
#include "services/conversation/domain/flow/verbs.h"
#include "services/conversation/domain/problem.h"

// Judges a flow before it is published.
namespace flowstack::conversation {

// What a flow relies on that is not in its document.
struct FlowWorld {
    std::function<bool(const std::string& key)> known_template;  // the tenant's own
    std::function<bool(const std::string& pattern)> good_regex;
};

// Everything that would make a dialogue stick: unknown verbs, nodes and templates, dead ends, nodes
// that nothing leads to, loops without input, languages without words; and variables that the flow
// would write although they are filled from facts (verbs.h). Empty: it can be published.
std::vector<Problem> check(const Flow& flow, const FlowWorld& world, const Vocabulary& vocabulary);

}  // namespace flowstack::conversation
