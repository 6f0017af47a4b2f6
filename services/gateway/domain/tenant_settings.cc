#include "services/gateway/domain/tenant_settings.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/core/money.h"

namespace flowstack::gateway {
namespace {

constexpr std::size_t kNameMax = 120;
constexpr std::size_t kPrefixMax = 12;
constexpr int kMinutesADay = 24 * 60;
constexpr std::size_t kZonesNamedMax = 4;
constexpr std::size_t kTyposMax = 2;

// ISO 3166-1 alpha-2, all 249.
constexpr std::string_view kCountries =
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN "
    "BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ "
    "DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL "
    "GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM "
    "JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME "
    "MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP "
    "NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD "
    "SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO "
    "TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW ";

bool known_country(std::string_view code) {
    return code.size() == 2 && code.find(' ') == std::string_view::npos &&
           kCountries.find(std::string(code) + " ") != std::string_view::npos;
}

std::string upper(std::string_view text) {
    std::string made(text);
    for (char& c : made)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return made;
}

std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const auto& name : names) text += (text.empty() ? "" : ", ") + name;
    return text.empty() ? "nothing" : text;
}

std::string all_currencies() {
    constexpr int kIsoNumericMax = 999;
    std::vector<std::string> codes;
    for (int number = 0; number <= kIsoNumericMax; ++number)
        if (const auto currency = currency_of(number)) codes.emplace_back(currency_code(*currency));
    std::ranges::sort(codes);
    return joined(codes);
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

// Code points of UTF-8.
std::size_t length(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// Control characters, and the line and paragraph separators of Unicode.
bool breaks_a_line(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const auto next = [&](std::size_t n) {
            return i + n < text.size() ? static_cast<unsigned char>(text[i + n]) : 0U;
        };
        if (byte < 0x20 || byte == 0x7F) return true;
        if (byte == 0xC2 && next(1) >= 0x80 && next(1) <= 0x9F) return true;
        if (byte == 0xE2 && next(1) == 0x80 && (next(2) == 0xA8 || next(2) == 0xA9)) return true;
    }
    return false;
}

bool good_prefix(std::string_view prefix) {
    return !prefix.empty() && prefix.size() <= kPrefixMax &&
           std::ranges::all_of(prefix, [](char c) {
               return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                      c == '-';
           });
}

// How many letters must be put in, taken out or changed to make one of the other.
std::size_t edits(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string_view city_of(std::string_view zone) {
    const auto slash = zone.rfind('/');
    return slash == std::string_view::npos ? zone : zone.substr(slash + 1);
}

const PaymentProvider* find_provider(const Installation& can, std::string_view name) {
    const auto found = std::ranges::find(can.payment_providers, name, &PaymentProvider::name);
    return found == can.payment_providers.end() ? nullptr : &*found;
}

std::string providers_text(const Installation& can) {
    std::vector<std::string> names;
    for (const auto& provider : can.payment_providers)
        names.push_back(provider.name + (provider.currencies.empty()
                                             ? ""
                                             : " (" + joined(provider.currencies) + ")"));
    return joined(names);
}

using Faults = std::vector<FieldError>;

void check_names(const TenantSettings& s, Faults& faults) {
    const auto check = [&](const char* field, const std::string& value, std::size_t least) {
        if (length(value) < least || length(value) > kNameMax || breaks_a_line(value))
            faults.push_back(
                {field, "must have " + std::to_string(least) + " to 120 characters, on one line"});
    };
    check("name", s.name, 1);
    check("display_name", s.display_name, 0);
}

void check_place(const TenantSettings& s, const Installation& can, Faults& faults) {
    if (!known_country(s.country_code)) {
        const auto code = upper(s.country_code);
        faults.push_back(
            {"country_code", known_country(code)
                                 ? "must be written " + code
                                 : "must be a country of ISO 3166-1 alpha-2, e.g. KE"});
    }
    if (std::ranges::find(can.time_zones, s.time_zone, &TimeZone::name) == can.time_zones.end()) {
        const auto near = near_time_zones(s.time_zone, s.country_code, can.time_zones);
        faults.push_back({"time_zone", near.empty()
                                           ? "must be an IANA name, e.g. Africa/Nairobi"
                                           : "must be an IANA name; near it are " + joined(near)});
    }
    if (!parse_currency(s.currency_code))
        faults.push_back({"currency_code", "must be one of " + all_currencies()});
}

void check_languages(const TenantSettings& s, const Installation& can, Faults& faults) {
    const auto fault = "must be of " + joined(can.languages) + ", each once, the default first";
    bool good = !s.languages.empty();
    for (std::size_t i = 0; i < s.languages.size(); ++i)
        good = good && contains(can.languages, s.languages[i]) &&
               std::ranges::count(s.languages, s.languages[i]) == 1;
    if (!good) faults.push_back({"languages", fault});
}

void check_providers(const TenantSettings& s, const Installation& can, Faults& faults) {
    for (std::size_t i = 0; i < s.payment_providers.size(); ++i) {
        const auto& name = s.payment_providers[i];
        const auto* provider = find_provider(can, name);
        if (provider == nullptr)
            faults.push_back({"payment_providers", "must be of " + providers_text(can)});
        else if (!takes_currency(*provider, s.currency_code))
            faults.push_back({"payment_providers", name + " takes " + joined(provider->currencies) +
                                                       ", and this tenant's currency is " +
                                                       s.currency_code});
        else if (std::ranges::count(s.payment_providers, name) != 1)
            faults.push_back({"payment_providers", "must name each provider once"});
        else
            continue;
        return;
    }
}

}  // namespace

bool takes_currency(const PaymentProvider& provider, std::string_view currency_code) {
    return provider.currencies.empty() || contains(provider.currencies, currency_code);
}

std::vector<std::string> near_time_zones(std::string_view wanted, std::string_view country_code,
                                         const std::vector<TimeZone>& zones) {
    std::vector<std::string> near;
    const auto country = upper(country_code);
    for (const auto& zone : zones)
        if (contains(zone.countries, country)) near.push_back(zone.name);
    std::vector<std::pair<std::size_t, std::string>> alike;
    const auto name = upper(wanted);
    for (const auto& zone : zones) {
        // Etc/GMT+3 is three hours west: exactly what nobody means who writes GMT+3.
        if (zone.name.starts_with("Etc/") || contains(near, zone.name)) continue;
        const auto other = upper(zone.name);
        const auto distance = std::min(edits(name, other), edits(city_of(name), city_of(other)));
        if (distance <= kTyposMax && distance < city_of(name).size() / 2)
            alike.emplace_back(distance, zone.name);
    }
    std::ranges::sort(alike);
    // A name that is right but for its case or one letter comes before the country's zones.
    std::size_t at = 0;
    for (const auto& [distance, zone] : alike)
        near.insert(distance <= 1 ? near.begin() + static_cast<std::ptrdiff_t>(at++) : near.end(),
                    zone);
    if (near.size() > kZonesNamedMax) near.resize(kZonesNamedMax);
    return near;
}

TenantSettings with_defaults(TenantSettings s, const Installation& can) {
    const auto fill = [](std::string& field, std::string_view value) {
        if (field.empty()) field = value;
    };
    fill(s.display_name, s.name);
    fill(s.country_code, "KE");
    fill(s.time_zone, "Africa/Nairobi");
    fill(s.currency_code, "KES");
    if (s.languages.empty()) s.languages = can.languages;
    if (!can.packs.empty()) fill(s.pack, can.packs.front());
    fill(s.order_prefix, "ORD");
    fill(s.invoice_prefix, "INV");
    fill(s.unknown_text_policy, "hold");
    fill(s.unclear_payment_policy, "order_again");
    if (s.payment_providers.empty())
        for (const auto& provider : can.payment_providers)
            if (takes_currency(provider, s.currency_code))
                s.payment_providers.push_back(provider.name);
    return s;
}

std::vector<FieldError> faults_of(const TenantSettings& s, const Installation& can) {
    Faults faults;
    const auto wrong = [&](std::string field, std::string allowed) {
        faults.push_back({std::move(field), std::move(allowed)});
    };
    check_names(s, faults);
    check_place(s, can, faults);
    check_languages(s, can, faults);
    if (!contains(can.packs, s.pack))
        wrong("pack", "must be of " + joined(can.packs) +
                          ", or the key of a flow that this tenant has published");
    if (s.tax_rate_bp < 0 || s.tax_rate_bp > 10'000)
        wrong("tax_rate_bp", "must be from 0 to 10000 basis points");
    for (const auto& [field, prefix] : {std::pair{"order_prefix", &s.order_prefix},
                                        std::pair{"invoice_prefix", &s.invoice_prefix}})
        if (!good_prefix(*prefix))
            wrong(field, "must have 1 to 12 characters: letters A to Z, digits and dashes");
    for (const int minute : {s.quiet_hours.start_minute, s.quiet_hours.end_minute})
        if (minute < 0 || minute >= kMinutesADay) {
            wrong("quiet_hours", "minutes must be from 0 to 1439");
            break;
        }
    if (s.unknown_text_policy != "hold" && s.unknown_text_policy != "send_again")
        wrong("unknown_text_policy", "must be hold or send_again");
    // Empty in settings that were stored before there was this one; it means the default.
    if (const auto& policy = s.unclear_payment_policy;
        !policy.empty() && policy != "order_again" && policy != "wait")
        wrong("unclear_payment_policy", "must be order_again or wait");
    if (s.marketing_messages_per_month < 0)
        wrong("marketing_messages_per_month", "must not be negative; 0 is no limit");
    check_providers(s, can, faults);
    return faults;
}

}  // namespace flowstack::gateway
