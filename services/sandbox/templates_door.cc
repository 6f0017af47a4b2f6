// The templates of WhatsApp business accounts: the Graph API's door, and the control call that
// judges them as Meta's reviewers would.
#include <algorithm>
#include <memory>
#include <sstream>

#include "services/sandbox/control_values.h"
#include "services/sandbox/sandbox.h"
#include "services/sandbox/signing.h"
#include "services/sandbox/templates.h"
#include "services/sandbox/webhooks.h"

namespace flowstack::sandbox {
namespace {

constexpr std::string_view kTemplateTrace = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

std::vector<std::string> comma_list(const std::string& text) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, ',');)
        if (!part.empty()) parts.push_back(part);
    return parts;
}

}  // namespace

TemplateAccount& Sandbox::template_account(const std::string& waba_id) {
    const auto [it, made] = state_.accounts.try_emplace(waba_id);
    if (made) {
        Template hello{"hello_world", "en_US", "UTILITY", "APPROVED", "Hello World", 0};
        hello.id = random_text(15, "123456789");
        it->second.templates.emplace(hello.name, hello);
    }
    return it->second;
}

const Number* Sandbox::number_of_account(const std::string& waba_id, const std::string& token) {
    for (const auto& [id, number] : state_.numbers)
        if (number.waba_id == waba_id &&
            (token.empty() || token.starts_with("mock_") || number.token == token))
            return &number;
    return nullptr;
}

Template* Sandbox::find_template_by_id(const std::string& id, std::string* waba_id) {
    for (auto& [account_id, account] : state_.accounts)
        for (auto& [name, made] : account.templates)
            if (made.id == id) {
                *waba_id = account_id;
                return &made;
            }
    return nullptr;
}

// False: the path is not about templates, or not of an account that the token opens.
bool Sandbox::templates(const Call& call, const Path& path, const std::string& token,
                        const Answer& answer, Effects& fx) {
    std::string waba_id;
    Template* made = nullptr;
    const bool of_account = path.size() == 3 && path[2] == "message_templates";
    if (of_account)
        waba_id = path[1];
    else if (path.size() == 2)
        made = find_template_by_id(path[1], &waba_id);
    if (waba_id.empty()) return false;
    const Number* number = number_of_account(waba_id, token);
    if (number == nullptr) return false;

    const Effect effect = state_.faults.take({"meta", "templates", number->id, "", ""});
    const auto refuse = [&](const GraphError& error) {
        note(fx, "template_rejected",
             {{"provider", "meta"},
              {"waba_id", waba_id},
              {"method", call.method},
              {"code", error.code},
              {"reason",
               error.message + (error.user_message.empty() ? "" : ": ") + error.user_message}});
        reply(fx, answer, {error.http, graph_error_body(error, random_text(23, kTemplateTrace))},
              effect.latency);
    };
    if (effect.cut == "before") {
        Reply cut;
        cut.cut = true;
        reply(fx, answer, std::move(cut), effect.latency);
        return true;
    }
    if (effect.error) {
        GraphError error =
            graph_error(std::atoi(effect.error->code.c_str()), effect.error->message);
        if (effect.error->http) error.http = *effect.error->http;
        refuse(error);
        return true;
    }
    const auto done = [&](json::object body) {
        Reply whole{200, compact(body)};
        if (effect.cut == "after") whole.cut = true;
        reply(fx, answer, std::move(whole), effect.latency);
    };
    const auto written = [&](const char* what, const Template& about) {
        note(fx, "template_changed",
             {{"provider", "meta"},
              {"waba_id", waba_id},
              {"what", what},
              {"template_id", about.id},
              {"name", about.name},
              {"language", about.language},
              {"body", call.body}});
    };
    auto& account = template_account(waba_id);

    if (of_account && call.method == "GET") {
        TemplateListing wanted;
        wanted.name = call.parameter("name");
        wanted.status = call.parameter("status");
        wanted.after = call.parameter("after");
        wanted.fields = comma_list(call.parameter("fields"));
        if (const auto limit = call.parameter("limit"); !limit.empty())
            wanted.limit = static_cast<std::size_t>(whole(limit, 0));
        auto page = list_templates(
            account, wanted,
            "http://" + call.header("host") + call.path + "?limit=" + std::to_string(wanted.limit));
        if (const auto* error = std::get_if<GraphError>(&page)) {
            refuse(*error);
        } else {
            done(std::get<json::object>(std::move(page)));
        }
        return true;
    }
    if (of_account && call.method == "POST") {
        const auto body = parse(call.body);
        if (!body || !call.header("content-type").starts_with("application/json")) {
            refuse(template_error(100, "The body is not a JSON object."));
            return true;
        }
        auto judged = judge_new_template(*body);
        if (const auto* error = std::get_if<GraphError>(&judged)) {
            refuse(*error);
            return true;
        }
        auto& fresh = std::get<Template>(judged);
        const auto [from, to] = account.templates.equal_range(fresh.name);
        if (std::any_of(from, to,
                        [&](const auto& one) { return one.second.language == fresh.language; })) {
            refuse(template_error(100,
                                  "There is already content in this language for the template "
                                  "name " +
                                      fresh.name + "."));
            return true;
        }
        if (static_cast<int>(account.templates.size()) >= account.templates_max) {
            refuse(template_error(2388019,
                                  "You've exceeded the maximum number of message "
                                  "templates for this account."));
            return true;
        }
        fresh.id = random_text(15, "123456789");
        written("created", fresh);
        json::object answered{
            {"id", fresh.id}, {"status", fresh.status}, {"category", fresh.category}};
        account.templates.emplace(fresh.name, std::move(fresh));
        done(std::move(answered));
        return true;
    }
    if (of_account && call.method == "DELETE") {
        const auto name = call.parameter("name");
        const auto id = call.parameter("hsm_id");
        if (name.empty()) {
            refuse(template_error(100, "The parameter name is required."));
            return true;
        }
        const auto [from, to] = account.templates.equal_range(name);
        bool gone = false;
        for (auto it = from; it != to;) {
            if (!id.empty() && it->second.id != id) {
                ++it;
                continue;
            }
            written("deleted", it->second);
            it = account.templates.erase(it);
            gone = true;
        }
        if (gone)
            done({{"success", true}});
        else
            refuse(template_error(100, "Message template was not found."));
        return true;
    }
    if (made != nullptr && call.method == "GET") {
        done(describe_template(*made, comma_list(call.parameter("fields"))));
        return true;
    }
    if (made != nullptr && call.method == "POST") {
        const auto body = parse(call.body);
        if (!body) {
            refuse(template_error(100, "The body is not a JSON object."));
            return true;
        }
        if (const auto error = judge_template_edit(*body, *made)) {
            refuse(*error);
            return true;
        }
        written("edited", *made);
        done({{"success", true}});
        return true;
    }
    return false;
}

// {"waba_id", "name", "language", "status"?, "reason"?, "quality"?, "category"?, "event"?,
//  "notify"?, "time"?, "copies"?}: what Meta's reviewers decide, and the webhook about it.
void Sandbox::control_templates(const Call& call, const Answer& answer, Effects& fx) {
    if (call.method == "GET") {
        const auto wanted = call.parameter("waba_id");
        json::array list;
        for (const auto& [waba_id, account] : state_.accounts)
            for (const auto& [name, made] : account.templates)
                if (wanted.empty() || wanted == waba_id)
                    list.emplace_back(describe_template(made, {}));
        return reply(fx, answer, {200, compact(json::object{{"templates", std::move(list)}})});
    }
    const auto parsed = parse(call.body);
    if (!parsed || !parsed->is_object())
        return reply(fx, answer, wrong(400, "the body is not a JSON object"));
    const json::value& body = *parsed;
    const auto waba_id = text_or(body, "waba_id", "");
    const Number* signer = number_of_account(waba_id, "");
    if (signer == nullptr)
        return reply(fx, answer, wrong(404, "waba_id: no number of this account is registered"));
    auto& account = template_account(waba_id);
    const auto [from, to] = account.templates.equal_range(text_or(body, "name", ""));
    const auto found = std::find_if(from, to, [&](const auto& one) {
        return one.second.language == text_or(body, "language", "en_US");
    });
    if (found == to) return reply(fx, answer, wrong(404, "name, language: no such template"));
    Template& made = found->second;

    std::vector<Change> changes;
    const auto change = [&](const char* field, json::object value) {
        Change one{waba_id, field, std::move(value)};
        one.time = int_or(body, "time", seconds(world_.now()));
        changes.push_back(std::move(one));
    };
    const auto status = text_or(body, "status", "");
    const auto reason = text_or(body, "reason", "");
    if (!status.empty()) {
        made.status = status;
        made.rejected_reason = reason;
    }
    const auto event = text_or(body, "event", status);
    if (!event.empty())
        change("message_template_status_update", template_status_value(made, event, reason));
    if (const auto quality = text_at(body, "quality")) {
        const auto previous = std::exchange(made.quality, *quality);
        change("message_template_quality_update", template_quality_value(made, previous));
    }
    if (const auto category = text_at(body, "category")) {
        const auto previous = std::exchange(made.category, *category);
        change("template_category_update", template_category_value(made, previous));
    }
    if (changes.empty())
        return reply(fx, answer,
                     wrong(422, "status, event, quality or category: one of them is required"));
    if (!bool_or(body, "notify", true)) return reply(fx, answer, {200, R"({"http_status":0})"});

    Delivery delivery;
    delivery.number_id = signer->id;
    delivery.url = signer->webhook_url;
    delivery.body = meta_text(envelope(std::move(changes)));
    delivery.signature = hub_signature(signer->app_secret, delivery.body);
    delivery.what = "template";
    const auto copies = std::clamp<std::int64_t>(int_or(body, "copies", 1), 1, 16);
    for (std::int64_t copy = 0; copy < copies; ++copy) {
        auto first = std::function<void(PostResult, Effects&)>{};
        if (copy == 0)
            first = [this, answer](const PostResult& result, Effects& inner) {
                reply(inner, answer, {200, compact(json::object{{"http_status", result.status}})});
            };
        deliver(delivery, std::move(first), fx);
    }
}

}  // namespace flowstack::sandbox
