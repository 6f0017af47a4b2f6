#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tools/stack/sandbox.h"

// A customer with a phone, as the sandbox knows them. What is seen is the sandbox's own record of
// the chat.
namespace flowstack::stack {

struct ChatMessage {
    std::int64_t seq = 0;
    std::int64_t at_us = 0;
    bool from_business = false;
    std::string wamid;
    std::string text;
    // What can be answered: buttons and rows, or both are the titles of a numbered menu.
    std::vector<std::string> buttons;
    std::vector<std::string> rows;
    bool is_menu = false;
    std::string status;  // sent, delivered, read …
};

struct PromptView {
    std::string id;
    std::string business;
    std::string amount;
    std::string reference;
    bool open = false;
};

// The reply that was waited for did not come. Says what came instead.
struct NoReply : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Phone {
public:
    Phone(Sandbox& sandbox, std::string phone_number_id, std::string phone, std::string name,
          std::chrono::milliseconds patience = std::chrono::seconds(30));

    // The HTTP status of the webhook that carried it. Where the shop shows numbered menus, a tap
    // and a row are answered by their number.
    int say(const std::string& text);
    int tap(const std::string& button);
    int pick(const std::string& row);
    // Any other member of the control API's `say`.
    boost::json::value send(boost::json::object body);

    // The next message of the business that satisfies `wanted`, after those that were returned
    // before; others in between are skipped. Throws NoReply.
    ChatMessage wait_for(const std::function<bool(const ChatMessage&)>& wanted,
                         const std::string& what);
    ChatMessage wait_text(const std::string& part);
    // Everything in the chat so far, both sides, in order.
    std::vector<ChatMessage> chat();

    // The open prompt of this phone; waits for it.
    PromptView wait_prompt();
    void answer_prompt(const std::string& id, const std::string& pin);
    void cancel_prompt(const std::string& id);

    const std::string& number() const { return phone_; }
    const std::string& name() const { return name_; }

private:
    // The number of this title in the newest menu that has it.
    std::string number_in_menu(const std::string& title);
    // A sender at Twilio: it shows numbered menus.
    bool reads_menus() const { return phone_number_id_.starts_with('+'); }
    boost::json::value picture(const std::string& version, std::chrono::milliseconds wait);

    Sandbox& sandbox_;
    std::string phone_number_id_;
    std::string phone_;
    std::string name_;
    std::chrono::milliseconds patience_;
    std::int64_t seen_ = 0;
};

}  // namespace flowstack::stack
