#include "services/conversation/domain/customer.h"

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
                   },
                   [&](const CustomerChanged& e) {
                       if (e.language) {
                           customer.language = *e.language;
                           customer.language_chosen = true;
                       }
                       if (e.name) customer.name = *e.name;
                       if (e.phone) customer.phone = *e.phone;
                       if (e.address) customer.address = *e.address;
                   },
                   [&](const CustomerTagged& e) {
                       for (const auto& tag : e.removed) customer.tags.erase(tag);
                       for (const auto& tag : e.added) customer.tags.insert(tag);
                   },
                   [&](const CustomerConversationStarted& e) {
                       customer.conversation_id = e.conversation_id;
                   },
               },
               event);
    return customer;
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
