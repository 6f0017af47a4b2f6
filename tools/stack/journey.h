#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tools/stack/phone.h"

// A customer buys, whatever the language: taps and rows are taken from what the shop shows, in the
// shop's order.
namespace flowstack::stack {

struct PurchaseSpec {
    std::string greeting = "Hi";
    std::string product = "Premium Coffee";  // as the list's row says
    int quantity = 2;
    std::string address = "Kilimani, Argwings Kodhek Rd 12";
    std::string pin = "1234";
    std::string pay = "mpesa";  // or card
};

struct Purchase {
    std::string amount_on_prompt;  // whole shillings; of a page: minor units
    std::string receipt;           // as the sandbox's record has it
    ChatMessage invoice;
    ChatMessage receipt_message;
};

// The steps, for journeys that leave the path in the middle. Each waits for the shop's answer.
ChatMessage greet(Phone& phone, const std::string& greeting);
ChatMessage view_products(Phone& phone, const ChatMessage& greeting);
ChatMessage choose_product(Phone& phone, const std::string& product);
ChatMessage give_quantity(Phone& phone, const std::string& quantity);
// Up to the summary with its payment buttons.
ChatMessage give_address(Phone& phone, const std::string& address);
ChatMessage to_summary(Phone& phone, const PurchaseSpec& spec);
// Taps M-Pesa and waits for the prompt on the phone.
PromptView pay_by_mpesa(Phone& phone);
// Taps Card and waits for the page's address in the chat: the page's id at the sandbox's Stripe.
std::string pay_by_card(Phone& phone, Sandbox& sandbox);
// What the payer does on the page: pay, decline, pay_later, expire.
void on_page(Sandbox& sandbox, const std::string& page, const std::string& action);
// Pays on the page and waits for the receipt in the chat.
Purchase finish_by_card(Phone& phone, Sandbox& sandbox, const std::string& page);
// Enters the PIN and waits for the receipt in the chat.
Purchase finish(Phone& phone, Sandbox& sandbox, const PromptView& prompt, const std::string& pin);

// All of it. `step` is told before each step.
Purchase buy(Phone& phone, Sandbox& sandbox, const PurchaseSpec& spec,
             const std::function<void(const std::string&)>& step = {});

// What the sandbox's record says: lines of one kind for one phone ("" = all), oldest first.
std::vector<boost::json::value> record_of(Sandbox& sandbox, const std::string& kind,
                                          const std::string& phone = "",
                                          const std::string& number = "");

}  // namespace flowstack::stack
