// The Graph API's door and the webhooks that Meta sends.
#include <algorithm>
#include <array>
#include <memory>

#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"
#include "services/sandbox/webhooks.h"

namespace flowstack::sandbox {
namespace {

// Meta retries at once and then ever more slowly for seven days; here the slowest step is 30 s and
// the last attempt comes about ten minutes after the first.
constexpr std::array kRetryAfterMs{0,      500,    1'000,  2'000,  4'000,  8'000,  15'000,
                                   30'000, 30'000, 30'000, 30'000, 30'000, 30'000, 30'000,
                                   30'000, 30'000, 30'000, 30'000, 30'000, 30'000, 30'000};

// Meta shows "typing…" this long, or until the next message.
constexpr Milliseconds kTypingShown{25'000};

constexpr std::string_view kTraceAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

GraphError no_such_object(const std::string& id, const std::string& verb) {
    GraphError error = graph_error(100, "");
    error.message = "Unsupported " + verb + " request. Object with ID '" + id +
                    "' does not exist, cannot be loaded due to missing permissions, or does not "
                    "support this operation. Please read the Graph API documentation at "
                    "https://developers.facebook.com/docs/graph-api";
    error.type = "GraphMethodException";
    error.subcode = 33;
    return error;
}

GraphError bad_token(const std::string& why) {
    GraphError error = graph_error(190, "");
    error.message = why;
    return error;
}

std::string bearer(const Call& call) {
    const std::string header = call.header("authorization");
    constexpr std::string_view kPrefix = "Bearer ";
    return header.starts_with(kPrefix) ? header.substr(kPrefix.size()) : std::string{};
}

std::string visible_text(const json::value& body, const std::string& type,
                         const TemplateAccount& account) {
    const auto* content = member(body, type);
    if (content == nullptr) return {};
    if (type == "text") return text_or(*content, "body", "");
    if (type == "contacts") return "Contact card";
    if (type == "interactive") {
        const auto* inner = member(*content, "body");
        return inner == nullptr ? std::string{} : text_or(*inner, "text", "");
    }
    if (type == "template") return template_text(body, account.templates);
    if (type == "location") return text_or(*content, "name", "Location");
    if (type == "reaction") return text_or(*content, "emoji", "");
    return text_or(*content, "caption", "");
}

}  // namespace

void Sandbox::graph(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const auto refuse_early = [&](const GraphError& error) {
        note(fx, "send_rejected",
             {{"provider", "meta"},
              {"phone_number_id", path[1]},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message},
              {"raw", call.body}});
        reply(fx, answer, {error.http, graph_error_body(error, random_text(23, kTraceAlphabet))});
    };
    const std::string token = bearer(call);
    if (token.empty()) {
        return refuse_early(bad_token("Invalid OAuth access token - Cannot parse access token"));
    }
    const auto found = state_.numbers.find(path[1]);
    if (path.size() == 2 && found == state_.numbers.end() && find_media(path[1]) != nullptr) {
        return media_by_id(call, path, answer, fx);
    }
    const bool mock = token.starts_with("mock_");
    const bool token_known =
        mock || std::any_of(state_.numbers.begin(), state_.numbers.end(),
                            [&](const auto& entry) { return entry.second.token == token; });
    if (!token_known) {
        return refuse_early(bad_token(
            "Error validating access token: Session has expired or the token is not known."));
    }
    std::string verb = call.method;
    std::transform(verb.begin(), verb.end(), verb.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (found == state_.numbers.end() && templates(call, path, token, answer, fx)) return;
    if (found == state_.numbers.end() || (!mock && found->second.token != token)) {
        return refuse_early(no_such_object(path[1], verb));
    }
    Number& number = found->second;
    if (path.size() == 3 && path[2] == "messages" && call.method == "POST") {
        return messages(call, number, answer, fx);
    }
    if (path.size() == 3 && path[2] == "media" && call.method == "POST") {
        return upload_media(call, number, answer, fx);
    }
    if (path.size() == 2 && call.method == "GET") {
        return reply(
            fx, answer,
            {200, compact(json::object{{"id", number.id},
                                       {"display_phone_number", number.display_phone_number},
                                       {"verified_name", number.name},
                                       {"code_verification_status", "VERIFIED"},
                                       {"quality_rating", "GREEN"}})});
    }
    refuse_early(no_such_object(path[1], verb));
}

void Sandbox::refuse(const Number& number, const json::value* body, const GraphError& error,
                     const Effect& effect, const Answer& answer, Effects& fx) {
    json::object line{
        {"provider", "meta"},
        {"phone_number_id", number.id},
        {"code", error.code},
        {"http_status", error.http},
        {"reason", error.message + (error.details.empty() ? "" : ": ") + error.details}};
    if (body != nullptr) {
        const auto to = text_or(*body, "to", text_or(*body, "recipient", ""));
        line["to"] = to;
        line["phone"] = dialled_digits(to).value_or(to);
        line["biz_opaque_callback_data"] = text_or(*body, "biz_opaque_callback_data", "");
        line["body"] = *body;
    }
    note(fx, "send_rejected", std::move(line));
    reply(fx, answer, {error.http, graph_error_body(error, random_text(23, kTraceAlphabet))},
          effect.latency);
}

void Sandbox::messages(const Call& call, Number& number, const Answer& answer, Effects& fx) {
    std::optional<json::value> body;
    if (call.header("content-type").starts_with("application/json")) body = parse(call.body);
    if (body && !body->is_object()) body.reset();

    FaultTarget target{"meta", "messages", number.id, "", ""};
    if (body) {
        const auto to = text_or(*body, "to", text_or(*body, "recipient", ""));
        target.phone = dialled_digits(to).value_or(to);
    }
    const Effect effect = state_.faults.take(target);
    if (effect.cut == "before") {
        note(fx, "send_rejected",
             {{"provider", "meta"},
              {"phone_number_id", number.id},
              {"phone", target.phone},
              {"reason", "connection cut before the request was looked at (knob)"}});
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (effect.error) {
        const FaultError& fault = *effect.error;
        const int code = fault.body ? 0 : std::atoi(fault.code.c_str());
        GraphError error = graph_error(code, fault.message);
        if (fault.http) error.http = *fault.http;
        if (!fault.body) return refuse(number, body ? &*body : nullptr, error, effect, answer, fx);
        note(fx, "send_rejected",
             {{"provider", "meta"},
              {"phone_number_id", number.id},
              {"phone", target.phone},
              {"http_status", fault.http.value_or(502)},
              {"reason", "answered with a foreign body (knob)"}});
        Reply foreign{fault.http.value_or(502), *fault.body, "text/html"};
        return reply(fx, answer, std::move(foreign), effect.latency);
    }
    if (!body) {
        return refuse(number, nullptr, graph_error(100, "The body is not a JSON object."), effect,
                      answer, fx);
    }

    MessageRequest request = judge_message(*body);
    if (const auto* error = std::get_if<GraphError>(&request)) {
        return refuse(number, &*body, *error, effect, answer, fx);
    }
    if (const auto* read = std::get_if<ReadRequest>(&request)) {
        const auto known = state_.inbound_wamids.find(read->message_id);
        if (known == state_.inbound_wamids.end() || known->second.first != number.id) {
            return refuse(number, &*body,
                          graph_error(131009, "message_id: no such message for this number."),
                          effect, answer, fx);
        }
        Chat& where = chat(number.id, customer_key(known->second.second));
        for (ChatMessage& message : where.messages) {
            if (message.wamid == read->message_id) message.status = "read";
        }
        if (read->typing) where.typing_until = world_.now() + kTypingShown;
        note(fx, "mark_read",
             {{"provider", "meta"},
              {"phone_number_id", number.id},
              {"wamid", read->message_id},
              {"typing", read->typing}});
        return reply(fx, answer, {200, R"({"success":true})"}, effect.latency);
    }
    accept_send(call, number, *body, std::get<SendRequest>(std::move(request)), effect, answer, fx);
}

std::optional<GraphError> Sandbox::judge_state(Number& number, const json::value& body,
                                               const SendRequest& send, const std::string& key,
                                               bool* fails_later) {
    const Time now = world_.now();
    if (!number.throughput.allows(now, number.throughput_per_s_max)) {
        return graph_error(130429, "Cloud API message throughput has been reached.");
    }
    if (send.phone == number.display_phone_number) {
        return graph_error(131021, "Recipient phone number cannot be sender phone number.");
    }
    if (number.allow_list_on && !number.allow_list.contains(key)) {
        return graph_error(131030,
                           "Recipient phone number not in allowed list: Add recipient phone "
                           "number to recipient list and try again.");
    }
    if (!number.pairs[key].allows(now, number.pair_interval, number.pair_burst_max)) {
        return graph_error(131056,
                           "Message failed to send because there were too many messages sent "
                           "from this phone number to the same phone number in a short period of "
                           "time.");
    }
    if (auto error = judge_files(number, body)) return error;
    if (send.type == "template")
        return judge_template(body, template_account(number.waba_id).templates);
    const auto it = state_.chats.find({number.id, key});
    const bool open =
        it != state_.chats.end() && it->second.last_inbound + number.window_length > now;
    if (!open && number.window != "off") {
        if (number.window == "status") {
            *fails_later = true;
            return std::nullopt;
        }
        return graph_error(131047,
                           "Message failed to send because more than 24 hours have passed since "
                           "the customer last replied to this number.");
    }
    return std::nullopt;
}

void Sandbox::accept_send(const Call& call, Number& number, const json::value& body,
                          SendRequest send, const Effect& effect, const Answer& answer,
                          Effects& fx) {
    if (!send.phone.empty() && !send.had_plus && !number.country_code.empty() &&
        !send.phone.starts_with(number.country_code)) {
        // Meta may take a number without '+' for a national one, and so do we.
        send.phone = number.country_code + send.phone;
    }
    const std::string key = customer_key(send.phone.empty() ? send.user_id : send.phone);
    bool fails_later = false;
    if (const auto error = judge_state(number, body, send, key, &fails_later)) {
        return refuse(number, &body, *error, effect, answer, fx);
    }
    const Time now = world_.now();
    number.throughput.take(now);
    number.pairs[key].take(now, number.pair_interval);

    Customer& to = customer(key);
    ChatMessage message;
    message.wamid = new_wamid(to.key);
    message.type = send.type;
    if (const auto* content = object_at(body, send.type)) message.content = *content;
    if (const auto* cards = array_at(body, send.type)) message.content["cards"] = *cards;
    message.text = visible_text(body, send.type, template_account(number.waba_id));
    message.context_id = send.context_id;
    message.status = "accepted";
    message.biz_opaque_callback_data = send.biz_opaque_callback_data;
    const std::string wamid = message.wamid;
    Chat& where = chat(number.id, key);
    where.typing_until = {};
    add_message(where, std::move(message), fx);
    note(fx, "send_accepted",
         {{"provider", "meta"},
          {"phone_number_id", number.id},
          {"phone", to.key},
          {"to", send.input},
          {"wamid", wamid},
          {"type", send.type},
          {"biz_opaque_callback_data", send.biz_opaque_callback_data},
          {"graph_version", call.path.substr(1, call.path.find('/', 1) - 1)},
          {"body", body}});

    json::object contact{{"input", send.input}};
    if (!to.phone.empty() && !to.phone_hidden) contact["wa_id"] = to.phone;
    if (!to.user_id.empty() && send.phone.empty()) contact["user_id"] = to.user_id;
    json::object sent{{"id", wamid}};
    if (send.type == "template") sent["message_status"] = "accepted";
    json::array contacts;
    contacts.emplace_back(std::move(contact));
    json::array messages_;
    messages_.emplace_back(std::move(sent));
    json::object document;
    document["messaging_product"] = "whatsapp";
    document["contacts"] = std::move(contacts);
    document["messages"] = std::move(messages_);
    Reply accepted{200, compact(document)};
    if (effect.cut == "after") accepted.cut = true;

    StatusPlan plan{
        number.id,      key, wamid, send.biz_opaque_callback_data, send.type == "template",
        effect.statuses};
    if (fails_later && !plan.fault.fail) plan.fault.fail = 131047;
    if (plan.fault.before_answer && !plan.fault.fail) {
        send_status(
            plan, "sent", std::nullopt, 1,
            [this, answer, accepted, latency = effect.latency](Effects& inner) {
                reply(inner, answer, accepted, latency);
            },
            fx);
        plan_statuses(number, plan, true, fx);
        return;
    }
    reply(fx, answer, std::move(accepted), effect.latency);
    plan_statuses(number, plan, false, fx);
}

void Sandbox::plan_statuses(const Number& number, const StatusPlan& plan, bool early_sent,
                            Effects& fx) {
    if (plan.fault.fail) {
        later(fx, number.sent_after.value_or(Milliseconds{20}) + plan.fault.delay,
              [this, plan](Effects& inner) {
                  send_status(plan, "failed", plan.fault.fail, 1 + plan.fault.duplicates, nullptr,
                              inner);
              });
        return;
    }
    struct Step {
        const char* status;
        std::optional<Milliseconds> after;
    };
    std::array steps{Step{"sent", number.sent_after}, Step{"delivered", number.delivered_after},
                     Step{"read", number.read_after}};
    if (plan.fault.reverse) std::swap(steps[0].after, steps[2].after);
    for (const Step& step : steps) {
        if (!step.after || (early_sent && std::string_view{step.status} == "sent")) continue;
        if (plan.fault.lose.contains(step.status)) {
            note(fx, "status_lost",
                 {{"phone_number_id", plan.number_id},
                  {"phone", plan.customer_key},
                  {"wamid", plan.wamid},
                  {"status", step.status}});
            continue;
        }
        later(fx, *step.after + plan.fault.delay,
              [this, plan, status = std::string{step.status}](Effects& inner) {
                  send_status(plan, status, std::nullopt, 1 + plan.fault.duplicates, nullptr,
                              inner);
              });
    }
}

json::object Sandbox::status_value(const Number& number, const Customer& to, const StatusPlan& plan,
                                   const std::string& status, std::optional<int> error) {
    json::object value = change_value(number);
    if (status != "failed") {
        json::array contacts;
        contacts.emplace_back(contact_object(to));
        value["contacts"] = std::move(contacts);
    }
    json::array statuses;
    statuses.emplace_back(status_object(plan.wamid, status, world_.now(), to, plan.biz,
                                        plan.template_message, error.value_or(0)));
    value["statuses"] = std::move(statuses);
    return value;
}

void Sandbox::send_status(const StatusPlan& plan, const std::string& status,
                          std::optional<int> error, int copies, std::function<void(Effects&)> then,
                          Effects& fx) {
    const auto it = state_.numbers.find(plan.number_id);
    if (it == state_.numbers.end()) return;
    const Number& number = it->second;
    constexpr std::array<std::string_view, 4> kRank{"accepted", "sent", "delivered", "read"};
    const auto rank = [&](std::string_view name) {
        return std::find(kRank.begin(), kRank.end(), name) - kRank.begin();
    };
    for (ChatMessage& message : chat(plan.number_id, plan.customer_key).messages) {
        if (message.wamid == plan.wamid && rank(status) > rank(message.status)) {
            message.status = status;
        }
    }
    Delivery delivery;
    delivery.number_id = number.id;
    delivery.phone = plan.customer_key;
    delivery.url = number.webhook_url;
    std::vector<Change> changes;
    changes.push_back({number.waba_id, "messages",
                       status_value(number, customer(plan.customer_key), plan, status, error)});
    delivery.body = meta_text(envelope(std::move(changes)));
    delivery.signature = hub_signature(number.app_secret, delivery.body);
    delivery.what = "status:" + status;
    delivery.wamids = {plan.wamid};
    for (int copy = 0; copy < copies; ++copy) {
        auto first = std::function<void(PostResult, Effects&)>{};
        if (copy == 0 && then) {
            first = [then](const PostResult&, Effects& inner) { then(inner); };
        }
        deliver(delivery, std::move(first), fx);
    }
    wake(fx);
}

namespace {

// The next of several doors that stand between commas, in turns, as a balancer would choose.
std::string next_door(std::string_view doors, std::uint64_t turn) {
    const auto count = static_cast<std::uint64_t>(std::count(doors.begin(), doors.end(), ',')) + 1;
    for (auto skip = turn % count; skip > 0; --skip) doors.remove_prefix(doors.find(',') + 1);
    return std::string(doors.substr(0, doors.find(',')));
}

}  // namespace

void Sandbox::deliver(Delivery delivery, std::function<void(PostResult, Effects&)> first,
                      Effects& fx) {
    Outgoing out;
    out.url = next_door(delivery.url, state_.deliveries++);
    out.headers = {{"Content-Type", "application/json"}, {"User-Agent", "facebookexternalua"}};
    if (!delivery.signature.empty()) {
        out.headers.emplace_back("X-Hub-Signature-256", delivery.signature);
    }
    out.body = delivery.body;
    const Time began = world_.now();
    post(fx, std::move(out),
         [this, began, delivery = std::move(delivery), first = std::move(first)](
             PostResult result, Effects& inner) mutable {
             json::array wamids;
             for (const auto& wamid : delivery.wamids) wamids.emplace_back(wamid);
             note(inner, "webhook_sent",
                  {{"provider", "meta"},
                   {"phone_number_id", delivery.number_id},
                   {"phone", delivery.phone},
                   {"what", delivery.what},
                   {"wamids", std::move(wamids)},
                   {"attempt", static_cast<std::int64_t>(delivery.attempt + 1)},
                   {"http_status", result.status},
                   {"retry_after", result.retry_after},
                   {"took_us", (world_.now() - began).count()},
                   {"error", result.error},
                   {"signature", delivery.signature},
                   {"body", delivery.body}});
             if (first) first(result, inner);
             if (result.status == 200 || !delivery.retry ||
                 delivery.attempt >= kRetryAfterMs.size()) {
                 return;
             }
             const Milliseconds pause{kRetryAfterMs.at(delivery.attempt)};
             ++delivery.attempt;
             later(inner, pause,
                   [this, delivery](Effects& again) { deliver(delivery, nullptr, again); });
         });
}

Chat& Sandbox::chat(const std::string& number_id, const std::string& customer_key) {
    Chat& found = state_.chats[{number_id, customer_key}];
    found.number_id = number_id;
    found.customer_key = customer_key;
    return found;
}

void Sandbox::add_message(Chat& where, ChatMessage message, Effects& fx) {
    message.seq = ++state_.sequence;
    message.at = world_.now();
    where.messages.push_back(std::move(message));
    if (where.messages.size() > Chat::kMessagesMax) where.messages.erase(where.messages.begin());
    wake(fx);
}

}  // namespace flowstack::sandbox
