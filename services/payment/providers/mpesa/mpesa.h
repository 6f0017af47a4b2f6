#pragma once

#include <chrono>
#include <string>

#include "services/payment/providers/mpesa/daraja.h"
#include "services/payment/providers/provider.h"

// M-Pesa Express (STK push) by Safaricom's Daraja API: a prompt on a Kenyan phone, answered with a
// PIN. Amounts are whole shillings. Callbacks are not signed; queries bring no receipt.
namespace flowstack::payment::mpesa {

struct MpesaOptions {
    std::string base_url;
    std::chrono::milliseconds push_timeout{20'000};
    std::chrono::milliseconds query_timeout{10'000};
    std::chrono::milliseconds retry_wait{2'000};     // after a push that was not sent
    std::chrono::milliseconds token_margin{60'000};  // tokens are renewed so long before their end
};

class Mpesa final : public Provider {
public:
    // All of them must outlive it. A key of `root` seals the tokens that are kept in `leases`.
    Mpesa(http::Client& client, Leases& leases, const crypto::RootKey& root, const Clock& clock,
          const MpesaOptions& options);

    const std::string& name() const override;
    const Capabilities& capabilities() const override;
    std::variant<payment::Account, std::vector<FieldFault>> read_account(
        const std::map<std::string, std::string>& fields) const override;
    std::optional<std::string> usable_phone(std::string_view phone) const override;
    std::string usable_phones() const override;
    std::optional<std::string> read_receipt(std::string_view text) const override;
    std::string reference(std::string_view text) const override;
    std::variant<Plan, CannotAsk> plan(const PlanRequest& request) const override;
    std::variant<payment::Callback, MalformedCallback> read_callback(
        std::string_view body) const override;
    std::string callback_answer() const override;
    Readiness prepare(const payment::Account& account) override;
    AskAnswer ask(const payment::Account& account, const Plan& plan,
                  std::chrono::steady_clock::time_point not_after) override;
    payment::QueryAnswer query(const payment::Account& account, const ProviderRef& ref) override;

private:
    std::chrono::milliseconds retry_wait_;
    Tokens tokens_;
    Daraja daraja_;
};

}  // namespace flowstack::payment::mpesa
