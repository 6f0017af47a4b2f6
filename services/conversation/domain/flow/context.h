#pragma once

#include <functional>
#include <map>
#include <string>

#include "common/core/time.h"
#include "services/conversation/domain/flow/document.h"
#include "services/conversation/domain/tenant.h"

namespace flowstack::conversation {

// What a step may know besides the state. Everything that it points to outlives the step.
struct FlowContext {
    Time now{};
    const TenantFacts* tenant = nullptr;
    const Flow* flow = nullptr;  // of the conversation's version, with the base under it
    // The tenant's own templates: they come before the flow's.
    const std::map<std::string, Template>* templates = nullptr;
    // RE2 lives in the adapters; a bad pattern matches nothing.
    std::function<bool(const std::string& pattern, const std::string& text)> matches;
    // The n-th id of this kind that this cause makes, the same however often it is handled.
    std::function<std::string(const std::string& kind, int n)> make_id;
    // What replies answer: the inbound message's id, or the causing event's.
    std::string cause_key;
};

}  // namespace flowstack::conversation
