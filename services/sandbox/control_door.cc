// The control API: registering numbers, short codes and payers, the knobs, and the record.
// README.md documents every path.
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "services/sandbox/control_values.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

// Applies members of a control document to a struct, and remembers the first that does not fit.
class Setter {
public:
    Setter(const json::value& document, std::initializer_list<std::string_view> also_allowed)
        : document_(document), allowed_(also_allowed) {}

    void text(std::string_view name, std::string& into) {
        if (const auto* value = get(name)) {
            if (const auto found = scalar_text(value)) {
                into = *found;
            } else {
                fail(name, "must be a string");
            }
        }
    }
    void digits(std::string_view name, std::string& into) {
        text(name, into);
        std::erase_if(into, [](char c) { return c == '+' || c == ' ' || c == '-'; });
        if (into.find_first_not_of("0123456789") != std::string::npos) fail(name, "digits only");
    }
    void choice(std::string_view name, std::string& into,
                std::initializer_list<std::string_view> allowed) {
        std::string found = into;
        text(name, found);
        for (const auto option : allowed) {
            if (found == option) {
                into = found;
                return;
            }
        }
        fail(name, "\"" + found + "\" is not allowed here");
    }
    template <class Integer>
    void number(std::string_view name, Integer& into) {
        if (const auto* value = get(name)) {
            if (value->is_int64() && value->get_int64() >= 0) {
                into = static_cast<Integer>(value->get_int64());
            } else {
                fail(name, "must be a whole number, 0 or more");
            }
        }
    }
    void milliseconds(std::string_view name, Milliseconds& into) {
        std::int64_t value = into.count();
        number(name, value);
        into = Milliseconds{value};
    }
    void optional_milliseconds(std::string_view name, std::optional<Milliseconds>& into) {
        const auto* value = get(name);
        if (value == nullptr) return;
        if (value->is_null()) {
            into.reset();
        } else {
            Milliseconds found{0};
            milliseconds(name, found);
            into = found;
        }
    }
    void flag(std::string_view name, bool& into) {
        if (const auto* value = get(name)) {
            if (value->is_bool()) {
                into = value->get_bool();
            } else {
                fail(name, "must be true or false");
            }
        }
    }
    const json::value* get(std::string_view name) {
        allowed_.push_back(name);
        return member(document_, name);
    }
    void fail(std::string_view name, const std::string& why) {
        if (mistake_.empty()) mistake_ = std::string{name} + ": " + why;
    }
    // Call last: a member that nobody asked for is a mistake too.
    const std::string& mistake() {
        if (!document_.is_object()) return mistake_ = "the body must be one JSON object";
        for (const auto& [key, value] : document_.get_object()) {
            const std::string_view name{key.data(), key.size()};
            if (std::find(allowed_.begin(), allowed_.end(), name) == allowed_.end()) {
                fail(name, "is not known here");
            }
        }
        return mistake_;
    }

private:
    const json::value& document_;
    std::vector<std::string_view> allowed_;
    std::string mistake_;
};

// Of a number or a sender: null lets everybody in.
template <class Business>
void set_allow_list(Setter& set, Business& business) {
    const auto* list = set.get("allow_list");
    if (list == nullptr) return;
    business.allow_list.clear();
    business.allow_list_on = list->is_array();
    if (list->is_array()) {
        for (const auto& phone : list->get_array()) {
            const auto text = scalar_text(&phone).value_or("");
            business.allow_list.insert(dialled_digits(text).value_or(text));
        }
    } else if (!list->is_null()) {
        set.fail("allow_list", "must be a list of phones or null");
    }
}

// Those that the account has from now on.
void set_templates(Setter& set, TemplateAccount& account,
                   const std::function<std::string()>& new_id) {
    set.number("templates_max", account.templates_max);
    const auto* list = set.get("templates");
    if (list == nullptr) return;
    if (!list->is_array()) return set.fail("templates", "must be a list");
    account.templates.clear();
    for (const json::value& entry : list->get_array()) {
        Template one;
        one.name = text_or(entry, "name", "");
        one.language = text_or(entry, "language", "en");
        one.category = text_or(entry, "category", "UTILITY");
        one.status = text_or(entry, "status", "APPROVED");
        one.body = text_or(entry, "body", "");
        one.body_parameters = static_cast<int>(int_or(entry, "body_parameters", 0));
        one.header = text_or(entry, "header", "");
        one.cards = static_cast<int>(int_or(entry, "cards", 0));
        const auto texts = [&](std::string_view name, std::vector<std::string>& into) {
            const auto* items = array_at(entry, name);
            if (items == nullptr) return;
            for (const json::value& item : *items) into.push_back(scalar_text(&item).value_or(""));
        };
        texts("buttons", one.buttons);
        texts("names", one.names);
        if (!one.names.empty()) one.body_parameters = static_cast<int>(one.names.size());
        if (one.name.empty()) return set.fail("templates", "each needs a name");
        one.id = new_id();
        account.templates.emplace(one.name, one);
    }
}

json::object describe_number(const Number& number) {
    return {{"phone_number_id", number.id},
            {"waba_id", number.waba_id},
            {"display_phone_number", number.display_phone_number},
            {"name", number.name},
            {"webhook_url", number.webhook_url},
            {"throughput_per_s_max", number.throughput_per_s_max},
            {"pair_interval_ms", number.pair_interval.count()},
            {"pair_burst_max", number.pair_burst_max},
            {"window", number.window},
            {"window_ms", number.window_length.count()}};
}

void set_contents(Setter& set, TwilioSender& sender) {
    const auto* list = set.get("contents");
    if (list == nullptr) return;
    if (!list->is_array()) return set.fail("contents", "must be a list");
    sender.contents.clear();
    for (const json::value& entry : list->get_array()) {
        TwilioContent one;
        one.sid = text_or(entry, "sid", "");
        one.body = text_or(entry, "body", "");
        one.variables = static_cast<int>(int_or(entry, "variables", 0));
        if (one.sid.empty()) return set.fail("contents", "each needs a sid");
        sender.contents.emplace(one.sid, one);
    }
}

json::object describe_sender(const TwilioSender& sender) {
    return {{"number", sender.number},
            {"account_sid", sender.account_sid},
            {"messaging_service_sid", sender.messaging_service_sid},
            {"display_phone_number", sender.number.substr(1)},
            {"name", sender.name},
            {"webhook_url", sender.webhook_url},
            {"throughput_per_s_max", sender.throughput_per_s_max},
            {"pair_interval_ms", sender.pair_interval.count()},
            {"pair_burst_max", sender.pair_burst_max},
            {"window", sender.window},
            {"window_ms", sender.window_length.count()}};
}

json::object describe_shortcode(const Shortcode& code) {
    return {{"shortcode", code.code},
            {"name", code.name},
            {"consumer_key", code.consumer_key},
            {"callback_delay_ms", code.callback_delay.count()},
            {"prompt_timeout_ms", code.prompt_timeout.count()},
            {"same_amount_window_ms", code.same_amount_window.count()},
            {"pending_query", code.pending_query}};
}

}  // namespace

void Sandbox::control(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const std::string door = path.size() > 1 ? path[1] : "";
    if (door == "numbers") return control_numbers(call, path, answer, fx);
    if (door == "senders") return control_senders(call, path, answer, fx);
    if (door == "shortcodes") return control_shortcodes(call, path, answer, fx);
    if (door == "accounts") return control_accounts(call, path, answer, fx);
    if (door == "checkouts") return control_checkouts(call, path, answer, fx);
    if (door == "payers") return control_payers(call, path, answer, fx);
    if (door == "templates") return control_templates(call, answer, fx);
    if (door == "faults") return control_faults(call, path, answer, fx);
    if (door == "customers") return control_customers(call, path, answer, fx);
    if (door == "chats") return control_chats(call, path, answer, fx);
    if (door == "prompts") return control_prompts(call, path, answer, fx);
    if (door == "record") return control_record(call, answer, fx);
    if (door == "webhooks") return control_webhooks(call, answer, fx);
    if (door == "callbacks") return control_callbacks(call, answer, fx);
    reply(
        fx, answer,
        wrong(404,
              "no such control path; known: numbers, senders, templates, shortcodes, accounts, "
              "checkouts, payers, faults, customers, chats, prompts, record, webhooks, callbacks"));
}

void Sandbox::control_numbers(const Call& call, const Path& path, const Answer& answer,
                              Effects& fx) {
    if (call.method == "GET") {
        json::array list;
        for (const auto& [id, number] : state_.numbers) {
            if (path.size() < 3 || path[2] == id) list.emplace_back(describe_number(number));
        }
        return reply(fx, answer, {200, compact(json::object{{"numbers", std::move(list)}})});
    }
    if (path.size() == 3 && call.method == "DELETE") {
        state_.numbers.erase(path[2]);
        return reply(fx, answer, {200, R"({"ok":true})"});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string id = path.size() == 3 ? path[2] : text_or(*body, "phone_number_id", "");
    if (id.empty()) return reply(fx, answer, wrong(422, "phone_number_id: is required"));
    const auto before = state_.numbers.find(id);
    Number number = before == state_.numbers.end() ? Number{} : before->second;
    number.id = id;
    if (number.waba_id.empty()) number.waba_id = "waba" + id;

    Setter set{*body, {"phone_number_id"}};
    set.text("waba_id", number.waba_id);
    set.text("token", number.token);
    set.text("app_secret", number.app_secret);
    set.text("webhook_url", number.webhook_url);
    set.digits("display_phone_number", number.display_phone_number);
    set.text("name", number.name);
    set.digits("country_code", number.country_code);
    set.number("throughput_per_s_max", number.throughput_per_s_max);
    set.milliseconds("pair_interval_ms", number.pair_interval);
    set.number("pair_burst_max", number.pair_burst_max);
    set.choice("window", number.window, {"reject", "status", "off"});
    set.milliseconds("window_ms", number.window_length);
    set.optional_milliseconds("sent_after_ms", number.sent_after);
    set.optional_milliseconds("delivered_after_ms", number.delivered_after);
    set.optional_milliseconds("read_after_ms", number.read_after);
    set_allow_list(set, number);
    auto account = template_account(number.waba_id);
    set_templates(set, account, [this] { return random_text(15, "123456789"); });
    if (!set.mistake().empty()) return reply(fx, answer, wrong(422, set.mistake()));
    for (const auto& [name, value] : {std::pair{"app_secret", &number.app_secret},
                                      {"webhook_url", &number.webhook_url},
                                      {"display_phone_number", &number.display_phone_number}}) {
        if (value->empty()) {
            return reply(fx, answer, wrong(422, std::string{name} + ": is required"));
        }
    }
    if (number.name.empty()) number.name = "+" + number.display_phone_number;
    const json::object described = describe_number(number);
    state_.accounts[number.waba_id] = std::move(account);
    state_.numbers[id] = std::move(number);
    wake(fx);
    reply(fx, answer, {200, compact(described)});
}

void Sandbox::control_senders(const Call& call, const Path& path, const Answer& answer,
                              Effects& fx) {
    if (call.method == "GET") {
        json::array list;
        for (const auto& [number, sender] : state_.senders) {
            if (path.size() < 3 || path[2] == number) list.emplace_back(describe_sender(sender));
        }
        return reply(fx, answer, {200, compact(json::object{{"senders", std::move(list)}})});
    }
    if (path.size() == 3 && call.method == "DELETE") {
        state_.senders.erase(path[2]);
        return reply(fx, answer, {200, R"({"ok":true})"});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string number = path.size() == 3 ? path[2] : text_or(*body, "number", "");
    if (!number.starts_with('+') || "+" + dialled_digits(number).value_or("") != number) {
        return reply(fx, answer, wrong(422, "number: is required, like +14155238886"));
    }
    const auto before = state_.senders.find(number);
    TwilioSender sender = before == state_.senders.end() ? TwilioSender{} : before->second;
    sender.number = number;

    Setter set{*body, {"number"}};
    set.text("account_sid", sender.account_sid);
    set.text("auth_token", sender.auth_token);
    set.text("secondary_auth_token", sender.secondary_auth_token);
    set.text("api_key_sid", sender.api_key_sid);
    set.text("api_key_secret", sender.api_key_secret);
    set.text("messaging_service_sid", sender.messaging_service_sid);
    set.text("webhook_url", sender.webhook_url);
    set.text("name", sender.name);
    set.number("throughput_per_s_max", sender.throughput_per_s_max);
    set.milliseconds("pair_interval_ms", sender.pair_interval);
    set.number("pair_burst_max", sender.pair_burst_max);
    set.choice("window", sender.window, {"status", "off"});
    set.milliseconds("window_ms", sender.window_length);
    set.optional_milliseconds("sent_after_ms", sender.sent_after);
    set.optional_milliseconds("delivered_after_ms", sender.delivered_after);
    set.optional_milliseconds("read_after_ms", sender.read_after);
    set_allow_list(set, sender);
    set_contents(set, sender);
    if (!set.mistake().empty()) return reply(fx, answer, wrong(422, set.mistake()));
    for (const auto& [name, value] : {std::pair{"account_sid", &sender.account_sid},
                                      {"auth_token", &sender.auth_token},
                                      {"webhook_url", &sender.webhook_url}}) {
        if (value->empty()) {
            return reply(fx, answer, wrong(422, std::string{name} + ": is required"));
        }
    }
    if (sender.name.empty()) sender.name = number;
    const json::object described = describe_sender(sender);
    state_.senders[number] = std::move(sender);
    wake(fx);
    reply(fx, answer, {200, compact(described)});
}

void Sandbox::control_shortcodes(const Call& call, const Path& path, const Answer& answer,
                                 Effects& fx) {
    if (call.method == "GET") {
        json::array list;
        for (const auto& [code, shortcode] : state_.shortcodes) {
            list.emplace_back(describe_shortcode(shortcode));
        }
        return reply(fx, answer, {200, compact(json::object{{"shortcodes", std::move(list)}})});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string id =
        path.size() == 3 ? path[2] : scalar_text(member(*body, "shortcode")).value_or("");
    if (id.empty()) return reply(fx, answer, wrong(422, "shortcode: is required"));
    const auto before = state_.shortcodes.find(id);
    Shortcode code = before == state_.shortcodes.end() ? Shortcode{} : before->second;
    code.code = id;

    Setter set{*body, {"shortcode"}};
    set.text("name", code.name);
    set.text("passkey", code.passkey);
    set.text("consumer_key", code.consumer_key);
    set.text("consumer_secret", code.consumer_secret);
    std::string expires_in = code.expires_in_is_text ? "string" : "number";
    set.choice("expires_in", expires_in, {"string", "number"});
    code.expires_in_is_text = expires_in == "string";
    set.number("token_ttl_s", code.token_ttl_s);
    set.milliseconds("callback_delay_ms", code.callback_delay);
    set.milliseconds("prompt_timeout_ms", code.prompt_timeout);
    set.milliseconds("same_amount_window_ms", code.same_amount_window);
    set.choice("pending_query", code.pending_query,
               {"4999", "processing_500", "processing_200", "empty_500"});
    set.number("queries_per_s_max", code.queries_per_s_max);
    set.flag("https_only", code.https_only);
    if (!set.mistake().empty()) return reply(fx, answer, wrong(422, set.mistake()));
    for (const auto& [name, value] : {std::pair{"passkey", &code.passkey},
                                      {"consumer_key", &code.consumer_key},
                                      {"consumer_secret", &code.consumer_secret}}) {
        if (value->empty()) {
            return reply(fx, answer, wrong(422, std::string{name} + ": is required"));
        }
    }
    if (code.name.empty()) code.name = "Pay bill " + id;
    const json::object described = describe_shortcode(code);
    state_.shortcodes[id] = std::move(code);
    reply(fx, answer, {200, compact(described)});
}

void Sandbox::control_accounts(const Call& call, const Path& path, const Answer& answer,
                               Effects& fx) {
    const auto described = [](const StripeAccount& account) {
        return json::object{{"account", account.id},
                            {"webhook_url", account.webhook_url},
                            {"payer", account.payer},
                            {"payer_delay_ms", account.payer_delay.count()},
                            {"webhook_delay_ms", account.webhook_delay.count()}};
    };
    if (call.method == "GET") {
        json::array list;
        for (const auto& [id, account] : state_.stripe_accounts) {
            list.emplace_back(described(account));
        }
        return reply(fx, answer, {200, compact(json::object{{"accounts", std::move(list)}})});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string id = path.size() == 3 ? path[2] : text_or(*body, "account", "");
    if (!id.starts_with("acct_")) {
        return reply(fx, answer, wrong(422, "account: is required, like acct_1A2b"));
    }
    const auto before = state_.stripe_accounts.find(id);
    StripeAccount account =
        before == state_.stripe_accounts.end() ? StripeAccount{} : before->second;
    account.id = id;
    Setter set{*body, {"account"}};
    set.text("secret_key", account.secret_key);
    set.text("webhook_secret", account.webhook_secret);
    set.text("webhook_secret_other", account.webhook_secret_other);
    set.text("webhook_url", account.webhook_url);
    set.choice("payer", account.payer, {"manual", "pay"});
    set.milliseconds("payer_delay_ms", account.payer_delay);
    set.milliseconds("webhook_delay_ms", account.webhook_delay);
    if (!set.mistake().empty()) return reply(fx, answer, wrong(422, set.mistake()));
    for (const auto& [name, value] : {std::pair{"secret_key", &account.secret_key},
                                      {"webhook_secret", &account.webhook_secret},
                                      {"webhook_url", &account.webhook_url}}) {
        if (value->empty()) {
            return reply(fx, answer, wrong(422, std::string{name} + ": is required"));
        }
    }
    const json::object described_now = described(account);
    state_.stripe_accounts[id] = std::move(account);
    reply(fx, answer, {200, compact(described_now)});
}

void Sandbox::control_payers(const Call& call, const Path& path, const Answer& answer,
                             Effects& fx) {
    if (call.method == "GET" || path.size() != 3) {
        json::object list;
        for (const auto& [phone, payer] : state_.payers) {
            list[phone] = {{"behaviour", payer.behaviour}, {"delay_ms", payer.delay.count()}};
        }
        return reply(fx, answer, {200, compact(list)});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string phone = path[2] == "default" ? path[2] : dialled_digits(path[2]).value_or("");
    if (phone.empty()) return reply(fx, answer, wrong(422, "the path needs a phone or default"));
    const auto before = state_.payers.find(phone);
    Payer payer = before == state_.payers.end() ? state_.payers["default"] : before->second;
    Setter set{*body, {}};
    set.choice("behaviour", payer.behaviour,
               {"manual", "pay", "cancel", "insufficient", "no_answer", "wrong_pin"});
    set.milliseconds("delay_ms", payer.delay);
    set.text("pin", payer.pin);
    if (const auto* balance = set.get("balance")) {
        if (balance->is_int64()) {
            payer.balance = balance->get_int64();
        } else if (balance->is_null()) {
            payer.balance.reset();
        } else {
            set.fail("balance", "must be whole shillings or null");
        }
    }
    if (const auto* script = set.get("script")) {
        payer.script.clear();
        if (!script->is_array())
            set.fail("script", "must be a list of behaviours");
        else {
            for (const auto& step : script->get_array()) {
                payer.script.push_back(scalar_text(&step).value_or(""));
                if (!is_payer_behaviour(payer.script.back())) {
                    set.fail("script", "\"" + payer.script.back() + "\" is no behaviour");
                }
            }
        }
    }
    if (!set.mistake().empty()) return reply(fx, answer, wrong(422, set.mistake()));
    state_.payers[phone] = std::move(payer);
    reply(fx, answer, {200, R"({"ok":true})"});
}

void Sandbox::control_faults(const Call& call, const Path& path, const Answer& answer,
                             Effects& fx) {
    if (call.method == "GET") {
        return reply(fx, answer, {200, compact(json::object{{"faults", state_.faults.list()}})});
    }
    if (call.method == "DELETE") {
        if (path.size() == 3) {
            if (!state_.faults.remove(whole(path[2], 0))) {
                return reply(fx, answer, wrong(404, "no such fault, or it is used up"));
            }
        } else {
            state_.faults.clear();
        }
        return reply(fx, answer, {200, R"({"ok":true})"});
    }
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    auto fault = parse_fault(*body);
    if (const auto* mistake = std::get_if<std::string>(&fault)) {
        return reply(fx, answer, wrong(422, *mistake));
    }
    const auto id = state_.faults.add(std::get<Fault>(std::move(fault)));
    reply(fx, answer, {201, compact(json::object{{"id", id}})});
}

void Sandbox::control_record(const Call& call, const Answer& answer, Effects& fx) {
    Record::Filter filter;
    filter.after = whole(call.parameter("after"), 0);
    filter.limit = static_cast<std::size_t>(
        whole(call.parameter("limit"), static_cast<std::int64_t>(Record::kPageMax)));
    filter.number = call.parameter("number");
    filter.phone = call.parameter("phone");
    filter.kind = call.parameter("kind");
    filter.shortcode = call.parameter("shortcode");
    if (filter.phone.starts_with('+') || filter.phone.starts_with(' ')) filter.phone.erase(0, 1);
    wait(
        Milliseconds{whole(call.parameter("wait_ms"), 0)},
        [this, filter](bool last_chance) mutable -> std::optional<std::string> {
            Record::Page page = record_.page(filter);
            if (page.count == 0 && !last_chance) {
                filter.after = page.last;  // what did not fit once is not looked at again
                return std::nullopt;
            }
            return std::move(page.text);
        },
        answer, fx);
}

void Sandbox::control_callbacks(const Call& call, const Answer& answer, Effects& fx) {
    const auto body = parse(call.body);
    if (!body) return reply(fx, answer, wrong(400, "the body is not JSON"));
    const std::string url = text_or(*body, "url", "");
    if (url.empty()) return reply(fx, answer, wrong(422, "url: is required"));
    const auto* content = member(*body, "body");
    std::string bytes;
    if (content != nullptr) {
        bytes = content->is_string() ? std::string{content->get_string()} : compact(*content);
    }
    Outgoing out{url, {{"Content-Type", "application/json;charset=UTF-8"}}, bytes};
    post(fx, std::move(out), [this, url, bytes, answer](const PostResult& result, Effects& inner) {
        note(inner, "callback_sent",
             {{"provider", "daraja"},
              {"what", "by hand"},
              {"url", url},
              {"http_status", result.status},
              {"error", result.error},
              {"body", bytes}});
        reply(inner, answer,
              {200, compact(json::object{{"http_status", result.status}, {"body", result.body}})});
    });
}

}  // namespace flowstack::sandbox
