#include "services/gateway/dispatch/facts_reader.h"

#include "flowstack/gateway/v1/contact_service.pb.h"
#include "services/gateway/adapters/resources.h"

namespace flowstack::gateway {

void FactsReader::read(const std::vector<AttemptPtr>& attempts) {
    std::vector<eventlog::StreamName> messages, customers;
    for (const auto& attempt : attempts) {
        messages.push_back(message_stream(attempt->tenant, attempt->message_id));
        customers.push_back(contact_stream(attempt->tenant, attempt->customer_id));
    }
    const auto [folded, contacts] =
        eventlog::load_both(store_, streams_.folds(), messages, contacts_.folds(), customers);
    std::vector<InboundQuestion> questions;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
        attempts[i]->message = folded[i].state;
        attempts[i]->version = folded[i].version;
        attempts[i]->cause = cause_of(folded[i]);
        read_facts(*attempts[i], contacts[i], questions);
    }
    read_inbound(questions);
}

void FactsReader::read_facts(Attempt& attempt, const eventlog::Folded<Contact>& contact,
                             std::vector<InboundQuestion>& questions) {
    attempt.contact_version = contact.version;
    // The guard stays on the contact that the message was queued for. If that one was merged into
    // another, the survivor's consent counts.
    auto customer_id = attempt.customer_id;
    auto state = contact.state;
    if (std::holds_alternative<MergedContact>(state)) {
        auto found = contacts_.follow(attempt.tenant, customer_id);
        customer_id = found.customer_id;
        state = std::move(found.contact.state);
    }
    auto& message = attempt.message.message;
    const auto* open = std::get_if<OpenContact>(&state);
    if (open != nullptr && message.to.empty()) message.to = address_of(*open);
    attempt.facts = known_facts(attempt.tenant, attempt.channel->channel.channel_id, open);
    const auto& conditions = message.preconditions;
    const bool asks_for_inbound =
        conditions.nothing_inbound_since != Time{} ||
        (conditions.needs_open_window &&
         clock_.now() >= window_end(conditions.window_evidence, window_margin_));
    if (asks_for_inbound) questions.push_back({.attempt = &attempt, .customer_id = customer_id});
}

DispatchFacts FactsReader::known_facts(const std::string& tenant, const ChannelId& channel_id,
                                       const OpenContact* contact) const {
    DispatchFacts facts;
    if (contact != nullptr) {
        facts.marketing = contact->marketing;
        facts.utility = contact->utility;
    }
    const auto its_tenant = directory_.tenant(tenant);
    facts.tenant_suspended = its_tenant && its_tenant->tenant.status == TenantStatus::suspended;
    facts.tenant_closed = its_tenant && its_tenant->tenant.status == TenantStatus::closed;
    // As it is now: an attempt may have waited since its channel was looked up.
    const auto channel = directory_.channel(tenant, channel_id);
    facts.channel_paused = channel && channel->paused;
    facts.window_margin = window_margin_;
    return facts;
}

// When a customer wrote last, as the read model knows it, and whether it knows what was committed
// when it was first asked. Documents, cursors and heads are of one snapshot.
void FactsReader::read_inbound(const std::vector<InboundQuestion>& questions) {
    if (questions.empty()) return;
    std::vector<std::string> tenants, customers;
    std::vector<std::int32_t> lanes;
    for (const auto& [attempt, customer_id] : questions) {
        tenants.push_back(attempt->tenant);
        customers.push_back(customer_id);
        lanes.push_back(store_.lane_of(by_customer(customer_id), attempt->tenant));
    }
    const auto rows = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            R"sql(
            select l.position, coalesce(c.position, 0), coalesce(r.body, '')
            from unnest($1::text[], $2::text[], $3::int[])
                    with ordinality a(tenant, customer, lane, n)
                join lanes l on l.lane = a.lane
                left join cursors c on c.consumer = $4 and c.source = $4 and c.lane = a.lane
                left join read_model r on r.tenant = a.tenant and r.kind = 'contact'
                    and r.id = a.customer
            order by a.n)sql",
            postgres::Params()
                .add_array(std::span<const std::string>(tenants))
                .add_array(std::span<const std::string>(customers))
                .add_array(std::span<const std::int32_t>(lanes))
                .add(store_.options().service));
    });
    for (int row = 0; row < rows.rows(); ++row) {
        auto& attempt = *questions[static_cast<std::size_t>(row)].attempt;
        if (attempt.inbound_head == 0) {
            attempt.inbound_head = rows.int8(row, 0);
            attempt.inbound_asked = std::chrono::steady_clock::now();
        }
        v1::Contact resource;
        if (resource.ParseFromString(rows.text(row, 2))) {
            attempt.facts.last_inbound = time_of(resource.last_inbound_time());
            for (const auto& window : resource.windows())
                if (window.channel_id() == attempt.channel->channel.channel_id.text())
                    attempt.facts.last_inbound_channel = time_of(window.last_inbound_time());
        }
        // What comes in later only keeps a window open for longer.
        const bool open =
            clock_.now() < window_end(attempt.facts.last_inbound_channel, window_margin_);
        const bool asks_for_silence =
            attempt.message.message.preconditions.nothing_inbound_since != Time{};
        attempt.inbound_known =
            rows.int8(row, 1) >= attempt.inbound_head || (open && !asks_for_silence);
    }
}

}  // namespace flowstack::gateway
