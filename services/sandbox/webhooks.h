#pragma once

#include <string>
#include <vector>

#include "services/sandbox/json.h"
#include "services/sandbox/state.h"

// Webhook documents as Meta writes them (v23 to v25 shapes). Pure.
namespace flowstack::sandbox {

// {"profile":{"name":…},"wa_id":…}; wa_id is left out while the phone is hidden or unknown.
json::object contact_object(const Customer& customer);

// "from" and, for people who have one, "from_user_id".
void put_sender(json::object& message, const Customer& customer);

// {"messaging_product","metadata"} of a change of this number.
json::object change_value(const Number& number);

struct Change {
    std::string waba_id;
    std::string field = "messages";
    json::object value;
    std::int64_t time = 0;  // of the entry, where it has one
};
// One entry a change, in order.
json::value envelope(std::vector<Change> changes);

// One element of statuses[]. `error` 0: none.
json::object status_object(const std::string& wamid, const std::string& status, Time at,
                           const Customer& customer, const std::string& biz_opaque_callback_data,
                           bool template_message, int error);

}  // namespace flowstack::sandbox
