#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "services/payment/providers/provider.h"

// A second payment provider, as small as one can be: the payer shows a voucher at the counter, and
// the counter calls back with "<id> paid <amount> <currency> <receipt>" or "<id> refused". It needs
// no phone, takes two currencies and cannot be queried.
namespace flowstack::payment::testing {

class Voucher final : public Provider {
public:
    // What was asked, in order.
    std::vector<Plan> asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }

    const std::string& name() const override {
        static const std::string kName = "voucher";
        return kName;
    }

    const Capabilities& capabilities() const override {
        static const Capabilities kCapabilities{
            .prompt = true,
            .takes = {
                {.least = {1, Currency::kes}, .most = {10'000'000, Currency::kes}, .step = 1},
                {.least = {100, Currency::tzs}, .most = {100'000'000, Currency::tzs}, .step = 1}}};
        return kCapabilities;
    }

    std::variant<Account, std::vector<FieldFault>> read_account(
        const std::map<std::string, std::string>& fields) const override {
        const auto till = fields.find("till");
        if (till == fields.end() || till->second.empty())
            return std::vector<FieldFault>{{"till", "is required"}};
        return Account{.provider = name(), .account = till->second, .details = {}, .secrets = {}};
    }

    std::optional<std::string> usable_phone(std::string_view phone) const override {
        return std::string(phone);
    }
    std::string usable_phones() const override { return "any number"; }

    std::optional<std::string> read_receipt(std::string_view text) const override {
        if (text.empty()) return {};
        return std::string(text);
    }

    std::string reference(std::string_view text) const override { return std::string(text); }

    std::variant<Plan, CannotAsk> plan(const PlanRequest& request) const override {
        return Plan{.amount = request.amount,
                    .payer = {},
                    .callback_url = request.callback_url,
                    .reference = request.reference,
                    .description = {}};
    }

    std::variant<Callback, MalformedCallback> read_callback(std::string_view body) const override {
        std::istringstream words{std::string(body)};
        std::string id, what, amount, currency, receipt;
        words >> id >> what >> amount >> currency >> receipt;
        Callback callback{.ref = {.provider = name(), .id = id, .detail = {}},
                          .says = SaysFailed{.code = what, .reason = failure::kRefused}};
        if (id.empty() || what.empty()) return MalformedCallback{"not a voucher's callback"};
        if (what == "refused") return callback;
        const auto known = parse_currency(currency);
        const auto paid = known ? parse_money(amount, *known) : std::nullopt;
        if (what != "paid" || !paid || receipt.empty())
            return MalformedCallback{"neither paid nor refused"};
        callback.says = SaysPaid{.amount = *paid, .receipt = receipt};
        return callback;
    }

    std::string callback_answer() const override { return "\"thanks\""; }

    Readiness prepare(const Account&) override { return Ready{}; }

    AskAnswer ask(const Account& account, const Plan& plan,
                  std::chrono::steady_clock::time_point) override {
        const std::lock_guard lock(mutex_);
        asked_.push_back(plan);
        return Accepted{{.provider = name(),
                         .id = account.account + "-" + std::to_string(asked_.size()),
                         .detail = {}}};
    }

    QueryAnswer query(const Account&, const ProviderRef&) override {
        return {.says = SaysNothing{}, .code = {}, .description = "a voucher cannot be queried"};
    }

private:
    mutable std::mutex mutex_;
    std::vector<Plan> asked_;
};

}  // namespace flowstack::payment::testing
