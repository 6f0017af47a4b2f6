#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tools/stack/api.h"
#include "tools/stack/sandbox.h"

// A shop, set up through the same doors that a tenant uses, and its two counterparts in the
// sandbox.
namespace flowstack::stack {

struct ProductSpec {
    std::string id;
    std::string name;
    std::vector<std::string> aliases;
    std::int64_t price_minor = 0;
    std::int64_t stock = -1;  // -1 = unlimited
    std::string description;
};

struct ShopSpec {
    std::string tenant = "demo";
    std::string name = "Duka la Asha";
    std::vector<std::string> languages{"en", "sw"};
    std::string currency = "KES";
    int tax_rate_bp = 1600;
    std::string pack = "ECOMMERCE";
    // TWILIO: phone_number_id is the sender's number, "+1415…". Of any other kind than Meta's it is
    // that provider's id of the number, and the sandbox hears nothing of it.
    std::string channel_kind = "META_CLOUD";
    std::string phone_number_id = "106540352242922";
    std::string display_phone_number = "+254700000001";
    // The number of a sender at Twilio, the shop's second connection; empty: there is none.
    std::string twilio_number{};
    std::string shortcode = "174379";
    bool cards = false;                 // it has an account at Stripe, too
    std::vector<ProductSpec> products;  // empty: the demo's
    bool promotions = true;
    // The real limits of a number and of a pair; tests that send floods turn them off.
    bool limits = true;
    std::string payer_behaviour = "manual";
    std::string unknown_text_policy = "hold";
    // Credentials as the providers issue them; empty: made of the names above.
    std::string access_token{};
    std::string consumer_key{};
    std::string consumer_secret{};
    std::string passkey{};
};

std::vector<ProductSpec> demo_products();

// The demo's sender at Twilio, which is that of Twilio's own sandbox.
inline const std::string kDemoSender = "+14155238886";
// The number of a test's own sender at Twilio, from anything unique.
std::string sender_for(const std::string& unique);

// A free name and numbers for a test's own shop, from anything unique.
ShopSpec shop_for(const std::string& unique);

// The token that signs the webhooks of the shop's senders and makes its calls.
std::string auth_token(const ShopSpec& spec);
// The shop's account at Stripe, and what signs its webhooks.
std::string stripe_account(const ShopSpec& spec);
std::string stripe_secret(const ShopSpec& spec);
// The shop's account at Twilio: AC and 32 hex digits.
std::string account_sid(const ShopSpec& spec);

// Registers tenant, channel, products, promotions and M-Pesa account, and the number and short code
// with the sandbox. Again for the same spec: nothing changes.
void make_shop(const ShopSpec& spec, const Environment& environment, Api& api, Sandbox& sandbox);

// Tries until it works: what lets a new pod through to the stack is there only a moment after the
// pod. After `patience` it throws what the last try threw.
void once_let_through(std::chrono::milliseconds patience, const std::function<void()>& attempt);

}  // namespace flowstack::stack
