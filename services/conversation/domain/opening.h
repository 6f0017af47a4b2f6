#pragma once

#include <optional>
#include <string>

#include "services/conversation/domain/customer.h"
#include "services/conversation/domain/flow/document.h"
#include "services/conversation/domain/tenant.h"

// What every beginning of a dialogue has in common, whoever begins it: the customer (pipeline.h) or
// the shop's own site (placing.h).
namespace flowstack::conversation {

// Chosen by the customer once, else said in `words`, else known of the customer, else the tenant's
// first that the flow offers.
std::string opening_language(const Customer& customer, const std::string& words,
                             const TenantFacts& tenant, const Flow* flow);

// What is learnt of a customer: a name that the shop knows stays, an unknown one is learnt; the
// phone is always the one that gateway names. Nothing when it is all known.
std::optional<CustomerEvent> get_to_know(const Customer& customer, const CustomerId& customer_id,
                                         const std::string& language, const std::string& name,
                                         const std::string& phone);

}  // namespace flowstack::conversation
