#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/core/named_list.h"
#include "common/core/secret.h"
#include "common/core/time.h"
#include "services/payment/domain/intent.h"

// What a payment provider is to this service. A provider is one folder below providers/ and one
// line in main.cc; nothing else names it. To add one, derive from Provider;
// tests/integration/payment/voucher.h is a small example.
namespace flowstack::payment {

// A currency that a provider takes, and which amounts of it.
struct AmountRange {
    Money least;
    Money most;
    std::int64_t step = 1;  // in minor units: 100 means whole shillings only
};

struct Capabilities {
    bool prompt = false;  // the provider itself asks the payer, e.g. on the phone
    // The payer pays on a page of the provider, whose address we give on. A page that nobody was
    // given cannot be paid on, so a lost answer is no danger: it is asked for again.
    bool redirect = false;
    // Its callbacks are signed with the account's secret and come to one address for all payments.
    bool signed_webhooks = false;
    bool capture = false;  // money is reserved first and taken later
    bool refund = false;
    bool query = false;  // it can be asked what became of a payment
    bool needs_phone = false;
    std::vector<AmountRange> takes;
};

// A tenant's account with a provider.
struct Account {
    std::string provider;
    std::string account;                         // what the provider calls it
    std::map<std::string, std::string> details;  // may be shown
    std::map<std::string, Secret> secrets;
};

// What is wrong with a field that a caller sent.
struct FieldFault {
    std::string field;
    std::string what_is_allowed;
};

// What the payer is to be asked, in the provider's own limits.
struct Plan {
    Money amount;
    std::string payer;  // as the provider wants it; empty when it needs no phone
    std::string callback_url;
    std::string reference;
    std::string description;
    // For providers with a page.
    std::string attempt_id{};  // the same for every call of one attempt, and for no other
    std::string tenant{};
    std::string intent_id{};
    std::string callback_token{};  // comes back in the callback: whose it is
    std::string return_url{};      // where the page leads afterwards
    Time payable_until{};
};
struct PlanRequest {
    Money amount;
    std::string phone;
    std::string callback_url;
    std::string reference;
    std::string order_number;
    std::string attempt_id{};
    std::string tenant{};
    std::string intent_id{};
    std::string callback_token{};
    std::string return_url{};
    Time payable_until{};
};
// The request cannot be made: why, as an error code and a word of failure::.
struct CannotAsk {
    std::string code;
    std::string reason;
};

// ---- what a call to the provider came to

struct Accepted {
    ProviderRef ref;
    std::string link{};  // of the page on which the payer pays; empty: the provider asks the payer
};
// The provider said no, or no byte of the request was sent: nobody was asked.
struct Refused {
    std::string code;
    std::string message;
    std::string reason;                             // see failure::
    std::optional<std::chrono::milliseconds> wait;  // it may be tried again after this
};
// It may have happened.
struct Unclear {
    std::string why;
};
using AskAnswer = std::variant<Accepted, Refused, Unclear>;

struct QueryAnswer {
    std::variant<SaysPaidOnly, SaysPaid, SaysFailed, SaysNothing> says;
    std::string code;         // as received, for the record
    std::string description;  // as received, cut
};

// Whether a call could be made now, asked before it is announced.
struct Ready {};
// The tenant's credentials are wrong: trying again does not help.
struct KeysRefused {
    std::string why;
};
// Nobody was asked for money; try later.
struct Away {
    std::string why;
};
using Readiness = std::variant<Ready, KeysRefused, Away>;

// ---- what a callback says

struct Callback {
    ProviderRef ref;
    std::variant<SaysPaid, SaysFailed, SaysNothing> says;
};
struct MalformedCallback {
    std::string detail;
};

// What a signed callback says of itself. Nothing of it is proven.
struct Webhook {
    std::string id;       // the same when it is sent again
    std::string account;  // the provider's name of the account, where it has one
    std::string token;    // CallbackTokens' token that came back; empty: it is no payment of ours
};

class Provider {
public:
    virtual ~Provider() = default;

    // Lower case letters; part of names, claims and paths.
    virtual const std::string& name() const = 0;
    virtual const Capabilities& capabilities() const = 0;

    // ---- pure: no call, no clock

    // The account that these fields of ConnectProviderAccountRequest describe.
    virtual std::variant<Account, std::vector<FieldFault>> read_account(
        const std::map<std::string, std::string>& fields) const = 0;
    // E.164 with +, or nothing when the provider cannot ask this number.
    virtual std::optional<std::string> usable_phone(std::string_view phone) const = 0;
    // What a usable phone is, for an error text: "a Kenyan mobile number, e.g. +254712345678".
    virtual std::string usable_phones() const = 0;
    // The receipt as the provider writes it, or nothing when a person's text cannot be one. Two
    // spellings of one receipt must give the same text: it is claimed.
    virtual std::optional<std::string> read_receipt(std::string_view text) const = 0;
    // What the payer will read, made of an order's number or a caller's text.
    virtual std::string reference(std::string_view text) const = 0;
    virtual std::variant<Plan, CannotAsk> plan(const PlanRequest& request) const = 0;
    virtual std::variant<Callback, MalformedCallback> read_callback(
        std::string_view body) const = 0;
    // The body of the 200 that says that a callback was kept.
    virtual std::string callback_answer() const = 0;

    // ---- of a provider whose webhooks are signed

    // The header that carries the signature.
    virtual std::string signature_header() const { return {}; }
    virtual std::variant<Webhook, MalformedCallback> read_webhook(std::string_view) const {
        return MalformedCallback{name() + " sends no signed webhooks"};
    }
    // Whether this account's secret signed these bytes, and not too long ago.
    virtual bool is_signed(const Account&, std::string_view /*signature*/,
                           std::string_view /*body*/, Time /*now*/) const {
        return false;
    }

    // ---- blocking: use a thread that may wait

    // Tries new credentials with a call that costs nothing, where the provider has one.
    virtual Readiness check(const Account&) { return Ready{}; }
    virtual Readiness prepare(const Account& account) = 0;
    // Sends the request at most once with effect, and not after `not_after`.
    virtual AskAnswer ask(const Account& account, const Plan& plan,
                          std::chrono::steady_clock::time_point not_after) = 0;
    virtual QueryAnswer query(const Account& account, const ProviderRef& ref) = 0;
    // Closes the payer's page. True: from now on nobody can pay on it.
    virtual bool withdraw(const Account&, const ProviderRef&) { return false; }
};

// Why a provider cannot take an amount, as a word of refusal:: and a sentence, or nothing.
struct CannotTake {
    std::string reason;
    std::string detail;
};
std::optional<CannotTake> cannot_take(const Provider& provider, Money amount);

// The providers of this build, by name. Made in main.cc.
class Providers : public NamedList<Provider> {
public:
    using NamedList::NamedList;
    // Null when this build has no such provider.
    Provider* find(std::string_view name) const { return find_by(&Provider::name, name); }
    // "voucher, card", for error texts.
    std::string names() const { return names_by(&Provider::name); }
};

}  // namespace flowstack::payment
