#include "services/payment/providers/provider.h"

#include <algorithm>

#include "services/payment/domain/order.h"

namespace flowstack::payment {
namespace {

std::string text_of(const AmountRange& range) {
    auto text = format_money(range.least) + " to " + format_money(range.most);
    if (range.step > 1) text += " in steps of " + format_money({range.step, range.least.currency});
    return text;
}

}  // namespace

std::optional<CannotTake> cannot_take(const Provider& provider, Money amount) {
    const auto& takes = provider.capabilities().takes;
    const auto range = std::find_if(takes.begin(), takes.end(), [&](const AmountRange& r) {
        return r.least.currency == amount.currency;
    });
    if (range == takes.end()) {
        std::string currencies;
        for (const auto& r : takes)
            currencies +=
                (currencies.empty() ? "" : ", ") + std::string(currency_code(r.least.currency));
        return CannotTake{refusal::kCurrencyNotUsable,
                          provider.name() + " takes " + currencies + " only, not " +
                              std::string(currency_code(amount.currency))};
    }
    if (amount.minor_units < range->least.minor_units ||
        amount.minor_units > range->most.minor_units || amount.minor_units % range->step != 0)
        return CannotTake{refusal::kAmountNotUsable, provider.name() + " takes " + text_of(*range) +
                                                         ", not " + format_money(amount)};
    return {};
}

}  // namespace flowstack::payment
