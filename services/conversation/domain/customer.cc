#include "services/conversation/domain/customer.h"

#include <utility>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {

Customer evolve(Customer customer, const CustomerEvent& event) {
    if (!customer.exists() && !std::holds_alternative<CustomerSeen>(event))
        throw CorruptStream("customer: a fact before the customer was seen");
    std::visit(Overloaded{
                   [&](const CustomerSeen& e) {
                       if (customer.exists()) throw CorruptStream("customer: first seen twice");
                       customer.id = e.customer_id;
                       customer.language = e.language;
                       customer.name = e.name;
                       customer.phone = e.phone;
                       customer.conversation_id = e.conversation_id;
                   },
                   [&](const CustomerChanged& e) {
                       if (e.language) {
                           customer.language = *e.language;
                           customer.language_chosen = true;
                       }
                       if (e.name) customer.name = *e.name;
                       if (e.phone) customer.phone = *e.phone;
                       if (e.address) customer.address = *e.address;
                       if (e.conversation_id) customer.conversation_id = *e.conversation_id;
                   },
                   [&](const CustomerTagged& e) {
                       for (const auto& tag : e.removed) customer.tags.erase(tag);
                       for (const auto& tag : e.added) customer.tags.insert(tag);
                   },
               },
               event);
    return customer;
}

namespace {

template <class Value>
void overlay(std::optional<Value>& value, std::optional<Value> newer) {
    if (newer) value = std::move(newer);
}

// Whether the fact could take the change in.
bool joined(CustomerSeen& seen, const CustomerChanged& change) {
    // A language that a change names was chosen by the customer, and the first sight has no
    // address.
    if (change.language || change.address) return false;
    if (change.name) seen.name = *change.name;
    if (change.phone) seen.phone = *change.phone;
    if (change.conversation_id) seen.conversation_id = *change.conversation_id;
    return true;
}
bool joined(CustomerChanged& before, const CustomerChanged& change) {
    overlay(before.language, change.language);
    overlay(before.name, change.name);
    overlay(before.phone, change.phone);
    overlay(before.address, change.address);
    overlay(before.conversation_id, change.conversation_id);
    return true;
}
bool joined(CustomerTagged&, const CustomerChanged&) { return false; }

}  // namespace

void add_joined(std::vector<CustomerEvent>& facts, CustomerEvent fact) {
    const auto* change = std::get_if<CustomerChanged>(&fact);
    if (change && !facts.empty() &&
        std::visit([&](auto& before) { return joined(before, *change); }, facts.back()))
        return;
    facts.push_back(std::move(fact));
}

CustomerChanged conversation_began(const CustomerId& customer_id,
                                   const ConversationId& conversation_id) {
    CustomerChanged changed;
    changed.customer_id = customer_id;
    changed.conversation_id = conversation_id;
    return changed;
}

std::vector<Problem> check(const Customer& customer, const TagCustomer& command) {
    std::vector<Problem> problems;
    auto tags = customer.tags;
    for (std::size_t i = 0; i < command.add.size(); ++i) {
        if (is_blank(command.add[i]) || text::code_points(command.add[i]) > kTagLengthMax)
            problems.push_back({"add[" + std::to_string(i) + "]", "must have 1 to 40 characters"});
        tags.insert(command.add[i]);
    }
    if (tags.size() > kTagsMax) problems.push_back({"add", "a customer has at most 50 tags"});
    return problems;
}

std::vector<CustomerEvent> decide(const Customer& customer, const TagCustomer& command) {
    CustomerTagged event{.customer_id = customer.id, .added = {}, .removed = {}};
    const std::set<std::string> add(command.add.begin(), command.add.end());
    const std::set<std::string> remove(command.remove.begin(), command.remove.end());
    for (const auto& tag : add)
        if (!customer.tags.contains(tag) && !remove.contains(tag)) event.added.push_back(tag);
    for (const auto& tag : remove)
        if (customer.tags.contains(tag)) event.removed.push_back(tag);
    if (event.added.empty() && event.removed.empty()) return {};
    return {event};
}

}  // namespace flowstack::conversation
