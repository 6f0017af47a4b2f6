#include "services/conversation/domain/flow/dialogue.h"

#include <algorithm>
#include <array>

#include "common/core/corrupt_stream.h"

namespace flowstack::conversation {
namespace {

constexpr std::array<std::string_view, 8> kNames{
    "NEW_LEAD", "ENGAGED", "AWAITING_CUSTOMER", "WAITING_FOR_PAYMENT",
    "PAID",     "DORMANT", "ESCALATED",         "CLOSED"};

constexpr std::array<std::string_view, 14> kKinds{
    "text", "tap",      "edit",   "media",  "location",    "contacts",        "order",
    "form", "reaction", "revoke", "system", "unsupported", "welcome_request", "call"};
constexpr std::array<std::string_view, 7> kOutcomes{
    "answered", "throttled", "with_person", "tenant_inactive", "consent", "ignored", "no_flow"};
constexpr std::array<std::string_view, 3> kReplies{"reply", "follow_up", "agent"};

}  // namespace

std::string_view text_of(SpokenKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

std::string_view text_of(SpokenOutcome outcome) {
    return kOutcomes[static_cast<std::size_t>(outcome)];
}

std::string_view text_of(ReplyKind kind) { return kReplies[static_cast<std::size_t>(kind)]; }

std::string_view text_of(Lifecycle state) { return kNames[static_cast<std::size_t>(state)]; }

std::optional<Lifecycle> parse_lifecycle(std::string_view text) {
    for (std::size_t i = 0; i < kNames.size(); ++i)
        if (kNames[i] == text) return static_cast<Lifecycle>(i);
    return {};
}

bool may_advance(Lifecycle from, Lifecycle to) {
    using enum Lifecycle;
    const auto is_one_of = [&](auto... allowed) { return ((to == allowed) || ...); };
    switch (from) {
        case new_lead:
            return is_one_of(engaged, escalated, closed);
        case engaged:
            return is_one_of(awaiting_customer, waiting_for_payment, escalated, closed);
        case awaiting_customer:
            return is_one_of(engaged, dormant, escalated, closed);
        case waiting_for_payment:
            return is_one_of(paid, engaged, escalated);
        case paid:
            return is_one_of(closed, engaged, escalated);
        case dormant:
            return is_one_of(engaged, escalated, closed);
        case escalated:
            return is_one_of(engaged, closed);
        case closed:
            return false;
    }
    return false;
}

void must_be_open(const Dialogue& dialogue) {
    if (dialogue.state == Lifecycle::closed)
        throw CorruptStream("conversation: a dialogue went on after it was closed");
}

void apply(Dialogue& dialogue, const Opened& fact) {
    if (dialogue.exists()) throw CorruptStream("conversation: opened twice");
    dialogue.id = fact.conversation_id;
    dialogue.customer_id = fact.customer_id;
    dialogue.channel_id = fact.channel_id;
    dialogue.flow_key = fact.flow_key;
    dialogue.flow_version = fact.flow_version;
    dialogue.language = fact.language;
    dialogue.previous_conversation_id = fact.previous_conversation_id;
}

void apply(Dialogue& dialogue, const Spoke& fact) {
    must_be_open(dialogue);
    dialogue.bucket_full_at = fact.bucket_full_at;
    dialogue.throttled = fact.outcome == SpokenOutcome::throttled;
    dialogue.last_inbound_at = std::max(dialogue.last_inbound_at, fact.sent_at);
    dialogue.last_inbound_id = fact.inbound_id;
    if (!fact.channel_id.empty()) dialogue.channel_id = fact.channel_id;
    if (fact.outcome != SpokenOutcome::answered ||
        (fact.kind != SpokenKind::text && fact.kind != SpokenKind::tap))
        return;
    dialogue.last_words_id = fact.inbound_id;
    dialogue.last_words_node = dialogue.node;
}

void apply(Dialogue& dialogue, const Advanced& fact) {
    if (fact.from != dialogue.state || !may_advance(fact.from, fact.to))
        throw CorruptStream("conversation: a transition that is not in the table");
    dialogue.state = fact.to;
    dialogue.state_reason = fact.reason;
}

void apply(Dialogue& dialogue, const NodeEntered& fact) {
    must_be_open(dialogue);
    if (dialogue.node != fact.node) dialogue.hinted_node.clear();
    dialogue.node = fact.node;
    dialogue.retries = fact.retries;
}

void apply(Dialogue& dialogue, const HintGiven& fact) {
    must_be_open(dialogue);
    dialogue.hinted_node = fact.node;
}

void apply(Dialogue& dialogue, const VariableCaptured& fact) {
    if (fact.name == variable::kLanguage) dialogue.language = fact.value;
    dialogue.variables[fact.name] = fact.value;
}

void apply(Dialogue& dialogue, const ReplyRequested& fact) {
    if (fact.taps.empty()) return;
    dialogue.choices.push_back({.message_id = fact.message_id,
                                .template_key = fact.template_key,
                                .node = dialogue.node,
                                .taps = fact.taps});
    if (dialogue.choices.size() > kSentChoicesMax) dialogue.choices.pop_front();
}

void apply(Dialogue&, const Escalated&) {}

void apply(Dialogue&, const HandedBack&) {}

void apply(Dialogue&, const FollowUpRequested&) {}

}  // namespace flowstack::conversation
