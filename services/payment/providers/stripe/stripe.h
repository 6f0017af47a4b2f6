#pragma once

#include <chrono>
#include <string>

#include "common/core/clock.h"
#include "common/http/client.h"
#include "services/payment/providers/stripe/wire.h"

// Cards by Stripe Checkout: the payer gets the address of a page, pays there, and a signed webhook
// tells. A decline is between the payer and the page: it ends nothing while the page is open.
namespace flowstack::payment::stripe {

struct StripeOptions {
    std::string base_url;
    std::string api_version;
    CurrencyForms currencies;
    std::chrono::milliseconds ask_timeout{20'000};
    std::chrono::milliseconds query_timeout{10'000};
    std::chrono::milliseconds retry_wait{2'000};   // after a call that was not sent
    std::chrono::milliseconds same_key_wait{500};  // before the same call again; doubled each time
    std::chrono::seconds signature_tolerance{300};
};

class Stripe final : public Provider {
public:
    // `client` must outlive it.
    Stripe(http::Client& client, StripeOptions options);

    const std::string& name() const override { return kProviderName; }
    const Capabilities& capabilities() const override { return capabilities_; }
    std::variant<Account, std::vector<FieldFault>> read_account(
        const std::map<std::string, std::string>& fields) const override;
    std::optional<std::string> usable_phone(std::string_view phone) const override;
    std::string usable_phones() const override { return "any number"; }
    std::optional<std::string> read_receipt(std::string_view text) const override;
    std::string reference(std::string_view text) const override;
    std::variant<Plan, CannotAsk> plan(const PlanRequest& request) const override;
    std::variant<Callback, MalformedCallback> read_callback(std::string_view body) const override;
    std::string callback_answer() const override { return R"({"received":true})"; }
    std::string signature_header() const override { return std::string(kSignatureHeader); }
    std::variant<Webhook, MalformedCallback> read_webhook(std::string_view body) const override;
    bool is_signed(const Account& account, std::string_view signature, std::string_view body,
                   Time now) const override;
    Readiness check(const Account& account) override;
    Readiness prepare(const Account&) override { return Ready{}; }
    // The same call with the same key again while its answer is lost, kCallsMax times at most:
    // Stripe gives the first result then.
    AskAnswer ask(const Account& account, const Plan& plan,
                  std::chrono::steady_clock::time_point not_after) override;
    QueryAnswer query(const Account& account, const ProviderRef& ref) override;
    bool withdraw(const Account& account, const ProviderRef& ref) override;

    static constexpr int kCallsMax = 3;

private:
    http::ClientResult call(const Account& account, const std::string& method,
                            const std::string& path, std::string body, const std::string& key,
                            std::chrono::milliseconds timeout,
                            std::optional<std::chrono::steady_clock::time_point> not_after) const;

    http::Client& client_;
    StripeOptions options_;
    Capabilities capabilities_;
};

}  // namespace flowstack::payment::stripe
