#include "services/sandbox/webhooks.h"

namespace flowstack::sandbox {

json::object contact_object(const Customer& customer) {
    json::object profile;
    profile["name"] = customer.name;
    if (!customer.username.empty()) profile["username"] = customer.username;
    json::object contact;
    contact["profile"] = std::move(profile);
    if (!customer.phone.empty() && !customer.phone_hidden) contact["wa_id"] = customer.phone;
    if (!customer.user_id.empty()) contact["user_id"] = customer.user_id;
    return contact;
}

void put_sender(json::object& message, const Customer& customer) {
    if (!customer.phone.empty() && !customer.phone_hidden) message["from"] = customer.phone;
    if (!customer.user_id.empty()) message["from_user_id"] = customer.user_id;
}

json::object change_value(const Number& number) {
    json::object value;
    value["messaging_product"] = "whatsapp";
    value["metadata"] = {{"display_phone_number", number.display_phone_number},
                         {"phone_number_id", number.id}};
    return value;
}

json::value envelope(std::vector<Change> changes) {
    json::array entries;
    for (Change& change : changes) {
        json::object inner;
        inner["value"] = std::move(change.value);
        inner["field"] = change.field;
        json::array list;
        list.emplace_back(std::move(inner));
        json::object entry;
        entry["id"] = change.waba_id;
        if (change.time != 0) entry["time"] = change.time;
        entry["changes"] = std::move(list);
        entries.emplace_back(std::move(entry));
    }
    json::object whole;
    whole["object"] = "whatsapp_business_account";
    whole["entry"] = std::move(entries);
    return whole;
}

json::object status_object(const std::string& wamid, const std::string& status, Time at,
                           const Customer& customer, const std::string& biz_opaque_callback_data,
                           bool template_message, int error) {
    json::object out;
    out["id"] = wamid;
    out["status"] = status;
    out["timestamp"] = std::to_string(seconds(at));
    if (!customer.phone.empty() && !customer.phone_hidden) out["recipient_id"] = customer.phone;
    if (!customer.user_id.empty()) out["recipient_user_id"] = customer.user_id;
    if (!biz_opaque_callback_data.empty()) {
        out["biz_opaque_callback_data"] = biz_opaque_callback_data;
    }
    if (status == "sent" || status == "delivered") {
        json::object pricing;
        pricing["billable"] = template_message;
        pricing["pricing_model"] = "PMP";
        pricing["type"] = template_message ? "regular" : "free_customer_service";
        pricing["category"] = template_message ? "utility" : "service";
        out["pricing"] = std::move(pricing);
    }
    if (error != 0) {
        const std::string title = graph_title(error);
        json::object one;
        one["code"] = error;
        one["title"] = title;
        one["message"] = title;
        one["error_data"] = {
            {"details", error == 131047
                            ? "Message failed to send because more than 24 hours have passed "
                              "since the customer last replied to this number."
                            : title}};
        one["href"] =
            "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";
        json::array errors;
        errors.emplace_back(std::move(one));
        out["errors"] = std::move(errors);
    }
    return out;
}

}  // namespace flowstack::sandbox
