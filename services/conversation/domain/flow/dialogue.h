#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/id.h"
#include "common/core/time.h"
#include "services/conversation/domain/flow/templates.h"

// The dialogue of a conversation: what every flow needs, whatever the trade. Its facts, its state,
// and the table of transitions that is the only authority on them.
namespace flowstack::conversation {

enum class Lifecycle {
    new_lead,
    engaged,
    awaiting_customer,
    waiting_for_payment,
    paid,
    dormant,
    escalated,
    closed,
};
std::string_view text_of(Lifecycle state);  // "NEW_LEAD"
std::optional<Lifecycle> parse_lifecycle(std::string_view text);

// The table of the domain's page. Anything that is not in it is refused.
bool may_advance(Lifecycle from, Lifecycle to);

// What came from the customer. A tap is a button or a row of a list; an edit changes an earlier
// message; system is news of the provider itself; unsupported is a type that this build does not
// know.
enum class SpokenKind {
    text,
    tap,
    edit,
    media,
    location,
    contacts,
    order,
    form,
    reaction,
    revoke,
    system,
    unsupported,
    welcome_request,  // opened the chat for the first time, and wrote nothing yet
    call,
};
std::string_view text_of(SpokenKind kind);
// What became of it (pipeline.h).
enum class SpokenOutcome {
    answered,
    throttled,
    with_person,
    tenant_inactive,
    consent,
    ignored,
    no_flow,
};
std::string_view text_of(SpokenOutcome outcome);
enum class ReplyKind { reply, follow_up, agent };
std::string_view text_of(ReplyKind kind);
enum class ReplyPurpose { service, utility };

// --- Facts

struct Opened {
    ConversationId conversation_id;
    CustomerId customer_id;
    ChannelId channel_id;
    std::string flow_key;
    std::int64_t flow_version = 0;
    std::string language;
    ConversationId previous_conversation_id;
    bool operator==(const Opened&) const = default;
};
struct Spoke {
    std::string inbound_id;
    ChannelId channel_id;  // where it was written
    SpokenKind kind = SpokenKind::text;
    std::string tap_id;
    SpokenOutcome outcome = SpokenOutcome::answered;
    Time sent_at{};
    Time bucket_full_at{};
    std::string text;
    bool operator==(const Spoke&) const = default;
};
struct Advanced {
    Lifecycle from = Lifecycle::new_lead;
    Lifecycle to = Lifecycle::new_lead;
    std::string reason;
    bool operator==(const Advanced&) const = default;
};
struct NodeEntered {
    std::string node;
    int retries = 0;
    bool operator==(const NodeEntered&) const = default;
};
// The customer sent something that is no answer at this node and was told so; not again here.
struct HintGiven {
    std::string node;
    bool operator==(const HintGiven&) const = default;
};
struct VariableCaptured {
    std::string name;
    std::string value;
    bool operator==(const VariableCaptured&) const = default;
};
struct ReplyRequested {
    MessageId message_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ChannelId channel_id;
    std::string idempotency_key;
    std::string template_key;
    std::int64_t template_version = 0;
    ReplyKind kind = ReplyKind::reply;
    ReplyPurpose purpose = ReplyPurpose::service;
    Time window_evidence{};
    bool expects_answer = false;
    std::vector<Tap> taps;
    Time nothing_inbound_since{};
    TaskId task_id;
    std::string agent;
    Content content;
    std::string to;
    bool operator==(const ReplyRequested&) const = default;
};
struct Escalated {
    std::string reason;
    bool operator==(const Escalated&) const = default;
};
// A person gives the dialogue back to the flow, which may say something to it (reactor.h).
struct HandedBack {
    ConversationId conversation_id;
    CustomerId customer_id;
    std::string reason;
    bool operator==(const HandedBack&) const = default;
};
struct FollowUpRequested {
    TaskId task_id;
    ConversationId conversation_id;
    CustomerId customer_id;
    ChannelId channel_id;
    std::string kind;
    Time due_at{};
    std::string language;
    std::string text;
    bool operator==(const FollowUpRequested&) const = default;
};
using DialogueFact = std::variant<Opened, Spoke, Advanced, NodeEntered, HintGiven, VariableCaptured,
                                  ReplyRequested, Escalated, HandedBack, FollowUpRequested>;

// --- State

// Variables that the dialogue itself reads: answers of the customer, or words for texts. What a
// rule believes is no variable, so that no flow can write it.
namespace variable {
inline const std::string kLanguage = "language";
inline const std::string kAddress = "address";
inline const std::string kCustomerName = "customer_name";
inline const std::string kLabel = "state";  // the flow's own label
}  // namespace variable

struct SentChoices {
    MessageId message_id;
    std::string template_key;
    std::string node;  // at which they were sent
    std::vector<Tap> taps;
    bool operator==(const SentChoices&) const = default;
};
inline constexpr std::size_t kSentChoicesMax = 20;

struct Dialogue {
    ConversationId id;  // empty: there is none
    CustomerId customer_id;
    ChannelId channel_id;
    std::string flow_key;
    std::int64_t flow_version = 0;
    std::string language;
    ConversationId previous_conversation_id;
    Lifecycle state = Lifecycle::new_lead;
    std::string state_reason;
    std::string node;
    int retries = 0;
    std::string hinted_node;  // empty: no hint was given at the node
    // The last message that was an answer, and the node that it answered: what an edit may change.
    std::string last_words_id;
    std::string last_words_node;
    std::map<std::string, std::string> variables;
    std::deque<SentChoices> choices;  // the last messages that can be tapped, oldest first
    Time bucket_full_at{};
    bool throttled = false;  // the last message was over the limit, and the customer was told
    Time last_inbound_at{};
    std::string last_inbound_id;

    bool exists() const { return !id.empty(); }
    bool is_open() const { return exists() && state != Lifecycle::closed; }
    std::string value(const std::string& name) const {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string{} : found->second;
    }
    bool operator==(const Dialogue&) const = default;
};

// Each moves the state along, and throws CorruptStream if no rule could have produced the fact
// here.
void apply(Dialogue& dialogue, const Opened& fact);
void apply(Dialogue& dialogue, const Spoke& fact);
void apply(Dialogue& dialogue, const Advanced& fact);
void apply(Dialogue& dialogue, const NodeEntered& fact);
void apply(Dialogue& dialogue, const HintGiven& fact);
void apply(Dialogue& dialogue, const VariableCaptured& fact);
void apply(Dialogue& dialogue, const ReplyRequested& fact);
void apply(Dialogue& dialogue, const Escalated& fact);
void apply(Dialogue& dialogue, const HandedBack& fact);
void apply(Dialogue& dialogue, const FollowUpRequested& fact);

// After CLOSED only facts that arrive late (a receipt, the end of a reservation, what payment says)
// may be recorded. Any other event means that a rule is wrong: CorruptStream.
void must_be_open(const Dialogue& dialogue);

}  // namespace flowstack::conversation
