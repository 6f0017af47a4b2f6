#pragma once

#include <string>
#include <string_view>
#include <vector>

// What a tenant may set about itself. Whatever names something (a pack, a payment provider, a time
// zone, a country) is looked up when it is set: a name that nobody knows would show much later, as
// silence or as a button that does nothing.
namespace flowstack::gateway {

struct QuietHours {
    int start_minute = 0;  // after midnight, in the tenant's time zone; start = end: none
    int end_minute = 0;
    friend bool operator==(const QuietHours&, const QuietHours&) = default;
};

struct TenantSettings {
    std::string name;
    std::string display_name;
    std::string country_code;   // ISO 3166-1 alpha-2
    std::string time_zone;      // IANA
    std::string currency_code;  // ISO 4217
    std::vector<std::string> languages;
    std::string pack;
    int tax_rate_bp = 0;
    std::string order_prefix;
    std::string invoice_prefix;
    QuietHours quiet_hours;
    std::string unknown_text_policy;  // hold | send_again
    std::vector<std::string> payment_providers;
    std::string unclear_payment_policy;  // order_again | wait
    // That the provider charges for, in a calendar month (UTC); 0 = no limit.
    std::int64_t marketing_messages_per_month = 0;
    friend bool operator==(const TenantSettings&, const TenantSettings&) = default;
};

// What this installation can do, as its configuration says. Settings may name only what is here.
struct PaymentProvider {
    std::string name;
    std::vector<std::string> currencies;  // ISO 4217; empty: every currency
    friend bool operator==(const PaymentProvider&, const PaymentProvider&) = default;
};
struct TimeZone {
    std::string name;                    // IANA
    std::vector<std::string> countries;  // whose clocks show it, ISO 3166-1 alpha-2
    friend bool operator==(const TimeZone&, const TimeZone&) = default;
};
struct Installation {
    std::vector<std::string> packs;  // the first one is the default
    std::vector<std::string> languages;
    std::vector<PaymentProvider> payment_providers;
    std::vector<TimeZone> time_zones;
    friend bool operator==(const Installation&, const Installation&) = default;
};

// Fills in what was left out: the providers that take the tenant's currency, the first pack, every
// language.
TenantSettings with_defaults(TenantSettings settings, const Installation& installation);

// One thing that is wrong with one field; empty vector: they may be stored.
struct FieldError {
    std::string field;        // "tax_rate_bp"
    std::string description;  // "must be from 0 to 10000"
    friend bool operator==(const FieldError&, const FieldError&) = default;
};
// `installation.packs` must also have the tenant's own flow, when the pack is one.
std::vector<FieldError> faults_of(const TenantSettings& settings, const Installation& installation);

// Zones that somebody may have meant who wrote `wanted`: those of the country, then those whose
// name is nearly the same. At most four.
std::vector<std::string> near_time_zones(std::string_view wanted, std::string_view country_code,
                                         const std::vector<TimeZone>& zones);

bool takes_currency(const PaymentProvider& provider, std::string_view currency_code);

}  // namespace flowstack::gateway
