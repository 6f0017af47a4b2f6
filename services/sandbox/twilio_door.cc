// Twilio's Messages resource, the webhooks that Twilio sends, and what customers of its senders
// say.
#include <algorithm>
#include <array>
#include <memory>

#include "services/sandbox/control_values.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::string_view kSidDigits = "0123456789abcdef";
// Until somebody deletes it; here nobody waits for longer.
constexpr Milliseconds kFileKept{30LL * 24 * 3600 * 1000};
constexpr Milliseconds kStoreAddressGood{4LL * 3600 * 1000};
constexpr std::string_view kApiVersion = "2010-04-01";
constexpr int kSaysMax = 1'000;

// The address as Twilio writes it.
std::string whatsapp(const std::string& key) {
    return is_user_id(key) ? "whatsapp:" + key : "whatsapp:+" + key;
}

bool may_call(const Call& call, const TwilioSender& sender) {
    constexpr std::string_view kBasic = "Basic ";
    const std::string header = call.header("authorization");
    if (!header.starts_with(kBasic)) return false;
    const auto given = from_base64(header.substr(kBasic.size()));
    if (!given) return false;
    for (const std::string& right : {sender.account_sid + ":" + sender.auth_token,
                                     sender.account_sid + ":" + sender.secondary_auth_token,
                                     sender.api_key_sid + ":" + sender.api_key_secret}) {
        if (*given == right && !right.starts_with(':') && !right.ends_with(':')) return true;
    }
    return false;
}

// The account's first sender, when the call may be made for it; the end when there is none.
auto account_of(std::map<std::string, TwilioSender>& senders, const Call& call,
                const std::string& sid) {
    return std::find_if(senders.begin(), senders.end(), [&](const auto& entry) {
        return entry.second.account_sid == sid && may_call(call, entry.second);
    });
}

// Twilio's webhook, signed as the knob says.
std::string signature_of(const std::string& how, const TwilioSender& sender, const std::string& url,
                         const Form& form) {
    if (how == "missing") return "";
    if (how == "wrong") return twilio_signature(sender.auth_token + "x", url, form);
    if (how == "other_url") return twilio_signature(sender.auth_token, url + "/", form);
    if (how == "other_body") {
        Form other = form;
        other.emplace_back("Extra", "1");
        return twilio_signature(sender.auth_token, url, other);
    }
    if (how.starts_with("secret:")) return twilio_signature(how.substr(7), url, form);
    return twilio_signature(sender.auth_token, url, form);
}

bool is_signature_kind(const std::string& how) {
    return how.empty() || how == "good" || how == "missing" || how == "wrong" ||
           how == "other_url" || how == "other_body" || how.starts_with("secret:");
}

bool can_get_further(const std::string& from, const std::string& to) {
    constexpr std::array<std::string_view, 4> kRank{"accepted", "sent", "delivered", "read"};
    const auto rank = [&](std::string_view name) {
        return std::find(kRank.begin(), kRank.end(), name) - kRank.begin();
    };
    return rank(to) > rank(from);
}

json::object as_json(const Form& form) {
    json::object document;
    for (const auto& [name, value] : form) document[name] = value;
    return document;
}

// Collects the answers of several copies of one webhook.
struct Copies {
    std::size_t left = 0;
    json::object document;
    json::array statuses;
};

}  // namespace

// ---------------------------------------------------------------- what it is called with

void Sandbox::twilio(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const auto refuse_early = [&](const TwilioError& error) {
        note(fx, "send_rejected",
             {{"provider", "twilio"},
              {"code", error.code},
              {"http_status", error.http},
              {"reason", error.message},
              {"raw", call.body}});
        reply(fx, answer, {error.http, twilio_error_body(error)});
    };
    if (path.size() == 7 && path[1] == "Accounts" && path[3] == "Messages" && path[5] == "Media" &&
        call.method == "GET") {
        return twilio_file(call, path, answer, fx);
    }
    const bool is_send = path.size() == 4 && path[0] == kApiVersion && path[1] == "Accounts" &&
                         path[3] == "Messages.json" && call.method == "POST";
    if (!is_send) return refuse_early(twilio_error(20404, call.path));
    const auto account = account_of(state_.senders, call, path[2]);
    if (account == state_.senders.end()) return refuse_early(twilio_error(20003));

    std::optional<Form> form;
    if (call.header("content-type").starts_with("application/x-www-form-urlencoded")) {
        form = read_form(call.body);
    }
    const auto judged =
        form
            ? judge_twilio_send(*form)
            : std::variant<TwilioSend, TwilioError>(twilio_error(21604, "The body is not a form."));
    TwilioSender* sender = nullptr;
    const auto* send = std::get_if<TwilioSend>(&judged);
    for (auto& [number, each] : state_.senders) {
        if (send != nullptr && each.account_sid == path[2] &&
            (send->from.empty() ? each.messaging_service_sid == send->service
                                : number == send->from)) {
            sender = &each;
        }
    }
    if (sender == nullptr && send != nullptr) {
        return refuse_early(send->from.empty() ? twilio_error(21701, send->service)
                                               : twilio_error(63007, send->from));
    }
    // A body that cannot be read names no sender: the account's first one stands for the knobs.
    if (sender == nullptr) sender = &account->second;

    const Effect effect = state_.faults.take(
        {"twilio", "messages", sender->number, send == nullptr ? "" : send->to, ""});
    const auto refuse = [&](const TwilioError& error) {
        json::object line{{"provider", "twilio"},
                          {"phone_number_id", sender->number},
                          {"code", error.code},
                          {"http_status", error.http},
                          {"reason", error.message}};
        if (send != nullptr) {
            line["phone"] = send->to;
            line["biz_opaque_callback_data"] = send->status_callback;
        }
        if (form) line["body"] = as_json(*form);
        note(fx, "send_rejected", std::move(line));
        reply(fx, answer, {error.http, twilio_error_body(error)}, effect.latency);
    };
    if (effect.cut == "before") {
        note(fx, "send_rejected",
             {{"provider", "twilio"},
              {"phone_number_id", sender->number},
              {"reason", "connection cut before the request was looked at (knob)"}});
        Reply cut;
        cut.cut = true;
        return reply(fx, answer, std::move(cut), effect.latency);
    }
    if (effect.error) {
        const FaultError& fault = *effect.error;
        TwilioError error = twilio_error(std::atoi(fault.code.c_str()), fault.message);
        if (fault.http) error.http = *fault.http;
        if (!fault.body) return refuse(error);
        note(fx, "send_rejected",
             {{"provider", "twilio"},
              {"phone_number_id", sender->number},
              {"http_status", fault.http.value_or(502)},
              {"reason", "answered with a foreign body (knob)"}});
        return reply(fx, answer, {fault.http.value_or(502), *fault.body, "text/html"},
                     effect.latency);
    }
    if (const auto* error = std::get_if<TwilioError>(&judged)) return refuse(*error);
    if (!send->content_sid.empty()) {
        if (const auto error = judge_twilio_content(*send, sender->contents)) {
            return refuse(*error);
        }
    }
    accept_twilio_send(*sender, *send, *form, effect, answer, fx);
}

// What WhatsApp does not take although Twilio did, as a status says later; 0: it takes it.
int Sandbox::judge_twilio_state(TwilioSender& sender, const TwilioSend& send,
                                const std::string& key) {
    const Time now = world_.now();
    if (!sender.throughput.allows(now, sender.throughput_per_s_max) ||
        !sender.pairs[key].allows(now, sender.pair_interval, sender.pair_burst_max)) {
        return 63018;
    }
    if (sender.allow_list_on && !sender.allow_list.contains(key)) return 63015;
    sender.throughput.take(now);
    sender.pairs[key].take(now, sender.pair_interval);
    if (!send.content_sid.empty() || sender.window == "off") return 0;
    const auto where = state_.chats.find({sender.number, key});
    const bool open =
        where != state_.chats.end() && where->second.last_inbound + sender.window_length > now;
    return open ? 0 : 63016;
}

void Sandbox::accept_twilio_send(TwilioSender& sender, const TwilioSend& send, const Form& form,
                                 const Effect& effect, const Answer& answer, Effects& fx) {
    Customer& to = customer(customer_key(send.to));
    const int refused_by_whatsapp = judge_twilio_state(sender, send, to.key);
    const std::string sid = (send.media.empty() ? "SM" : "MM") + random_text(32, kSidDigits);

    ChatMessage message;
    message.wamid = sid;
    message.type = !send.content_sid.empty() ? "template" : !send.media.empty() ? "image" : "text";
    message.text = twilio_text(send, sender.contents);
    message.content = {{"body", message.text}};
    if (!send.media.empty()) message.content["link"] = send.media;
    message.status = "accepted";
    message.biz_opaque_callback_data = send.status_callback;
    Chat& where = chat(sender.number, to.key);
    where.typing_until = {};
    const std::string type = message.type;
    const std::string text = message.text;
    add_message(where, std::move(message), fx);
    note(fx, "send_accepted",
         {{"provider", "twilio"},
          {"phone_number_id", sender.number},
          {"phone", to.key},
          {"to", form_value(form, "To")},
          {"wamid", sid},
          {"type", type},
          {"biz_opaque_callback_data", send.status_callback},
          {"body", as_json(form)}});

    const std::string date = twilio_date(seconds(world_.now()));
    const json::value service =
        send.service.empty() ? json::value(nullptr) : json::value(send.service);
    const std::string uri = "/2010-04-01/Accounts/" + sender.account_sid + "/Messages/" + sid;
    Reply accepted{201,
                   compact(json::object{{"sid", sid},
                                        {"account_sid", sender.account_sid},
                                        {"api_version", kApiVersion},
                                        {"from", "whatsapp:" + sender.number},
                                        {"to", form_value(form, "To")},
                                        {"body", text},
                                        {"status", send.service.empty() ? "queued" : "accepted"},
                                        {"direction", "outbound-api"},
                                        {"num_segments", "1"},
                                        {"num_media", send.media.empty() ? "0" : "1"},
                                        {"messaging_service_sid", service},
                                        {"error_code", nullptr},
                                        {"error_message", nullptr},
                                        {"price", nullptr},
                                        {"price_unit", nullptr},
                                        {"date_created", date},
                                        {"date_sent", nullptr},
                                        {"date_updated", date},
                                        {"uri", uri + ".json"},
                                        {"subresource_uris", {{"media", uri + "/Media.json"}}}})};
    if (effect.cut == "after") accepted.cut = true;

    TwilioPlan plan{sender.number, to.key, sid, send.status_callback, effect.statuses};
    if (refused_by_whatsapp != 0 && !plan.fault.fail) plan.fault.fail = refused_by_whatsapp;
    if (plan.fault.before_answer && !plan.fault.fail) {
        send_twilio_status(
            plan, "sent", 1,
            [this, answer, accepted, latency = effect.latency](Effects& inner) {
                reply(inner, answer, accepted, latency);
            },
            fx);
        plan_twilio_statuses(sender, plan, true, fx);
        return;
    }
    reply(fx, answer, std::move(accepted), effect.latency);
    plan_twilio_statuses(sender, plan, false, fx);
}

// ---------------------------------------------------------------- statuses

void Sandbox::plan_twilio_statuses(const TwilioSender& sender, const TwilioPlan& plan,
                                   bool early_sent, Effects& fx) {
    const int copies = 1 + plan.fault.duplicates;
    if (plan.fault.fail) {
        later(fx, sender.sent_after.value_or(Milliseconds{20}) + plan.fault.delay,
              [this, plan, copies](Effects& inner) {
                  send_twilio_status(plan, "undelivered", copies, nullptr, inner);
              });
        return;
    }
    struct Step {
        const char* status;
        std::optional<Milliseconds> after;
    };
    std::array steps{Step{"sent", sender.sent_after}, Step{"delivered", sender.delivered_after},
                     Step{"read", sender.read_after}};
    if (plan.fault.reverse) std::swap(steps[0].after, steps[2].after);
    for (const Step& step : steps) {
        if (!step.after || (early_sent && std::string_view{step.status} == "sent")) continue;
        if (plan.fault.lose.contains(step.status)) {
            note(fx, "status_lost",
                 {{"phone_number_id", plan.number},
                  {"phone", plan.customer_key},
                  {"wamid", plan.sid},
                  {"status", step.status}});
            continue;
        }
        later(fx, *step.after + plan.fault.delay,
              [this, plan, copies, status = std::string{step.status}](Effects& inner) {
                  send_twilio_status(plan, status, copies, nullptr, inner);
              });
    }
}

void Sandbox::send_twilio_status(const TwilioPlan& plan, const std::string& status, int copies,
                                 std::function<void(Effects&)> then, Effects& fx) {
    const auto it = state_.senders.find(plan.number);
    if (it == state_.senders.end()) return;
    const TwilioSender& sender = it->second;
    for (ChatMessage& message : chat(plan.number, plan.customer_key).messages) {
        if (message.wamid != plan.sid) continue;
        if (status == "undelivered") message.status = "failed";
        if (can_get_further(message.status, status)) message.status = status;
    }
    wake(fx);
    // Whoever names no address hears nothing.
    if (plan.status_callback.empty()) {
        if (then) then(fx);
        return;
    }
    Form form{{"SmsSid", plan.sid},
              {"SmsStatus", status},
              {"MessageStatus", status},
              {"To", whatsapp(plan.customer_key)},
              {"MessageSid", plan.sid},
              {"AccountSid", sender.account_sid},
              {"From", "whatsapp:" + sender.number},
              {"ApiVersion", std::string{kApiVersion}},
              {"ChannelPrefix", "whatsapp"}};
    if (status == "delivered") form.emplace_back("EventType", "DELIVERED");
    if (status == "read") form.emplace_back("EventType", "READ");
    if (plan.fault.fail) {
        form.emplace_back("ErrorCode", std::to_string(*plan.fault.fail));
        form.emplace_back("ErrorMessage", twilio_error(*plan.fault.fail).message);
    }
    TwilioDelivery delivery;
    delivery.number = sender.number;
    delivery.phone = plan.customer_key;
    delivery.url = plan.status_callback;
    delivery.signature = twilio_signature(sender.auth_token, delivery.url, form);
    delivery.body = write_form(form);
    delivery.what = "status:" + status;
    delivery.sid = plan.sid;
    delivery.idempotency_token = new_request_id();
    for (int copy = 0; copy < copies; ++copy) {
        auto first = std::function<void(PostResult, Effects&)>{};
        if (copy == 0 && then) {
            first = [then](const PostResult&, Effects& inner) { then(inner); };
        }
        deliver_twilio(delivery, std::move(first), fx);
    }
}

// A messaging webhook is not repeated, but once when nobody could be reached.
void Sandbox::deliver_twilio(TwilioDelivery delivery,
                             std::function<void(PostResult, Effects&)> first, Effects& fx) {
    Outgoing out;
    out.url = delivery.url;
    out.headers = {{"Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"},
                   {"User-Agent", "TwilioProxy/1.1"},
                   {"I-Twilio-Idempotency-Token", delivery.idempotency_token}};
    if (!delivery.signature.empty()) {
        out.headers.emplace_back("X-Twilio-Signature", delivery.signature);
    }
    out.body = delivery.body;
    const Time began = world_.now();
    post(fx, std::move(out),
         [this, began, delivery = std::move(delivery), first = std::move(first)](
             PostResult result, Effects& inner) mutable {
             json::array sids;
             sids.emplace_back(delivery.sid);
             note(inner, "webhook_sent",
                  {{"provider", "twilio"},
                   {"phone_number_id", delivery.number},
                   {"phone", delivery.phone},
                   {"what", delivery.what},
                   {"wamids", std::move(sids)},
                   {"attempt", delivery.again ? 2 : 1},
                   {"http_status", result.status},
                   {"retry_after", result.retry_after},
                   {"took_us", (world_.now() - began).count()},
                   {"error", result.error},
                   {"signature", delivery.signature},
                   {"body", delivery.body}});
             if (first) first(result, inner);
             if (result.status != 0 || delivery.again) return;
             delivery.again = true;
             deliver_twilio(std::move(delivery), nullptr, inner);
         });
}

// ---------------------------------------------------------------- files of customers

// Twilio shows a file to its account only, and sends whoever asks on to a store, which wants no
// credentials and refuses an Authorization header as Amazon's does.
void Sandbox::twilio_file(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const auto owner = account_of(state_.senders, call, path[2]);
    if (owner == state_.senders.end()) {
        const auto error = twilio_error(20003);
        return reply(fx, answer, {error.http, twilio_error_body(error)});
    }
    const Effect effect = state_.faults.take({"twilio", "media", owner->first, "", ""});
    if (effect.error) {
        TwilioError error = twilio_error(std::atoi(effect.error->code.c_str()));
        if (effect.error->http) error.http = *effect.error->http;
        return reply(fx, answer, {error.http, twilio_error_body(error)}, effect.latency);
    }
    MediaFile* file = find_media(path[6]);
    const bool is_theirs = file != nullptr && file->message_id == path[4] &&
                           state_.senders[file->number_id].account_sid == path[2];
    if (!is_theirs) {
        const auto error = twilio_error(20404, call.path);
        return reply(fx, answer, {404, twilio_error_body(error)});
    }
    file->address = random_text(24, kSidDigits);
    file->address_until = world_.now() + kStoreAddressGood;
    reply(fx, answer,
          {307,
           "",
           "text/plain",
           {{"Location",
             "http://" + call.header("host") + "/media_store/" + file->id + "/" + file->address}}},
          effect.latency);
}

void Sandbox::twilio_store(const Call& call, const Path& path, const Answer& answer, Effects& fx) {
    const MediaFile* file = find_media(path[1]);
    if (!call.header("authorization").empty()) {
        return reply(fx, answer, {400, "Only one auth mechanism allowed", "text/plain"});
    }
    if (file == nullptr || file->address != path[2] || file->address_until <= world_.now()) {
        return reply(fx, answer, {403, "Request has expired", "text/plain"});
    }
    reply(fx, answer, {200, file->bytes, file->mime_type});
}

// ---------------------------------------------------------------- customers

void Sandbox::say_by_twilio(TwilioSender& sender, const std::string& key, const json::value& body,
                            const Answer& answer, Effects& fx) {
    const std::string how = text_or(body, "signature", "good");
    if (!is_signature_kind(how)) return reply(fx, answer, wrong(422, "signature: unknown kind"));
    if (text_at(body, "button") || text_at(body, "row")) {
        return reply(fx, answer,
                     wrong(422,
                           "button, row: this sender shows no buttons and lists; say the "
                           "number or the title of the menu"));
    }
    const auto text = text_at(body, "text");
    const auto* given = object_at(body, "message");
    const auto* described = object_at(body, "file");
    if (!text && given == nullptr && described == nullptr) {
        return reply(fx, answer, wrong(422, "text, file or message: one is required"));
    }
    std::optional<CustomerFile> file;
    if (described != nullptr) {
        file = customer_file(json::value(*described));
        if (!file) return reply(fx, answer, wrong(422, kCustomerFileRule));
    }
    Customer& who = customer(key);
    introduce(who, body);
    Chat& where = chat(sender.number, who.key);

    ChatMessage said;
    said.from_customer = true;
    said.wamid = text_or(body, "wamid", (file ? "MM" : "SM") + random_text(32, kSidDigits));
    said.status = "sent";
    said.type = file ? file->kind : "text";
    said.text = file ? file->caption : text.value_or("");
    said.context_id = text_or(body, "context_id", "");
    const std::string from =
        who.phone_hidden || who.phone.empty() ? "whatsapp:" + who.user_id : whatsapp(who.phone);
    Form form{{"SmsMessageSid", said.wamid},
              {"NumMedia", file ? "1" : "0"},
              {"ProfileName", who.name},
              {"MessageType", said.type},
              {"SmsSid", said.wamid},
              {"SmsStatus", "received"},
              {"Body", said.text},
              {"To", "whatsapp:" + sender.number},
              {"NumSegments", "1"},
              {"ReferralNumMedia", "0"},
              {"MessageSid", said.wamid},
              {"AccountSid", sender.account_sid},
              {"From", from},
              {"ApiVersion", std::string{kApiVersion}}};
    if (file) {
        MediaFile& kept = keep_media(sender.number, file->mime_type, std::move(file->bytes),
                                     kFileKept, "ME" + random_text(32, kSidDigits));
        kept.message_id = said.wamid;
        said.content = {{"mime_type", kept.mime_type}, {"id", kept.id}};
        form.emplace_back("MediaContentType0", kept.mime_type);
        form.emplace_back("MediaUrl0", "https://api.twilio.com/" + std::string{kApiVersion} +
                                           "/Accounts/" + sender.account_sid + "/Messages/" +
                                           said.wamid + "/Media/" + kept.id);
    }
    if (!who.phone.empty() && !who.phone_hidden) form.emplace_back("WaId", who.phone);
    if (!who.user_id.empty()) form.emplace_back("ExternalUserId", "whatsapp:" + who.user_id);
    if (!sender.messaging_service_sid.empty()) {
        form.emplace_back("MessagingServiceSid", sender.messaging_service_sid);
    }
    if (!said.context_id.empty()) {
        form.emplace_back("OriginalRepliedMessageSid", said.context_id);
        form.emplace_back("OriginalRepliedMessageSender", "whatsapp:" + sender.number);
    }
    // Any other parameters, known or not; they stand in place of those above.
    if (given != nullptr) {
        for (const auto& [name, value] : *given) {
            const std::string parameter{name.data(), name.size()};
            const auto words = scalar_text(&value);
            if (!words) {
                return reply(fx, answer, wrong(422, "message." + parameter + ": must be a text"));
            }
            std::erase_if(form, [&](const auto& each) { return each.first == parameter; });
            form.emplace_back(parameter, *words);
        }
        said.type = form_value(form, "MessageType");
        said.text = form_value(form, "Body");
        said.wamid = form_value(form, "MessageSid");
        if (said.text.empty()) said.text = "[" + said.type + "]";
    }
    const bool counts = how == "good" || how.empty();
    if (counts) {
        where.last_inbound = world_.now();
        sender.throughput.take(world_.now());
    }
    const std::int64_t seq = state_.sequence + 1;
    note(fx, "customer_said",
         {{"provider", "twilio"},
          {"phone_number_id", sender.number},
          {"phone", who.key},
          {"wamid", said.wamid},
          {"type", said.type},
          {"text", said.text}});
    TwilioDelivery delivery;
    delivery.number = sender.number;
    delivery.phone = who.key;
    delivery.url = text_or(body, "url", sender.webhook_url);
    // Signed is what is configured, whatever door it is brought to.
    delivery.signature = signature_of(how, sender, sender.webhook_url, form);
    delivery.body = write_form(form);
    delivery.what = "message";
    delivery.sid = said.wamid;
    delivery.idempotency_token = new_request_id();
    add_message(where, std::move(said), fx);

    const auto copies =
        static_cast<std::size_t>(std::clamp<std::int64_t>(int_or(body, "copies", 1), 1, kSaysMax));
    auto gathering = std::make_shared<Copies>();
    gathering->left = copies;
    gathering->document["wamid"] = delivery.sid;
    for (std::size_t copy = 0; copy < copies; ++copy) {
        deliver_twilio(
            delivery,
            [this, gathering, answer, number = sender.number, phone = who.key, seq](
                const PostResult& result, Effects& inner) {
                for (ChatMessage& each : chat(number, phone).messages) {
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

}  // namespace flowstack::sandbox
