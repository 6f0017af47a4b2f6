#include "common/core/money.h"
#include "common/core/overloaded.h"
#include "common/http/message.h"
#include "services/payment/adapters/callback_token.h"
#include "services/payment/providers/mpesa/wire.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::payment::mpesa {
namespace {

void expect_text(std::initializer_list<const std::string*> texts) {
    // Events are protobuf: text that is not UTF-8 could be written and never read again.
    for (const auto* text : texts) FLOWSTACK_EXPECT(http::valid_utf8(*text));
}

}  // namespace

FLOWSTACK_FUZZ_TARGET(daraja_callback) {
    const auto read = read_callback(bytes);
    if (const auto* malformed = std::get_if<Malformed>(&read)) {
        expect_text({&malformed->detail});
        FLOWSTACK_EXPECT(!malformed->detail.empty());
        return;
    }
    const auto& callback = std::get<Callback>(read);
    FLOWSTACK_EXPECT(!callback.checkout_id.empty() && !callback.code.empty());
    FLOWSTACK_EXPECT(callback.checkout_id.size() <= kCheckoutIdMax);
    FLOWSTACK_EXPECT((callback.code == "0") == callback.amount.has_value());
    FLOWSTACK_EXPECT((callback.code == "0") == !callback.receipt.empty());
    expect_text({&callback.checkout_id, &callback.merchant_request_id, &callback.code,
                 &callback.text, &callback.receipt});
    (void)meaning_of(callback.code);
}

// The first byte chooses the question and the status of its answer.
FLOWSTACK_FUZZ_TARGET(daraja_answer) {
    fuzz::Input input(bytes);
    const auto choice = input.byte();
    constexpr int kStatuses[] = {200, 400, 401, 404, 429, 500, 503, 302};
    const int status = kStatuses[choice % 8];
    const auto body = input.rest();
    switch (choice / 8 % 3) {
        case 0: {
            const auto answer = read_push_answer(status, body);
            std::visit(Overloaded{[](const Accepted& a) {
                                      FLOWSTACK_EXPECT(!a.checkout_id.empty());
                                      expect_text({&a.checkout_id, &a.merchant_request_id});
                                  },
                                  [](const Refused& r) {
                                      FLOWSTACK_EXPECT(!r.reason.empty());
                                      expect_text({&r.code, &r.message, &r.reason});
                                  },
                                  [](const TokenRefused& t) { expect_text({&t.code}); },
                                  [](const Unclear& u) { expect_text({&u.why}); }},
                       answer);
            return;
        }
        case 1: {
            const auto answer = read_query_answer(status, body, "ws_CO_1");
            expect_text({&answer.code, &answer.description});
            if (const auto* failed = std::get_if<QuerySaysFailed>(&answer.says))
                FLOWSTACK_EXPECT(!failed->reason.empty());
            return;
        }
        default:
            if (const auto token = read_token(status, body))
                FLOWSTACK_EXPECT(status == 200 && token->lifetime.count() >= 0);
    }
}

FLOWSTACK_FUZZ_TARGET(callback_token) {
    static const crypto::RootKey root(Secret(std::string(64, 'a')));
    static const CallbackTokens tokens(root);
    if (const auto target = tokens.check(bytes)) FLOWSTACK_EXPECT(tokens.make(*target) == bytes);
    (void)forbidden_word(bytes);
}

FLOWSTACK_FUZZ_TARGET(money) {
    for (const auto currency : {Currency::kes, Currency::ugx, Currency::usd}) {
        const auto money = parse_money(bytes, currency);
        if (!money) continue;
        FLOWSTACK_EXPECT(parse_money(format_decimal(*money), currency) == money);
        FLOWSTACK_EXPECT(!format_money(*money).empty());
        if (const auto whole = shillings(*money))
            FLOWSTACK_EXPECT(*whole >= kShillingsMin && *whole <= kShillingsMax);
    }
    if (const auto currency = parse_currency(bytes))
        FLOWSTACK_EXPECT(currency_code(*currency) == bytes);
}

FLOWSTACK_FUZZ_TARGET(msisdn) {
    if (const auto number = msisdn(bytes)) {
        FLOWSTACK_EXPECT(number->size() == 12 && number->starts_with("254"));
        FLOWSTACK_EXPECT(msisdn(*number) == number);
    }
    if (const auto receipt = receipt_of(bytes)) FLOWSTACK_EXPECT(receipt_of(*receipt) == receipt);
    const auto reference = account_reference(bytes);
    FLOWSTACK_EXPECT(!reference.empty() && reference.size() <= kAccountReferenceMax);
    const auto text = description(bytes);
    FLOWSTACK_EXPECT(!text.empty() && text.size() <= kDescriptionMax);
}

}  // namespace flowstack::payment::mpesa
