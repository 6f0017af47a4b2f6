#include "services/sandbox/stripe.h"

#include <algorithm>
#include <optional>
#include <set>

#include "services/sandbox/control_values.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::size_t kStripeReferenceMax = 200;
constexpr std::size_t kStripeMetadataMax = 50;
constexpr std::size_t kStripeMetadataKeyMax = 40;
constexpr std::size_t kStripeMetadataValueMax = 500;

StripeError stripe_missing(const std::string& param) {
    return {.code = "parameter_missing",
            .message = "Missing required param: " + param + ".",
            .param = param};
}

StripeError stripe_invalid(const std::string& param, const std::string& message) {
    return {.code = "parameter_invalid", .message = message, .param = param};
}

// "metadata[x]" with the prefix "metadata" → "x".
std::optional<std::string> stripe_member(const std::string& name, std::string_view prefix) {
    if (!name.starts_with(std::string(prefix) + "[") || !name.ends_with("]")) return {};
    const auto begin = prefix.size() + 1;
    const auto key = name.substr(begin, name.size() - begin - 1);
    if (key.empty() || key.find_first_of("[]") != std::string::npos) return {};
    return key;
}

bool is_page_address(std::string_view text) {
    const bool web = text.starts_with("https://") || text.starts_with("http://");
    return web && text.find(' ') == std::string_view::npos && text.size() > 10;
}

std::string hmac_hex(std::string_view secret, std::string_view message) {
    // The hub's signature is the same digest behind another word.
    constexpr std::string_view kPrefix = "sha256=";
    return hub_signature(secret, message).substr(kPrefix.size());
}

std::optional<StripeError> metadata_fault(const std::map<std::string, std::string>& metadata,
                                          const std::string& param) {
    if (metadata.size() > kStripeMetadataMax) {
        return stripe_invalid(param, "You can have at most 50 keys in metadata.");
    }
    for (const auto& [key, value] : metadata) {
        if (key.size() > kStripeMetadataKeyMax || code_points(value) > kStripeMetadataValueMax) {
            return stripe_invalid(param + "[" + key + "]",
                                  "Metadata keys have at most 40 characters and values 500.");
        }
    }
    return std::nullopt;
}

}  // namespace

std::string stripe_error_body(const StripeError& error) {
    json::object inner{{"type", error.type}, {"message", error.message}};
    if (!error.code.empty()) inner["code"] = error.code;
    inner["param"] = error.param.empty() ? json::value(nullptr) : json::value(error.param);
    return compact(json::object{{"error", std::move(inner)}});
}

std::variant<StripeAsk, StripeError> judge_stripe_session(const Form& form, std::int64_t now) {
    static const std::set<std::string> kPlain{"mode",
                                              "success_url",
                                              "cancel_url",
                                              "client_reference_id",
                                              "expires_at",
                                              "line_items[0][quantity]",
                                              "line_items[0][price_data][currency]",
                                              "line_items[0][price_data][unit_amount]",
                                              "line_items[0][price_data][product_data][name]"};
    std::map<std::string, std::string> given;
    StripeAsk ask;
    for (const auto& [name, value] : form) {
        if (kPlain.contains(name)) {
            if (!given.emplace(name, value).second) {
                return stripe_invalid(name, "Parameter given twice: " + name);
            }
        } else if (const auto key = stripe_member(name, "metadata")) {
            ask.metadata[*key] = value;
        } else if (const auto other = stripe_member(name, "payment_intent_data[metadata]")) {
            ask.payment_metadata[*other] = value;
        } else {
            return StripeError{.code = "parameter_unknown",
                               .message = "Received unknown parameter: " + name,
                               .param = name};
        }
    }
    for (const auto& name : kPlain) {
        const bool needed =
            name != "cancel_url" && name != "client_reference_id" && name != "expires_at";
        if (needed && (!given.contains(name) || given[name].empty())) return stripe_missing(name);
    }
    if (given["mode"] != "payment") {
        return stripe_invalid("mode", "Invalid mode: must be one of payment.");
    }
    for (const auto* name : {"success_url", "cancel_url"}) {
        if (!given[name].empty() && !is_page_address(given[name])) {
            return StripeError{.code = "url_invalid", .message = "Not a valid URL", .param = name};
        }
    }
    const std::string item = "line_items[0][price_data]";
    ask.currency = given[item + "[currency]"];
    const bool code = ask.currency.size() == 3 && std::ranges::all_of(ask.currency, [](char c) {
                          return c >= 'a' && c <= 'z';
                      });
    if (!code) {
        return stripe_invalid(item + "[currency]", "Invalid currency: " + ask.currency);
    }
    const auto unit = whole(given[item + "[unit_amount]"], -1);
    const auto quantity = whole(given["line_items[0][quantity]"], -1);
    if (unit < 0) return stripe_invalid(item + "[unit_amount]", "Invalid integer");
    if (quantity < 1 || quantity > 10'000) {
        return stripe_invalid("line_items[0][quantity]", "Invalid integer");
    }
    if (unit == 0) {
        return StripeError{.code = "amount_too_small",
                           .message = "The amount must be greater than zero.",
                           .param = item + "[unit_amount]"};
    }
    if (unit > kStripeAmountMax / quantity) {
        return StripeError{.code = "amount_too_large",
                           .message = "The amount must have at most eight digits.",
                           .param = item + "[unit_amount]"};
    }
    ask.amount = unit * quantity;
    ask.name = given[item + "[product_data][name]"];
    ask.success_url = given["success_url"];
    ask.cancel_url = given["cancel_url"];
    ask.client_reference_id = given["client_reference_id"];
    if (code_points(ask.client_reference_id) > kStripeReferenceMax) {
        return stripe_invalid("client_reference_id", "At most 200 characters.");
    }
    ask.expires_at =
        given["expires_at"].empty() ? now + kStripePageMax : whole(given["expires_at"], -1);
    if (ask.expires_at < now + kStripePageMin || ask.expires_at > now + kStripePageMax) {
        return stripe_invalid("expires_at",
                              "The `expires_at` timestamp must be at least 30 minutes and at most "
                              "24 hours from Checkout Session creation.");
    }
    if (auto fault = metadata_fault(ask.metadata, "metadata")) return *fault;
    if (auto fault = metadata_fault(ask.payment_metadata, "payment_intent_data[metadata]")) {
        return *fault;
    }
    return ask;
}

std::string stripe_signature(std::string_view secret, std::string_view other, std::int64_t at,
                             std::string_view body) {
    const std::string message = std::to_string(at) + "." + std::string(body);
    std::string header = "t=" + std::to_string(at) + ",v1=" + hmac_hex(secret, message);
    if (!other.empty()) header += ",v1=" + hmac_hex(other, message);
    return header;
}

}  // namespace flowstack::sandbox
