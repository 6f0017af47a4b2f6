#include "tools/stack/phone.h"

#include <algorithm>
#include <boost/json.hpp>
#include <sstream>

namespace flowstack::stack {
namespace {

namespace json = boost::json;
using Steady = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kPollInterval{2000};

std::vector<std::string> titles_of(const json::value& message, const char* member) {
    std::vector<std::string> titles;
    const auto* list = message.as_object().if_contains(member);
    if (list && list->is_array())
        for (const auto& each : list->as_array()) titles.push_back(text_at(each, "title"));
    return titles;
}

// The titles of lines "1. Title – description", counted from 1; empty when there is no menu.
std::vector<std::string> menu_in(const std::string& text) {
    std::vector<std::string> titles;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto number = std::to_string(titles.size() + 1) + ". ";
        if (!line.starts_with(number)) continue;
        const auto title = line.substr(number.size());
        titles.push_back(title.substr(0, title.find(" – ")));
    }
    return titles;
}

ChatMessage as_sent(const json::value& message) {
    return {.seq = number_at(message, "seq"),
            .at_us = number_at(message, "at_us"),
            .from_business = text_at(message, "from") == "business",
            .wamid = text_at(message, "wamid"),
            .text = text_at(message, "text"),
            .buttons = titles_of(message, "buttons"),
            .rows = titles_of(message, "rows"),
            .status = text_at(message, "status")};
}

ChatMessage message_of(const json::value& json) {
    auto message = as_sent(json);
    if (!message.from_business || !message.buttons.empty() || !message.rows.empty()) return message;
    message.buttons = message.rows = menu_in(message.text);
    message.is_menu = !message.buttons.empty();
    return message;
}

}  // namespace

Phone::Phone(Sandbox& sandbox, std::string phone_number_id, std::string phone, std::string name,
             std::chrono::milliseconds patience)
    : sandbox_(sandbox),
      phone_number_id_(std::move(phone_number_id)),
      phone_(std::move(phone)),
      name_(std::move(name)),
      patience_(patience) {}

json::value Phone::send(json::object body) {
    body["phone_number_id"] = phone_number_id_;
    if (!name_.empty()) body["name"] = name_;
    const auto key = phone_.starts_with('+') ? phone_.substr(1) : phone_;
    return sandbox_.post("/control/customers/" + key + "/say", body);
}

int Phone::say(const std::string& text) {
    return static_cast<int>(number_at(send({{"text", text}}), "http_status"));
}
std::string Phone::number_in_menu(const std::string& title) {
    const auto messages = chat();
    for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
        const auto found = std::ranges::find(message->buttons, title);
        if (message->is_menu && found != message->buttons.end())
            return std::to_string(found - message->buttons.begin() + 1);
    }
    throw NoReply("no menu shows " + title);
}

int Phone::tap(const std::string& button) {
    if (reads_menus()) return say(number_in_menu(button));
    return static_cast<int>(number_at(send({{"button", button}}), "http_status"));
}
int Phone::pick(const std::string& row) {
    if (reads_menus()) return say(number_in_menu(row));
    return static_cast<int>(number_at(send({{"row", row}}), "http_status"));
}

json::value Phone::picture(const std::string& version, std::chrono::milliseconds wait) {
    const auto key = phone_.starts_with('+') ? phone_.substr(1) : phone_;
    return sandbox_.get("/control/chats/" + phone_number_id_ + "/" + key + "?version=" + version +
                        "&wait_ms=" + std::to_string(wait.count()));
}

std::vector<ChatMessage> Phone::chat() {
    std::vector<ChatMessage> messages;
    const auto now = picture("", std::chrono::milliseconds(0));
    for (const auto& message : now.at("messages").as_array())
        messages.push_back(message_of(message));
    return messages;
}

ChatMessage Phone::wait_for(const std::function<bool(const ChatMessage&)>& wanted,
                            const std::string& what) {
    const auto until = Steady::now() + patience_;
    std::string version;
    std::string last = "nothing";
    while (true) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now());
        const auto now =
            picture(version, std::clamp(left, std::chrono::milliseconds(0), kPollInterval));
        version = text_at(now, "version");
        for (const auto& each : now.at("messages").as_array()) {
            auto message = message_of(each);
            if (!message.from_business || message.seq <= seen_) continue;
            last = "\"" + message.text + "\"";
            if (!wanted(message)) continue;
            seen_ = message.seq;
            return message;
        }
        if (left.count() <= 0)
            throw NoReply(phone_ + " waited " + std::to_string(patience_.count()) + " ms for " +
                          what + "; the last that came was " + last);
    }
}

ChatMessage Phone::wait_text(const std::string& part) {
    return wait_for(
        [&](const ChatMessage& message) { return message.text.find(part) != std::string::npos; },
        "a message with \"" + part + "\"");
}

PromptView Phone::wait_prompt() {
    const auto key = phone_.starts_with('+') ? phone_.substr(1) : phone_;
    const auto until = Steady::now() + patience_;
    while (Steady::now() < until) {
        const auto found = sandbox_.get("/control/prompts?phone=" + key +
                                        "&wait_ms=" + std::to_string(kPollInterval.count()));
        for (const auto& prompt : found.at("prompts").as_array()) {
            const auto& amount = prompt.at("amount");
            return {.id = text_at(prompt, "id"),
                    .business = text_at(prompt, "business"),
                    .amount = amount.is_string() ? std::string(amount.as_string())
                                                 : json::serialize(amount),
                    .reference = text_at(prompt, "account_reference"),
                    .open = true};
        }
    }
    throw NoReply(phone_ + " waited for an M-Pesa prompt and none came");
}

void Phone::answer_prompt(const std::string& id, const std::string& pin) {
    sandbox_.post("/control/prompts/" + id + "/answer", json::object{{"pin", pin}});
}
void Phone::cancel_prompt(const std::string& id) {
    sandbox_.post("/control/prompts/" + id + "/answer", json::object{{"answer", "cancel"}});
}

}  // namespace flowstack::stack
