#pragma once

#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/core/id.h"
#include "services/conversation/domain/problem.h"

// A customer as the business knows them. The id was minted by gateway.
namespace flowstack::conversation {

struct CustomerSeen {
    CustomerId customer_id;
    std::string language;
    std::string name;
    std::string phone;
    ConversationId conversation_id{};  // that began with it
    bool operator==(const CustomerSeen&) const = default;
};
// Absent fields stay as they were. A language is here only when the customer chose it by a LANG
// word.
struct CustomerChanged {
    CustomerId customer_id;
    std::optional<std::string> language;
    std::optional<std::string> name;
    std::optional<std::string> phone;
    std::optional<std::string> address;
    std::optional<ConversationId> conversation_id{};  // a new one began
    bool operator==(const CustomerChanged&) const = default;
};
struct CustomerTagged {
    CustomerId customer_id;
    std::vector<std::string> added;
    std::vector<std::string> removed;
    bool operator==(const CustomerTagged&) const = default;
};
using CustomerEvent = std::variant<CustomerSeen, CustomerChanged, CustomerTagged>;

struct Customer {
    CustomerId id;  // empty: never seen
    std::string language;
    bool language_chosen = false;
    std::string name;
    std::string phone;
    std::string address;
    std::set<std::string> tags;
    ConversationId conversation_id;  // the latest

    bool exists() const { return !id.empty(); }
    bool operator==(const Customer&) const = default;
};
Customer evolve(Customer customer, const CustomerEvent& event);

// Adds what happened to the customer. A change becomes a part of the fact before it where that fact
// can hold it, so that one append says one thing of a customer. The customer that the facts lead to
// is the same.
void add_joined(std::vector<CustomerEvent>& facts, CustomerEvent fact);
// A new conversation with this customer began.
CustomerChanged conversation_began(const CustomerId& customer_id,
                                   const ConversationId& conversation_id);

inline constexpr std::size_t kCustomerNameMax = 100;
inline constexpr std::size_t kTagsMax = 50;
inline constexpr std::size_t kTagLengthMax = 40;
struct TagCustomer {
    std::vector<std::string> add;
    std::vector<std::string> remove;
};
// What is wrong with the tags; nothing wrong and nothing to change are both an empty list of
// events.
std::vector<Problem> check(const Customer& customer, const TagCustomer& command);
std::vector<CustomerEvent> decide(const Customer& customer, const TagCustomer& command);

}  // namespace flowstack::conversation
