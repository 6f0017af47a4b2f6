#include "services/payment/providers/mpesa/mpesa.h"

#include <algorithm>

#include "common/core/overloaded.h"

namespace flowstack::payment::mpesa {
namespace {

const std::string kName = "mpesa";
constexpr std::size_t kCredentialCharactersMax = 200;

Account daraja_account(const payment::Account& account) {
    const auto detail = [&](const char* name) {
        const auto found = account.details.find(name);
        return found == account.details.end() ? std::string() : found->second;
    };
    const auto secret = [&](const char* name) {
        const auto found = account.secrets.find(name);
        return found == account.secrets.end() ? Secret() : found->second;
    };
    const auto party_b = detail("party_b");
    return {.short_code = account.account,
            .party_b = party_b.empty() ? account.account : party_b,
            .transaction_type = detail("transaction_type"),
            .passkey = secret("passkey"),
            .consumer_key = secret("consumer_key"),
            .consumer_secret = secret("consumer_secret")};
}

ProviderRef ref_of(const std::string& checkout_id, const std::string& merchant_request_id) {
    return {.provider = kName, .id = checkout_id, .detail = merchant_request_id};
}

bool is_short_code(const std::string& text) {
    return text.size() >= 5 && text.size() <= 7 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Mpesa::Mpesa(http::Client& client, Leases& leases, const crypto::RootKey& root, const Clock& clock,
             const MpesaOptions& options)
    : retry_wait_(options.retry_wait),
      tokens_(leases, client, root,
              {.base_url = options.base_url,
               .timeout = options.query_timeout,
               .margin = options.token_margin}),
      daraja_(client, tokens_, clock,
              {.base_url = options.base_url,
               .push_timeout = options.push_timeout,
               .query_timeout = options.query_timeout,
               .not_sent_wait = options.retry_wait}) {}

const std::string& Mpesa::name() const { return kName; }

const Capabilities& Mpesa::capabilities() const {
    static const Capabilities kCapabilities{
        .prompt = true,
        .query = true,
        .needs_phone = true,
        .takes = {{.least = {kShillingsMin * 100, Currency::kes},
                   .most = {kShillingsMax * 100, Currency::kes},
                   .step = 100}}};
    return kCapabilities;
}

std::variant<payment::Account, std::vector<FieldFault>> Mpesa::read_account(
    const std::map<std::string, std::string>& fields) const {
    const auto given = [&](const char* name) {
        const auto found = fields.find(name);
        return found == fields.end() ? std::string() : found->second;
    };
    std::vector<FieldFault> wrong;
    payment::Account account;
    account.provider = kName;
    account.account = given("short_code");
    if (!is_short_code(account.account)) wrong.push_back({"short_code", "must have 5 to 7 digits"});
    for (const auto* name : {"passkey", "consumer_key", "consumer_secret"}) {
        const auto value = given(name);
        if (value.empty() || value.size() > kCredentialCharactersMax)
            wrong.push_back({name, "is required, at most " +
                                       std::to_string(kCredentialCharactersMax) + " characters"});
        account.secrets.emplace(name, Secret(value));
    }
    auto type = given("transaction_type");
    if (type.empty()) type = kPayBill;
    if (type != kPayBill && type != kBuyGoods)
        wrong.push_back(
            {"transaction_type", "must be CustomerPayBillOnline or CustomerBuyGoodsOnline"});
    const auto till = given("till");
    if (!till.empty() && (type != kBuyGoods || !is_short_code(till)))
        wrong.push_back({"till", "must have 5 to 7 digits, and only with CustomerBuyGoodsOnline"});
    if (!wrong.empty()) return wrong;
    account.details = {{"transaction_type", type},
                       {"party_b", till.empty() ? account.account : till}};
    return account;
}

std::optional<std::string> Mpesa::usable_phone(std::string_view phone) const {
    const auto digits = msisdn(phone);
    if (!digits) return {};
    return "+" + *digits;
}

std::string Mpesa::usable_phones() const { return "a Kenyan mobile number, e.g. +254712345678"; }

std::optional<std::string> Mpesa::read_receipt(std::string_view text) const {
    return receipt_of(text);
}

std::string Mpesa::reference(std::string_view text) const { return account_reference(text); }

std::variant<Plan, CannotAsk> Mpesa::plan(const PlanRequest& request) const {
    const auto phone = msisdn(request.phone);
    if (!phone) return CannotAsk{"phone", failure::kRefused};
    if (!shillings(request.amount)) return CannotAsk{"amount", failure::kLimit};
    return Plan{.amount = request.amount,
                .payer = *phone,
                .callback_url = request.callback_url,
                .reference = account_reference(request.reference),
                .description =
                    description(request.order_number.empty() ? "Payment" : request.order_number)};
}

std::variant<payment::Callback, MalformedCallback> Mpesa::read_callback(
    std::string_view body) const {
    const auto read = mpesa::read_callback(body);
    if (const auto* malformed = std::get_if<Malformed>(&read))
        return MalformedCallback{malformed->detail};
    const auto& said = std::get<mpesa::Callback>(read);
    payment::Callback callback{.ref = ref_of(said.checkout_id, said.merchant_request_id),
                               .says = SaysNothing{said.code}};
    const auto meaning = meaning_of(said.code);
    if (said.code == "0") {
        callback.says = SaysPaid{said.amount.value(), said.receipt};
    } else if (meaning.known && meaning.is_final) {
        callback.says = SaysFailed{said.code, meaning.reason};
    }
    return callback;
}

std::string Mpesa::callback_answer() const { return R"({"ResultCode":0,"ResultDesc":"Success"})"; }

Readiness Mpesa::prepare(const payment::Account& account) {
    const auto token = tokens_.get(daraja_account(account));
    if (const auto* refused = std::get_if<Tokens::KeysRefused>(&token))
        return KeysRefused{"HTTP " + std::to_string(refused->status)};
    if (const auto* away = std::get_if<Tokens::Away>(&token)) return Away{away->why};
    return Ready{};
}

AskAnswer Mpesa::ask(const payment::Account& account, const Plan& plan,
                     std::chrono::steady_clock::time_point not_after) {
    const auto daraja_of = daraja_account(account);
    const auto whole = shillings(plan.amount);
    if (!whole) return payment::Refused{"amount", "", failure::kLimit, {}};
    // It was there a moment ago (prepare), so this is a look at the stored one.
    const auto token = tokens_.get(daraja_of);
    const auto* held = std::get_if<Tokens::Held>(&token);
    if (!held) return payment::Refused{"no_token", "", failure::kBusy, retry_wait_};
    const auto answer = daraja_.push(daraja_of, *held,
                                     {.shillings = *whole,
                                      .msisdn = plan.payer,
                                      .callback_url = plan.callback_url,
                                      .account_reference = plan.reference,
                                      .description = plan.description},
                                     not_after);
    return std::visit(
        Overloaded{
            [](const Accepted& yes) -> AskAnswer {
                return payment::Accepted{ref_of(yes.checkout_id, yes.merchant_request_id)};
            },
            [&](const Refused& no) -> AskAnswer {
                return payment::Refused{no.code, no.message, no.reason, no.wait};
            },
            [&](const TokenRefused& no) -> AskAnswer {
                return payment::Refused{no.code, "", failure::kBusy, retry_wait_};
            },
            [](const Unclear& unclear) -> AskAnswer { return payment::Unclear{unclear.why}; }},
        answer);
}

payment::QueryAnswer Mpesa::query(const payment::Account& account, const ProviderRef& ref) {
    const auto said = daraja_.query(daraja_account(account), ref.id);
    payment::QueryAnswer answer{
        .says = SaysNothing{}, .code = said.code, .description = said.description};
    std::visit(Overloaded{[&](const QuerySaysPaid&) { answer.says = SaysPaidOnly{}; },
                          [&](const QuerySaysFailed& no) {
                              answer.says = SaysFailed{no.code, no.reason};
                          },
                          [&](const QuerySaysNothing& nothing) {
                              answer.says = SaysNothing{nothing.code};
                          },
                          [](const TokenRefused&) {}},
               said.says);
    return answer;
}

}  // namespace flowstack::payment::mpesa
