// The customers' side: what people say, tap and answer, as webhooks; the chats and prompts that a
// phone shows.
#include <algorithm>
#include <memory>

#include "services/sandbox/control_values.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"
#include "services/sandbox/webhooks.h"

namespace flowstack::sandbox {
namespace {

constexpr int kCopiesMax = 1'000;
constexpr std::size_t kUpdatesMax = 1'000;  // as Meta batches
constexpr Milliseconds kCustomerFileKept{7LL * 24 * 3600 * 1000};

bool same_words(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        return std::tolower(static_cast<unsigned char>(x)) ==
               std::tolower(static_cast<unsigned char>(y));
    });
}

// A button or a row that a customer can tap.
struct Choice {
    std::string wamid;
    std::string id, title, description;
    bool row = false;
};
std::vector<Choice> choices_of(const ChatMessage& message) {
    std::vector<Choice> out;
    if (message.from_customer || message.type != "interactive") return out;
    const json::value content(message.content);
    const auto* action = member(content, "action");
    if (action == nullptr) return out;
    if (const auto* buttons = array_at(*action, "buttons")) {
        for (const auto& button : *buttons) {
            const auto* inner = member(button, "reply");
            if (inner == nullptr) continue;
            out.push_back({message.wamid, text_or(*inner, "id", ""), text_or(*inner, "title", ""),
                           "", false});
        }
    }
    if (const auto* sections = array_at(*action, "sections")) {
        for (const auto& section : *sections) {
            const auto* rows = array_at(section, "rows");
            if (rows == nullptr) continue;
            for (const auto& row : *rows) {
                out.push_back({message.wamid, text_or(row, "id", ""), text_or(row, "title", ""),
                               text_or(row, "description", ""), true});
            }
        }
    }
    return out;
}

// Finds the newest message that offers it, unless `in` names one.
std::optional<Choice> find_choice(const Chat& chat, const std::string& wanted,
                                  const std::string& in, bool row) {
    for (auto it = chat.messages.rbegin(); it != chat.messages.rend(); ++it) {
        if (!in.empty() && it->wamid != in) continue;
        for (Choice& choice : choices_of(*it)) {
            if (choice.row == row && (choice.id == wanted || same_words(choice.title, wanted))) {
                return std::move(choice);
            }
        }
    }
    return std::nullopt;
}

std::string signature_for(const std::string& how, const Number& number, const std::string& body) {
    if (how == "missing") return "";
    if (how == "wrong") return hub_signature(number.app_secret + "x", body);
    if (how == "other_body") return hub_signature(number.app_secret, body + "\n");
    if (how == "sha1") return "sha1=" + hub_signature(number.app_secret, body).substr(7, 40);
    if (how == "short") {
        const std::string right = hub_signature(number.app_secret, body);
        return right.substr(0, right.size() - 1);
    }
    if (how == "not_hex") return "sha256=" + std::string(64, 'z');
    if (how.starts_with("secret:")) return hub_signature(how.substr(7), body);
    return hub_signature(number.app_secret, body);
}

bool is_signature(const std::string& how) {
    return how.empty() || how == "good" || how == "missing" || how == "wrong" ||
           how == "other_body" || how == "sha1" || how == "short" || how == "not_hex" ||
           how.starts_with("secret:");
}

// Collects the results of several deliveries and answers when all are there.
struct Gathering {
    std::size_t left = 0;
    json::object document;
    json::array statuses;
};

}  // namespace

std::string Sandbox::customer_key(const std::string& phone_or_user_id) const {
    const auto alias = state_.customer_aliases.find(phone_or_user_id);
    return alias == state_.customer_aliases.end() ? phone_or_user_id : alias->second;
}

Customer& Sandbox::customer(const std::string& key_or_alias) {
    const std::string key = customer_key(key_or_alias);
    Customer& found = state_.customers[key];
    if (found.key.empty()) {
        found.key = key;
        if (is_user_id(key)) {
            found.user_id = key;
        } else {
            found.phone = key;
        }
    }
    return found;
}

void Sandbox::unite(const std::string& name, const Customer& into) {
    if (name == into.key || customer_key(name) == into.key) return;
    const std::string before = customer_key(name);
    state_.customer_aliases[name] = into.key;
    for (auto it = state_.chats.begin(); it != state_.chats.end();) {
        if (it->first.second != before) {
            ++it;
            continue;
        }
        Chat old = std::move(it->second);
        it = state_.chats.erase(it);
        Chat& whole = chat(old.number_id, into.key);
        whole.last_inbound = std::max(whole.last_inbound, old.last_inbound);
        for (ChatMessage& message : old.messages) whole.messages.push_back(std::move(message));
        std::sort(whole.messages.begin(), whole.messages.end(),
                  [](const ChatMessage& a, const ChatMessage& b) { return a.seq < b.seq; });
    }
    if (before == name) state_.customers.erase(name);
}

void Sandbox::remember_inbound(const std::string& wamid, const std::string& number_id,
                               const std::string& key) {
    if (!state_.inbound_wamids.emplace(wamid, std::pair{number_id, key}).second) return;
    state_.inbound_order.push_back(wamid);
    if (state_.inbound_order.size() <= State::kInboundMax) return;
    state_.inbound_wamids.erase(state_.inbound_order.front());
    state_.inbound_order.pop_front();
}

void Sandbox::introduce(Customer& who, const json::value& described) {
    if (const auto name = text_at(described, "name")) who.name = *name;
    if (const auto name = text_at(described, "username")) who.username = *name;
    if (const auto id = text_at(described, "user_id"); id && is_user_id(*id)) {
        who.user_id = *id;
        unite(*id, who);
    }
    if (const auto phone = text_at(described, "phone")) {
        if (const auto digits = dialled_digits(*phone)) {
            who.phone = *digits;
            unite(*digits, who);
        }
    }
    // A person whose phone is given shows it, unless told otherwise.
    const bool given = text_at(described, "phone").has_value();
    who.phone_hidden = bool_or(described, "hide_phone", who.phone_hidden && !given);
    if (who.name.empty()) who.name = who.phone.empty() ? who.user_id : "+" + who.phone;
}

void Sandbox::control_customers(const Call& call, const Path& path, const Answer& answer,
                                Effects& fx) {
    if (call.method == "GET") {
        json::array list;
        for (const auto& [key, who] : state_.customers) {
            list.emplace_back(json::object{
                {"key", key}, {"phone", who.phone}, {"user_id", who.user_id}, {"name", who.name}});
        }
        return reply(fx, answer, {200, compact(json::object{{"customers", std::move(list)}})});
    }
    if (path.size() < 3) return reply(fx, answer, wrong(404, "name a customer in the path"));
    const auto key = is_user_id(path[2]) ? path[2] : dialled_digits(path[2]).value_or("");
    if (key.empty()) {
        return reply(fx, answer, wrong(422, "the path needs a phone or a business-scoped id"));
    }
    const auto body = parse(call.body.empty() ? "{}" : call.body);
    if (!body || !body->is_object()) {
        return reply(fx, answer, wrong(400, "the body is not a JSON object"));
    }
    if (path.size() == 4 && path[3] == "say") return say(key, *body, answer, fx);
    if (path.size() == 3) {
        introduce(customer(key), *body);
        return reply(fx, answer, {200, R"({"ok":true})"});
    }
    reply(fx, answer, wrong(404, "known: /control/customers/{phone}/say"));
}

void Sandbox::say(const std::string& key, const json::value& body, const Answer& answer,
                  Effects& fx) {
    const std::string business = text_or(body, "phone_number_id", "");
    if (const auto sender = state_.senders.find(business); sender != state_.senders.end()) {
        return say_by_twilio(sender->second, key, body, answer, fx);
    }
    const auto it = state_.numbers.find(business);
    if (it == state_.numbers.end()) {
        return reply(fx, answer, wrong(404, "phone_number_id: no such number is registered"));
    }
    Number& number = it->second;
    const std::string signature = text_or(body, "signature", "good");
    if (!is_signature(signature)) return reply(fx, answer, wrong(422, "signature: unknown kind"));

    Customer& who = customer(key);
    introduce(who, body);
    Chat& where = chat(number.id, who.key);
    const Time now = world_.now();

    ChatMessage said;
    said.from_customer = true;
    said.wamid = text_or(body, "wamid", new_wamid(who.key));
    said.status = "sent";
    json::object message;
    std::string context_id = text_or(body, "context_id", "");
    const std::string in = text_or(body, "message_wamid", "");
    if (const auto text = text_at(body, "text")) {
        said.type = "text";
        said.text = *text;
        said.content = {{"body", *text}};
        message["text"] = said.content;
    } else if (text_at(body, "button") || text_at(body, "row")) {
        const bool row = !text_at(body, "button");
        const std::string wanted = text_or(body, row ? "row" : "button", "");
        const auto choice = find_choice(where, wanted, in, row);
        if (!choice) {
            return reply(fx, answer,
                         wrong(422, (row ? "row: " : "button: ") + ("\"" + wanted) +
                                        "\" is on no message of this chat"));
        }
        said.type = "interactive";
        said.text = choice->title;
        said.chosen_id = choice->id;
        context_id = choice->wamid;
        json::object inner{{"id", choice->id}, {"title", choice->title}};
        if (row && !choice->description.empty()) inner["description"] = choice->description;
        const char* kind = row ? "list_reply" : "button_reply";
        said.content["type"] = kind;
        said.content[kind] = std::move(inner);
        message["interactive"] = said.content;
    } else if (const auto* file = object_at(body, "file")) {
        const json::value described(*file);
        auto sent = customer_file(described);
        if (!sent) return reply(fx, answer, wrong(422, kCustomerFileRule));
        const std::string& kind = sent->kind;
        const MediaFile& kept =
            keep_media(number.id, sent->mime_type, std::move(sent->bytes), kCustomerFileKept);
        said.type = kind;
        said.text = sent->caption;
        said.content = {
            {"mime_type", kept.mime_type}, {"sha256", sha256_base64(kept.bytes)}, {"id", kept.id}};
        if (!said.text.empty()) said.content["caption"] = said.text;
        if (const auto name = text_at(described, "filename")) said.content["filename"] = *name;
        if (kind == "audio") said.content["voice"] = bool_or(described, "voice", false);
        if (kind == "sticker") said.content["animated"] = bool_or(described, "animated", false);
        message[kind] = said.content;
    } else if (const auto* raw = object_at(body, "message")) {
        // The message may have any shape, known or not: sender, id and time are added where they
        // are missing.
        const json::value given(*raw);
        message = *raw;
        said.type = text_or(given, "type", "unknown");
        said.text = "[" + said.type + "]";
        if (const auto* content = object_at(given, said.type)) said.content = *content;
        said.wamid = text_or(given, "id", said.wamid);
    } else {
        return reply(fx, answer, wrong(422, "text, button, row, file or message: one is required"));
    }

    json::object whole_message;
    if (!context_id.empty() && !message.contains("context")) {
        whole_message["context"] = {{"from", number.display_phone_number}, {"id", context_id}};
    }
    json::object sender;
    put_sender(sender, who);
    for (const auto& [name, value] : sender) whole_message[name] = value;
    whole_message["id"] = said.wamid;
    whole_message["timestamp"] =
        std::to_string(int_or(body, "timestamp", static_cast<std::int64_t>(seconds(now))));
    if (!message.contains("type")) whole_message["type"] = said.type;
    for (auto& [name, value] : message) whole_message[name] = std::move(value);

    json::object value = change_value(number);
    json::array contacts;
    contacts.emplace_back(contact_object(who));
    value["contacts"] = std::move(contacts);
    json::array messages_;
    messages_.emplace_back(std::move(whole_message));
    value["messages"] = std::move(messages_);
    std::vector<Change> changes;
    changes.push_back({number.waba_id, "messages", std::move(value)});

    said.context_id = context_id;
    const std::string wamid = said.wamid;
    const bool counts = signature == "good" || signature.empty();
    if (counts) {
        where.last_inbound = now;
        number.throughput.take(now);
    }
    remember_inbound(wamid, number.id, who.key);
    const std::int64_t seq = state_.sequence + 1;
    note(fx, "customer_said",
         {{"provider", "meta"},
          {"phone_number_id", number.id},
          {"phone", who.key},
          {"wamid", wamid},
          {"type", said.type},
          {"text", said.text}});
    add_message(where, std::move(said), fx);

    Delivery delivery;
    delivery.number_id = number.id;
    delivery.phone = who.key;
    delivery.url = text_or(body, "url", number.webhook_url);
    delivery.body = meta_text(envelope(std::move(changes)));
    delivery.signature = signature_for(signature, number, delivery.body);
    delivery.what = "message";
    delivery.wamids = {wamid};
    delivery.retry = bool_or(body, "retry", counts);

    const auto copies = static_cast<std::size_t>(
        std::clamp<std::int64_t>(int_or(body, "copies", 1), 1, kCopiesMax));
    auto gathering = std::make_shared<Gathering>();
    gathering->left = copies;
    gathering->document["wamid"] = wamid;
    for (std::size_t copy = 0; copy < copies; ++copy) {
        deliver(
            delivery,
            [this, gathering, answer, id = number.id, phone = who.key, seq](
                const PostResult& result, Effects& inner) {
                for (ChatMessage& each : chat(id, phone).messages) {
                    if (each.seq == seq) each.http_status = result.status;
                }
                gathering->statuses.emplace_back(result.status);
                if (gathering->document.if_contains("http_status") == nullptr) {
                    gathering->document["http_status"] = result.status;
                }
                if (--gathering->left > 0) return;
                gathering->document["http_statuses"] = gathering->statuses;
                wake(inner);
                reply(inner, answer, {200, compact(gathering->document)});
            },
            fx);
    }
}

void Sandbox::control_webhooks(const Call& call, const Answer& answer, Effects& fx) {
    const auto parsed = parse(call.body);
    if (!parsed || !parsed->is_object()) {
        return reply(fx, answer, wrong(400, "the body is not a JSON object"));
    }
    const json::value& body = *parsed;
    const auto signer = state_.numbers.find(text_or(body, "phone_number_id", ""));
    if (signer == state_.numbers.end()) {
        return reply(fx, answer, wrong(404, "phone_number_id: no such number is registered"));
    }
    const std::string signature = text_or(body, "signature", "good");
    if (!is_signature(signature)) return reply(fx, answer, wrong(422, "signature: unknown kind"));

    Delivery delivery;
    delivery.number_id = signer->second.id;
    delivery.url = text_or(body, "url", signer->second.webhook_url);
    delivery.what = "by hand";
    delivery.retry = bool_or(body, "retry", false);
    if (const auto raw = text_at(body, "raw")) {
        delivery.body = *raw;
    } else if (const auto encoded = text_at(body, "raw_base64")) {
        const auto bytes = from_base64(*encoded);
        if (!bytes) return reply(fx, answer, wrong(422, "raw_base64: is not base64"));
        delivery.body = *bytes;
    } else if (const auto* updates = array_at(body, "updates")) {
        if (updates->size() > kUpdatesMax) {
            return reply(fx, answer, wrong(422, "updates: at most 1000 in one POST"));
        }
        std::vector<Change> changes;
        for (std::size_t i = 0; i < updates->size(); ++i) {
            const json::value& update = (*updates)[i];
            const std::string at = "updates[" + std::to_string(i) + "]";
            const auto number =
                state_.numbers.find(text_or(update, "phone_number_id", signer->second.id));
            if (number == state_.numbers.end()) {
                return reply(fx, answer,
                             wrong(422, at + ".phone_number_id: no such number is registered"));
            }
            if (const auto* value = object_at(update, "value")) {
                changes.push_back({text_or(update, "waba_id", number->second.waba_id),
                                   text_or(update, "field", "messages"), *value});
                continue;
            }
            const std::string from = text_or(update, "from", "");
            const auto key = is_user_id(from) ? from : dialled_digits(from).value_or("");
            if (key.empty()) return reply(fx, answer, wrong(422, at + ".from: is required"));
            Customer& who = customer(key);
            introduce(who, update);
            json::object message;
            put_sender(message, who);
            message["id"] = text_or(update, "wamid", new_wamid(who.key));
            message["timestamp"] = std::to_string(
                int_or(update, "timestamp", static_cast<std::int64_t>(seconds(world_.now()))));
            if (const auto* raw_message = object_at(update, "message")) {
                for (const auto& [name, value] : *raw_message) message[name] = value;
            } else {
                message["type"] = "text";
                message["text"] = {{"body", text_or(update, "text", "")}};
            }
            const std::string wamid = text_or(json::value(message), "id", "");
            delivery.wamids.push_back(wamid);
            remember_inbound(wamid, number->second.id, who.key);
            Chat& where = chat(number->second.id, who.key);
            where.last_inbound = world_.now();
            number->second.throughput.take(world_.now());
            ChatMessage said;
            said.from_customer = true;
            said.wamid = wamid;
            said.type = text_or(json::value(message), "type", "unknown");
            said.text = text_or(update, "text", "[" + said.type + "]");
            said.status = "sent";
            add_message(where, std::move(said), fx);

            json::object value = change_value(number->second);
            json::array contacts;
            contacts.emplace_back(contact_object(who));
            value["contacts"] = std::move(contacts);
            json::array messages_;
            messages_.emplace_back(std::move(message));
            value["messages"] = std::move(messages_);
            changes.push_back({number->second.waba_id, "messages", std::move(value)});
        }
        delivery.body = meta_text(envelope(std::move(changes)));
    } else {
        return reply(fx, answer, wrong(422, "updates, raw or raw_base64: one is required"));
    }
    delivery.signature = signature_for(signature, signer->second, delivery.body);

    const auto copies = static_cast<std::size_t>(
        std::clamp<std::int64_t>(int_or(body, "copies", 1), 1, kCopiesMax));
    auto gathering = std::make_shared<Gathering>();
    gathering->left = copies;
    json::array wamids;
    for (const auto& wamid : delivery.wamids) wamids.emplace_back(wamid);
    gathering->document["wamids"] = std::move(wamids);
    for (std::size_t copy = 0; copy < copies; ++copy) {
        deliver(
            delivery,
            [this, gathering, answer](const PostResult& result, Effects& inner) {
                gathering->statuses.emplace_back(result.status);
                if (--gathering->left > 0) return;
                gathering->document["http_statuses"] = gathering->statuses;
                reply(inner, answer, {200, compact(gathering->document)});
            },
            fx);
    }
}

json::object Sandbox::describe(const Prompt& prompt) const {
    json::object out{{"id", prompt.id},
                     {"shortcode", prompt.push.shortcode},
                     {"business", prompt.business},
                     {"phone", prompt.push.phone},
                     {"amount", prompt.push.amount},
                     {"account_reference", prompt.push.account_reference},
                     {"description", prompt.push.description},
                     {"at_us", micros(prompt.at)},
                     {"open", prompt.open}};
    if (prompt.result) {
        out["result_code"] = prompt.result->code;
        out["result_text"] = prompt.result->text;
        out["receipt"] = prompt.receipt;
        out["ended_at_us"] = micros(prompt.ended_at);
    }
    return out;
}

json::object Sandbox::describe(const Chat& where) const {
    json::object out;
    if (const auto number = state_.numbers.find(where.number_id); number != state_.numbers.end()) {
        out["business"] = {{"phone_number_id", number->second.id},
                           {"name", number->second.name},
                           {"display_phone_number", number->second.display_phone_number}};
    }
    if (const auto sender = state_.senders.find(where.number_id); sender != state_.senders.end()) {
        out["business"] = {{"phone_number_id", sender->first},
                           {"name", sender->second.name},
                           {"display_phone_number", sender->first.substr(1)},
                           {"provider", "twilio"}};
    }
    std::string phone = where.customer_key;
    if (const auto who = state_.customers.find(where.customer_key); who != state_.customers.end()) {
        phone = who->second.phone;
        out["customer"] = {{"key", who->first},
                           {"name", who->second.name},
                           {"phone", who->second.phone},
                           {"user_id", who->second.user_id}};
    }
    json::array messages_;
    for (const ChatMessage& message : where.messages) {
        json::object one{{"seq", message.seq},
                         {"at_us", micros(message.at)},
                         {"from", message.from_customer ? "customer" : "business"},
                         {"wamid", message.wamid},
                         {"type", message.type},
                         {"text", message.text},
                         {"status", message.status}};
        if (!message.context_id.empty()) one["context_id"] = message.context_id;
        if (message.from_customer) one["http_status"] = message.http_status;
        if (!message.chosen_id.empty()) one["chosen_id"] = message.chosen_id;
        if (!message.biz_opaque_callback_data.empty()) {
            one["biz_opaque_callback_data"] = message.biz_opaque_callback_data;
        }
        if (message.type == "interactive" && !message.from_customer) {
            json::array buttons;
            json::array rows;
            for (const Choice& choice : choices_of(message)) {
                json::object entry{{"id", choice.id}, {"title", choice.title}};
                if (choice.row) entry["description"] = choice.description;
                (choice.row ? rows : buttons).emplace_back(std::move(entry));
            }
            one["buttons"] = std::move(buttons);
            one["rows"] = std::move(rows);
        }
        if (message.type != "text") one["content"] = message.content;
        messages_.emplace_back(std::move(one));
    }
    out["messages"] = std::move(messages_);
    out["typing"] = where.typing_until > world_.now();
    json::array prompts;
    if (const auto ids = state_.phone_prompts.find(phone); ids != state_.phone_prompts.end()) {
        for (const std::string& id : ids->second) {
            const auto prompt = state_.prompts.find(id);
            if (prompt != state_.prompts.end()) prompts.emplace_back(describe(prompt->second));
        }
    }
    out["prompts"] = std::move(prompts);
    return out;
}

void Sandbox::control_chats(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    if (path.size() == 2) {
        json::array list;
        for (const auto& [key, where] : state_.chats) {
            const auto who = state_.customers.find(key.second);
            list.emplace_back(json::object{
                {"phone_number_id", key.first},
                {"customer", key.second},
                {"name", who == state_.customers.end() ? "" : who->second.name},
                {"messages", where.messages.size()},
                {"last_text", where.messages.empty() ? "" : where.messages.back().text}});
        }
        return reply(fx, answer, {200, compact(json::object{{"chats", std::move(list)}})});
    }
    if (path.size() != 4) {
        return reply(fx, answer, wrong(404, "known: /control/chats/{phone_number_id}/{phone}"));
    }
    const std::string& number_id = path[2];
    const std::string key =
        customer_key(is_user_id(path[3]) ? path[3] : dialled_digits(path[3]).value_or(path[3]));
    // A poll names the picture it has; it is answered as soon as the picture differs.
    const std::string seen = call.parameter("version");
    wait(
        Milliseconds{whole(call.parameter("wait_ms"), 0)},
        [this, number_id, key, seen](bool last_chance) -> std::optional<std::string> {
            Chat nothing;
            nothing.number_id = number_id;
            nothing.customer_key = key;
            const auto it = state_.chats.find({number_id, key});
            json::object picture = describe(it == state_.chats.end() ? nothing : it->second);
            const std::string version = hub_signature("", compact(picture)).substr(7, 16);
            if (version == seen && !last_chance) return std::nullopt;
            picture["version"] = version;
            return compact(picture);
        },
        answer, fx);
}

void Sandbox::control_prompts(const Call& call, const Path& path, const Answer& answer,
                              Effects& fx) {
    if (path.size() == 2) {
        const std::string phone = dialled_digits(call.parameter("phone")).value_or("");
        const bool all = call.parameter("all") == "true";
        wait(
            Milliseconds{whole(call.parameter("wait_ms"), 0)},
            [this, phone, all](bool last_chance) -> std::optional<std::string> {
                // In the order in which they were asked for: an id begins with the day of the
                // month, so the order of ids is another one on the first of a month.
                json::array list;
                const auto add = [&](const std::string& id) {
                    const auto it = state_.prompts.find(id);
                    if (it != state_.prompts.end() && (all || it->second.open))
                        list.emplace_back(describe(it->second));
                };
                if (phone.empty())
                    std::ranges::for_each(state_.prompt_order, add);
                else if (const auto its = state_.phone_prompts.find(phone);
                         its != state_.phone_prompts.end())
                    std::ranges::for_each(its->second, add);
                if (list.empty() && !last_chance) return std::nullopt;
                return compact(json::object{{"prompts", std::move(list)}});
            },
            answer, fx);
        return;
    }
    const auto it = state_.prompts.find(path[2]);
    if (it == state_.prompts.end()) return reply(fx, answer, wrong(404, "no such prompt"));
    if (path.size() != 4 || path[3] != "answer" || call.method != "POST") {
        return reply(fx, answer, {200, compact(describe(it->second))});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    Prompt& prompt = it->second;
    if (!prompt.open) {
        return reply(fx, answer, wrong(409, "this prompt has ended: " + prompt.result->text));
    }
    std::string code;
    if (const auto* pin = member(*body, "pin")) {
        const auto payer = state_.payers.find(prompt.push.phone);
        const Payer& who = payer == state_.payers.end() ? state_.payers["default"] : payer->second;
        code = scalar_text(pin).value_or("") == who.pin ? "0" : "2001";
    } else {
        const std::string behaviour = text_or(*body, "answer", "");
        if (behaviour == "pay") code = "0";
        if (behaviour == "cancel") code = "1032";
        if (behaviour == "insufficient") code = "1";
        if (behaviour == "wrong_pin") code = "2001";
        if (behaviour == "no_answer") code = "1037";
        if (const auto given = scalar_text(member(*body, "result_code"))) code = *given;
    }
    if (code.empty()) {
        return reply(fx, answer,
                     wrong(422,
                           "pin, or answer: pay, cancel, insufficient, wrong_pin, "
                           "no_answer, or result_code: one is required"));
    }
    answer_prompt(prompt, code, "by hand", nullptr, fx);
    reply(fx, answer, {200, compact(describe(prompt))});
}

}  // namespace flowstack::sandbox
