#include "services/gateway/providers/meta/renderer.h"

#include <simdjson.h>

#include <algorithm>

#include "common/http/message.h"
#include "common/text/fold.h"
#include "common/text/utf8.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/providers/meta/errors.h"

namespace flowstack::gateway::meta {
namespace {

namespace v1 = flowstack::common::v1;
using http::json_string;

constexpr std::size_t kTextMax = 4096;
constexpr std::size_t kInteractiveBodyMax = 1024;
constexpr std::size_t kHeaderMax = 60;
constexpr std::size_t kButtonTitleMax = 20;
constexpr int kButtonsMax = 3;
constexpr int kRowsMax = 10;
constexpr std::size_t kRowTitleMax = 24;
constexpr std::size_t kRowDescriptionMax = 72;
constexpr std::size_t kCaptionMax = 1024;
constexpr std::size_t kTemplateNameMax = 512;
constexpr std::size_t kErrorMax = 500;  // of a title and of details, in bytes
constexpr int kTemplateParametersMax = 100;
constexpr std::size_t kTemplateParameterMax = 1024;

std::size_t code_points(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class Faults {
public:
    void length(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
        const auto length = code_points(text);
        if (length < min || length > max)
            wrong(field, "must have " + std::to_string(min) + " to " + std::to_string(max) +
                             " characters");
    }
    void wrong(const std::string& field, std::string allowed) {
        found.push_back({field.empty() ? "content" : "content." + field, std::move(allowed)});
    }
    std::vector<FieldError> found;
};

std::string tap_id(std::string_view message_id, int n) {
    return std::string(message_id) + ":" + std::to_string(n);
}

std::string member(std::string_view name, std::string_view text) {
    return json_string(name) + ":" + json_string(text);
}

std::string render(const v1::ButtonsContent& content, std::string_view message_id) {
    std::string json = R"("type":"interactive","interactive":{"type":"button")";
    if (!content.header().empty())
        json += R"(,"header":{"type":"text",)" + member("text", content.header()) + "}";
    json += R"(,"body":{)" + member("text", content.body()) + "}";
    if (!content.footer().empty())
        json += R"(,"footer":{)" + member("text", content.footer()) + "}";
    json += R"(,"action":{"buttons":[)";
    for (int n = 0; n < content.titles_size(); ++n) {
        if (n) json += ',';
        json += R"({"type":"reply","reply":{)" + member("id", tap_id(message_id, n)) + "," +
                member("title", content.titles(n)) + "}}";
    }
    return json + "]}}";
}

std::string render(const v1::ListContent& content, std::string_view message_id) {
    std::string json = R"("type":"interactive","interactive":{"type":"list","body":{)" +
                       member("text", content.body()) + R"(},"action":{)" +
                       member("button", content.button()) + R"(,"sections":[{)";
    if (!content.section_title().empty()) json += member("title", content.section_title()) + ",";
    json += R"("rows":[)";
    for (int n = 0; n < content.rows_size(); ++n) {
        if (n) json += ',';
        json += "{" + member("id", tap_id(message_id, n)) + "," +
                member("title", content.rows(n).title());
        if (!content.rows(n).description().empty())
            json += "," + member("description", content.rows(n).description());
        json += "}";
    }
    return json + "]}]}}";
}

std::string render(const v1::TemplateContent& content) {
    std::string json = R"("type":"template","template":{)" + member("name", content.name()) +
                       R"(,"language":{)" + member("code", content.language_code()) + "}";
    if (content.body_parameters_size() != 0) {
        json += R"(,"components":[{"type":"body","parameters":[)";
        for (int n = 0; n < content.body_parameters_size(); ++n) {
            if (n) json += ',';
            json += R"({"type":"text",)" + member("text", content.body_parameters(n)) + "}";
        }
        json += "]}]";
    }
    return json + "}";
}

std::string render(const v1::MediaContent& content) {
    std::string json = member("type", content.kind()) + "," + json_string(content.kind()) + ":{" +
                       member("link", content.link());
    if (!content.caption().empty()) json += "," + member("caption", content.caption());
    if (!content.filename().empty()) json += "," + member("filename", content.filename());
    return json + "}";
}

}  // namespace

std::vector<FieldError> faults_of(const v1::MessageContent& content) {
    Faults faults;
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            faults.length("text.body", content.text().body(), 1, kTextMax);
            break;
        case v1::MessageContent::kButtons: {
            const auto& buttons = content.buttons();
            faults.length("buttons.body", buttons.body(), 1, kInteractiveBodyMax);
            faults.length("buttons.header", buttons.header(), 0, kHeaderMax);
            faults.length("buttons.footer", buttons.footer(), 0, kHeaderMax);
            if (buttons.titles_size() < 1 || buttons.titles_size() > kButtonsMax)
                faults.wrong("buttons.titles", "must be 1 to 3 buttons");
            for (int n = 0; n < buttons.titles_size(); ++n) {
                const auto field = "buttons.titles[" + std::to_string(n) + "]";
                faults.length(field, buttons.titles(n), 1, kButtonTitleMax);
                for (int other = 0; other < n; ++other)
                    if (buttons.titles(other) == buttons.titles(n))
                        faults.wrong(field, "must differ from the other titles");
            }
            break;
        }
        case v1::MessageContent::kList: {
            const auto& list = content.list();
            faults.length("list.body", list.body(), 1, kTextMax);
            faults.length("list.button", list.button(), 1, kButtonTitleMax);
            faults.length("list.section_title", list.section_title(), 0, kRowTitleMax);
            if (list.rows_size() < 1 || list.rows_size() > kRowsMax)
                faults.wrong("list.rows", "must be 1 to 10 rows");
            for (int n = 0; n < list.rows_size(); ++n) {
                const auto field = "list.rows[" + std::to_string(n) + "]";
                faults.length(field + ".title", list.rows(n).title(), 1, kRowTitleMax);
                faults.length(field + ".description", list.rows(n).description(), 0,
                              kRowDescriptionMax);
            }
            break;
        }
        case v1::MessageContent::kTemplate: {
            const auto& name = content.template_().name();
            faults.length("template.name", name, 1, kTemplateNameMax);
            if (!std::ranges::all_of(name, [](char c) {
                    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                }))
                faults.wrong("template.name", "must be of a-z, 0-9 and _");
            faults.length("template.language_code", content.template_().language_code(), 2, 15);
            const auto& parameters = content.template_().body_parameters();
            if (parameters.size() > kTemplateParametersMax)
                faults.wrong("template.body_parameters", "must be at most 100 values");
            for (int n = 0; n < parameters.size(); ++n) {
                const auto field = "template.body_parameters[" + std::to_string(n) + "]";
                faults.length(field, parameters[n], 1, kTemplateParameterMax);
                if (text::one_line(parameters[n]) != parameters[n])
                    faults.wrong(field,
                                 "must be one line of visible text, without tabs, runs of blanks, "
                                 "or blanks at its ends");
            }
            break;
        }
        case v1::MessageContent::kMedia: {
            const auto& media = content.media();
            constexpr std::string_view kKinds[] = {"image", "document", "audio", "video",
                                                   "sticker"};
            if (std::ranges::find(kKinds, media.kind()) == std::end(kKinds))
                faults.wrong("media.kind", "must be image, document, audio, video or sticker");
            if (!media.link().starts_with("https://") && !media.link().starts_with("http://"))
                faults.wrong("media.link", "must be an http(s) link");
            faults.length("media.caption", media.caption(), 0, kCaptionMax);
            break;
        }
        case v1::MessageContent::CONTENT_NOT_SET:
            faults.wrong("", "must be one of text, buttons, list, template, media");
            break;
    }
    return std::move(faults.found);
}

std::string render_send(const v1::MessageContent& content, std::string_view to,
                        std::string_view message_id, std::string_view callback_data) {
    std::string json = R"({"messaging_product":"whatsapp","recipient_type":"individual",)" +
                       member(to.starts_with('+') ? "to" : "recipient", to) + ",";
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            json += R"("type":"text","text":{)" + member("body", content.text().body()) +
                    R"(,"preview_url":false})";
            break;
        case v1::MessageContent::kButtons:
            json += render(content.buttons(), message_id);
            break;
        case v1::MessageContent::kList:
            json += render(content.list(), message_id);
            break;
        case v1::MessageContent::kTemplate:
            json += render(content.template_());
            break;
        case v1::MessageContent::kMedia:
            json += render(content.media());
            break;
        case v1::MessageContent::CONTENT_NOT_SET:
            break;  // faults_of refused it long before
    }
    return json + "," + member("biz_opaque_callback_data", callback_data) + "}";
}

Outcome read_send_answer(int http_status, std::string_view body) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    const bool readable =
        parser.parse(body.data(), body.size()).get(root) == simdjson::SUCCESS && root.is_object();
    const auto status = "HTTP " + std::to_string(http_status);
    if (readable) {
        simdjson::dom::element error;
        if (root["error"].get(error) == simdjson::SUCCESS && error.is_object()) {
            std::int64_t code = 0;
            std::string_view title, details;
            if (error["code"].get(code) == simdjson::SUCCESS) {
                if (error["message"].get(title) != simdjson::SUCCESS) title = status;
                if (error["error_data"]["details"].get(details) != simdjson::SUCCESS) details = {};
                return Refused{
                    .error = classified(code, std::string(text::front_of_bytes(title, kErrorMax)),
                                        std::string(text::front_of_bytes(details, kErrorMax)))};
            }
        }
        std::string_view id;
        simdjson::dom::array messages;
        if (http_status == 200 && root["messages"].get(messages) == simdjson::SUCCESS)
            for (const auto message : messages)
                if (message["id"].get(id) == simdjson::SUCCESS && !id.empty())
                    return Accepted{.provider_message_id = ProviderMessageId(std::string(id))};
    }
    // The door in front of the provider said no before anything was taken.
    const auto refused = [](ErrorClass error_class, std::string title) {
        return Refused{
            .error = {
                .error_class = error_class, .code = "", .title = std::move(title), .details = ""}};
    };
    if (http_status == 429) return refused(ErrorClass::too_fast, status);
    if (http_status == 401 || http_status == 403) {
        auto answer = refused(ErrorClass::unauthorised, status);
        answer.error.retry_after = std::chrono::minutes(15);
        return answer;
    }
    if (http_status >= 400 && http_status < 500)
        return refused(ErrorClass::rejected, status + " without an error code");
    return Lost{.reason = status + " with an answer that cannot be read"};
}

}  // namespace flowstack::gateway::meta
