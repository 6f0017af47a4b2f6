#pragma once

#include <string>

// What a provider tells about a business and its numbers, in no provider's words.
namespace flowstack::gateway {

enum class NoticeKind {
    template_status,
    template_quality,
    template_category,
    template_content,
    account,
    account_review,
    number_quality,
    number_name,
    capability,
    security,
    group,
    call,
    history,       // messages from before the number was connected
    contact_sync,  // the address book of the business's own phone
    other,
};

struct NoticeTemplate {
    std::string provider_template_id;
    std::string name;
    std::string language_code;
    std::string category;
    std::string previous_category;
    std::string quality;
    std::string previous_quality;
    std::string status;  // from now on; empty where the event is no status
    bool operator==(const NoticeTemplate&) const = default;
};

struct NoticeNumber {
    std::string display_phone_number;
    std::string messaging_limit;
    std::string previous_messaging_limit;
    std::string requested_name;
    bool operator==(const NoticeNumber&) const = default;
};

struct Notice {
    NoticeKind kind = NoticeKind::other;
    std::string event;  // what happened, in the provider's words: APPROVED, PAUSED …
    std::string reason;
    NoticeTemplate about_template;
    NoticeNumber about_number;
    bool operator==(const Notice&) const = default;
};

}  // namespace flowstack::gateway
