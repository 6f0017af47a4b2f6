#include "services/conversation/domain/opening.h"

#include <algorithm>

#include "common/text/fold.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/language.h"

namespace flowstack::conversation {

std::string opening_language(const Customer& customer, const std::string& words,
                             const TenantFacts& tenant, const Flow* flow) {
    const auto offered = [&](const std::string& language) {
        return flow && std::find(flow->languages.begin(), flow->languages.end(), language) !=
                           flow->languages.end();
    };
    const auto& known = customer.language;
    if (customer.language_chosen && offered(known)) return known;
    if (flow && !words.empty()) {
        const auto said = language_of(words, *flow).language;
        if (offered(said)) return said;
    }
    if (offered(known)) return known;
    for (const auto& language : tenant.languages)
        if (offered(language)) return language;
    return flow && !flow->languages.empty() ? flow->languages.front() : "en";
}

std::optional<CustomerEvent> get_to_know(const Customer& customer, const CustomerId& customer_id,
                                         const std::string& language, const std::string& name,
                                         const std::string& phone) {
    const auto short_name = text::shortened(text::one_line(name), kCustomerNameMax);
    if (!customer.exists())
        return CustomerSeen{
            .customer_id = customer_id, .language = language, .name = short_name, .phone = phone};
    CustomerChanged changed;
    changed.customer_id = customer_id;
    if (customer.name.empty() && !short_name.empty()) changed.name = short_name;
    // Gateway knows where the customer writes from, also after a change of number.
    if (!phone.empty() && phone != customer.phone) changed.phone = phone;
    if (!changed.name && !changed.phone) return {};
    return changed;
}

}  // namespace flowstack::conversation
