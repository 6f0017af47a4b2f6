#include "services/gateway/providers/meta/templates.h"

#include <utility>

#include "common/http/url.h"
#include "services/gateway/providers/meta/with_token.h"

namespace flowstack::gateway::meta {
namespace {

constexpr int kTemplatesOfPage = 100;
constexpr std::string_view kTemplateFields =
    "id,name,language,status,category,components,quality_score,rejected_reason";

http::ClientRequest template_request(std::string method, std::string url,
                                     const TemplateAccountCall& call) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = std::move(url);
    request.timeout_ms = static_cast<int>(call.timeout.count());
    return with_token(std::move(request), call.credentials);
}

http::ClientRequest with_template_json(http::ClientRequest request, std::string body) {
    request.headers.add("Content-Type", "application/json");
    request.body = std::move(body);
    return request;
}

template <class Answer>
void ask(http::Client& client, http::ClientRequest request,
         Answer (*read)(int http_status, std::string_view body), std::function<void(Answer)> done) {
    client.call(std::move(request),
                [read, done = std::move(done)](const http::ClientResult& result) {
                    switch (result.outcome) {
                        case http::ClientResult::Outcome::answered:
                            return done(read(result.response.status, result.response.body));
                        case http::ClientResult::Outcome::not_sent:
                            return done(NotSent{.reason = "not sent: " + result.error});
                        case http::ClientResult::Outcome::unknown:
                            return done(Lost{.reason = result.error});
                    }
                });
}

}  // namespace

void Templates::create(TemplateAccountCall call, const TemplateSpec& spec,
                       std::function<void(TemplateOutcome)> done) const {
    const auto url =
        base_url_ + "/" + http::percent_encode(call.business_account_id) + "/message_templates";
    ask(client_, with_template_json(template_request("POST", url, call), render_template(spec)),
        read_template_answer, std::move(done));
}

void Templates::edit(TemplateAccountCall call, const std::string& provider_template_id,
                     const TemplateSpec& spec, std::function<void(TemplateOutcome)> done) const {
    const auto url = base_url_ + "/" + http::percent_encode(provider_template_id);
    ask(client_,
        with_template_json(template_request("POST", url, call), render_template_edit(spec)),
        read_template_success, std::move(done));
}

void Templates::remove(TemplateAccountCall call, const std::string& name,
                       const std::string& provider_template_id,
                       std::function<void(TemplateOutcome)> done) const {
    // Without the id all languages of the name would go.
    const auto url = base_url_ + "/" + http::percent_encode(call.business_account_id) +
                     "/message_templates?hsm_id=" + http::percent_encode(provider_template_id) +
                     "&name=" + http::percent_encode(name);
    ask(client_, template_request("DELETE", url, call), read_template_success, std::move(done));
}

void Templates::list(TemplateAccountCall call, const std::string& after,
                     std::function<void(TemplatePageOutcome)> done) const {
    auto url = base_url_ + "/" + http::percent_encode(call.business_account_id) +
               "/message_templates?fields=" + http::percent_encode(kTemplateFields) +
               "&limit=" + std::to_string(kTemplatesOfPage);
    if (!after.empty()) url += "&after=" + http::percent_encode(after);
    ask(client_, template_request("GET", url, call), read_template_page, std::move(done));
}

}  // namespace flowstack::gateway::meta
