#include "tools/stack/journey.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <thread>

#include "common/http/url.h"

namespace flowstack::stack {
namespace {

namespace json = boost::json;
constexpr int kRecordPage = 5000;
constexpr std::chrono::seconds kLinkPatience{30};

bool has(const std::vector<std::string>& titles, const std::string& title) {
    return std::find(titles.begin(), titles.end(), title) != titles.end();
}

ChatMessage any_reply(Phone& phone, const std::string& what) {
    return phone.wait_for([](const ChatMessage&) { return true; }, what);
}

// The addresses of the pages that the phone was sent, as buttons or as words.
std::vector<std::string> links_sent(Phone& phone, Sandbox& sandbox) {
    std::vector<std::string> links;
    for (const auto& sent : record_of(sandbox, "send_accepted", phone.number())) {
        const auto body = json::serialize(sent);
        constexpr std::string_view kPage = "/c/pay/";
        const auto at = body.find(kPage);
        if (at == std::string::npos) continue;
        const auto end = body.find_first_not_of(
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_", at + kPage.size());
        links.push_back(body.substr(at, end - at));
    }
    return links;
}

void find_invoice(Phone& phone, Purchase& purchase) {
    for (const auto& message : phone.chat())
        if (message.from_business && message.text.find("INV-") != std::string::npos)
            purchase.invoice = message;
}

}  // namespace

ChatMessage greet(Phone& phone, const std::string& greeting) {
    phone.say(greeting);
    return phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; },
                          "the greeting with its buttons");
}

ChatMessage view_products(Phone& phone, const ChatMessage& greeting) {
    phone.tap(greeting.buttons.at(0));
    return phone.wait_for([](const ChatMessage& m) { return !m.rows.empty(); },
                          "the list of products");
}

ChatMessage choose_product(Phone& phone, const std::string& product) {
    phone.pick(product);
    return phone.wait_for(
        [&](const ChatMessage& m) { return m.text.find(product) != std::string::npos; },
        "the question for a quantity");
}

ChatMessage give_quantity(Phone& phone, const std::string& quantity) {
    phone.say(quantity);
    return any_reply(phone, "the question for an address");
}

ChatMessage give_address(Phone& phone, const std::string& address) {
    phone.say(address);
    return phone.wait_for([](const ChatMessage& m) { return has(m.buttons, "M-Pesa"); },
                          "the summary with its payment buttons");
}

ChatMessage to_summary(Phone& phone, const PurchaseSpec& spec) {
    view_products(phone, greet(phone, spec.greeting));
    choose_product(phone, spec.product);
    give_quantity(phone, std::to_string(spec.quantity));
    return give_address(phone, spec.address);
}

PromptView pay_by_mpesa(Phone& phone) {
    phone.tap("M-Pesa");
    return phone.wait_prompt();
}

std::string pay_by_card(Phone& phone, Sandbox& sandbox) {
    const auto before = links_sent(phone, sandbox).size();
    std::string button = "Card";
    for (const auto& message : phone.chat())
        if (message.from_business && has(message.buttons, "Kadi")) button = "Kadi";
    phone.tap(button);
    std::string url;
    const auto until = std::chrono::steady_clock::now() + kLinkPatience;
    while (url.empty() && std::chrono::steady_clock::now() < until) {
        const auto links = links_sent(phone, sandbox);
        if (links.size() > before) url = links.back();
        if (url.empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    if (url.empty()) throw NoReply("no message with the address of a page to pay on came");
    return url.substr(url.rfind('/') + 1);
}

void on_page(Sandbox& sandbox, const std::string& page, const std::string& action) {
    sandbox.post("/control/checkouts/" + page + "/" + action, json::object{});
}

Purchase finish_by_card(Phone& phone, Sandbox& sandbox, const std::string& page) {
    Purchase purchase;
    const auto about = [&] { return sandbox.get("/control/checkouts/" + page); };
    purchase.amount_on_prompt = std::to_string(about().at("amount_total").as_int64());
    on_page(sandbox, page, "pay");
    purchase.receipt = text_at(about(), "payment_intent");
    purchase.receipt_message = phone.wait_text(purchase.receipt);
    find_invoice(phone, purchase);
    return purchase;
}

Purchase finish(Phone& phone, Sandbox& sandbox, const PromptView& prompt, const std::string& pin) {
    Purchase purchase{.amount_on_prompt = prompt.amount};
    phone.answer_prompt(prompt.id, pin);
    purchase.receipt_message = phone.wait_for(
        [&](const ChatMessage& m) {
            if (purchase.receipt.empty())
                if (const auto made = record_of(sandbox, "payment_made", phone.number());
                    !made.empty())
                    purchase.receipt = text_at(made.back(), "receipt");
            return !purchase.receipt.empty() && m.text.find(purchase.receipt) != std::string::npos;
        },
        "the receipt");
    find_invoice(phone, purchase);
    return purchase;
}

Purchase buy(Phone& phone, Sandbox& sandbox, const PurchaseSpec& spec,
             const std::function<void(const std::string&)>& step) {
    const auto say = [&](const std::string& what) {
        if (step) step(what);
    };
    say("greets the shop");
    const auto greeting = greet(phone, spec.greeting);
    say("looks at the products");
    view_products(phone, greeting);
    say("chooses " + spec.product);
    choose_product(phone, spec.product);
    say("wants " + std::to_string(spec.quantity));
    give_quantity(phone, std::to_string(spec.quantity));
    say("says where to");
    give_address(phone, spec.address);
    if (spec.pay == "card") {
        say("taps Card");
        const auto page = pay_by_card(phone, sandbox);
        say("pays on the page");
        return finish_by_card(phone, sandbox, page);
    }
    say("taps M-Pesa");
    const auto prompt = pay_by_mpesa(phone);
    say("enters the PIN");
    return finish(phone, sandbox, prompt, spec.pin);
}

std::vector<json::value> record_of(Sandbox& sandbox, const std::string& kind,
                                   const std::string& phone, const std::string& number) {
    std::vector<json::value> lines;
    for (std::int64_t after = 0;;) {
        std::string path = "/control/record?after=" + std::to_string(after) +
                           "&limit=" + std::to_string(kRecordPage) + "&kind=" + kind;
        if (!phone.empty()) path += "&phone=" + (phone.starts_with('+') ? phone.substr(1) : phone);
        if (!number.empty()) path += "&number=" + http::percent_encode(number);
        const auto page = sandbox.get(path);
        for (const auto& line : page.at("lines").as_array()) lines.push_back(line);
        const auto last = number_at(page, "last");
        if (page.at("lines").as_array().empty() || last <= after) return lines;
        after = last;
    }
}

}  // namespace flowstack::stack
