#include "services/conversation/adapters/alarms.h"

namespace flowstack::conversation {

Alarms::Alarms(metrics::Registry& registry)
    : unanswered_(
          registry.counter("flowstack_conversation_unanswered_messages_total",
                           "messages that no flow answered, because the tenant's pack is missing")),
      given_up_(registry.counter(
          "flowstack_conversation_given_up_total",
          "conversations given to a person, because a flow or this service failed")),
      unsaid_(registry.counter("flowstack_conversation_unsaid_follow_ups_total",
                               "follow-ups that were due and for whose kind there are no words")) {}

void Alarms::handled(const std::string& tenant, const std::string& missing_pack) {
    if (!missing_pack.empty()) unanswered_.add();
    const std::lock_guard lock(mutex_);
    if (missing_pack.empty())
        mute_.erase(tenant);
    else
        mute_[tenant] = missing_pack;
}

void Alarms::gave_up() { given_up_.add(); }

void Alarms::unsaid() { unsaid_.add(); }

observability::Check Alarms::check() const {
    const std::lock_guard lock(mutex_);
    if (mute_.empty()) return {};
    std::string detail = "customers get no answer, set another pack or publish the flow:";
    for (const auto& [tenant, pack] : mute_)
        detail += " tenant " + tenant + " has no flow \"" + pack + "\";";
    detail.pop_back();
    return {observability::State::degraded, detail};
}

}  // namespace flowstack::conversation
