#include "services/gateway/providers/twilio/renderer.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "common/http/message.h"
#include "common/text/fold.h"
#include "common/text/utf8.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "services/gateway/providers/menu.h"
#include "services/gateway/providers/twilio/credentials.h"
#include "services/gateway/providers/twilio/errors.h"

namespace flowstack::gateway::twilio {
namespace {

namespace v1 = flowstack::common::v1;

constexpr std::size_t kBodyMax = 1600;
constexpr int kButtonsMax = 3;
constexpr int kRowsMax = 10;
constexpr std::size_t kTitleMax = 20;  // of a link
constexpr int kVariablesMax = 100;
constexpr std::size_t kVariableMax = 1024;
constexpr std::size_t kErrorMax = 500;  // of a title and of details, in bytes

class Faults {
public:
    void wrong(const std::string& field, std::string allowed) {
        found.push_back({field.empty() ? "content" : "content." + field, std::move(allowed)});
    }
    void length(const std::string& field, std::string_view text, std::size_t min, std::size_t max) {
        const auto length = text::code_points(text);
        if (length < min || length > max)
            wrong(field, "must have " + std::to_string(min) + " to " + std::to_string(max) +
                             " characters");
    }
    std::vector<FieldError> found;
};

// Whoever answers by a title must mean one choice.
void check_titles(Faults& faults, const std::string& field, const std::string& end,
                  const std::vector<std::string>& titles, int most) {
    if (titles.empty() || titles.size() > static_cast<std::size_t>(most))
        faults.wrong(field, "must be 1 to " + std::to_string(most));
    for (std::size_t n = 0; n < titles.size(); ++n) {
        const auto at = field + "[" + std::to_string(n) + "]" + end;
        if (titles[n].empty()) faults.wrong(at, "must not be empty");
        if (std::find(titles.begin(), titles.begin() + static_cast<std::ptrdiff_t>(n), titles[n]) !=
            titles.begin() + static_cast<std::ptrdiff_t>(n))
            faults.wrong(at, "must differ from the other titles");
    }
}

void check_words(Faults& faults, const v1::MessageContent& content, std::string_view body) {
    const std::string field(words_field(content));
    if (body.empty()) return faults.wrong(field, "must not be empty");
    const auto words = as_words(content);
    if (text::code_points(words) <= kBodyMax) return;
    if (content.has_text()) return faults.length(field, words, 1, kBodyMax);
    faults.wrong(field,
                 "must be short enough that the text into which Twilio's channels turn it, "
                 "choices as a numbered menu, has at most 1600 characters");
}

// What Twilio's API has no place for.
void check_absent(Faults& faults, const std::string& field, bool given) {
    if (given) faults.wrong(field, "must not be given: Twilio's channels cannot carry it");
}

void check_template(Faults& faults, const v1::TemplateContent& content) {
    if (!is_sid("HX", content.name()))
        faults.wrong("template.name",
                     "must be the template's Content SID at Twilio: HX and 32 hex digits");
    check_absent(faults, "template.named_body_parameters",
                 content.named_body_parameters_size() > 0);
    // The template itself has them; their variables are numbered with those of the body.
    check_absent(faults, "template.header", content.has_header());
    check_absent(faults, "template.buttons", content.buttons_size() > 0);
    check_absent(faults, "template.cards", content.cards_size() > 0);
    faults.length("template.language_code", content.language_code(), 2, 15);
    const auto& variables = content.body_parameters();
    if (variables.size() > kVariablesMax)
        faults.wrong("template.body_parameters", "must be at most 100 values");
    for (int n = 0; n < variables.size(); ++n) {
        const auto field = "template.body_parameters[" + std::to_string(n) + "]";
        faults.length(field, variables[n], 1, kVariableMax);
        if (text::one_line(variables[n]) != variables[n])
            faults.wrong(field,
                         "must be one line of visible text, without tabs, runs of blanks, or "
                         "blanks at its ends");
    }
}

void check_media(Faults& faults, const v1::MediaContent& media) {
    constexpr std::array<std::string_view, 5> kKinds{"image", "document", "audio", "video",
                                                     "sticker"};
    if (std::ranges::find(kKinds, media.kind()) == kKinds.end())
        faults.wrong("media.kind", "must be image, document, audio, video or sticker");
    if (!media.media_id().empty())
        return faults.wrong("media.media_id",
                            "must not be given: Twilio fetches a file from media.link only");
    if (!media.link().starts_with("https://") && !media.link().starts_with("http://"))
        faults.wrong("media.link", "must be an http(s) link");
    faults.length("media.caption", media.caption(), 0, kBodyMax);
}

// {"1":"Asha","2":"ORD-1"}
std::string variables_of(const v1::TemplateContent& content) {
    std::string json = "{";
    for (int n = 0; n < content.body_parameters_size(); ++n) {
        if (n) json += ',';
        json += http::json_string(std::to_string(n + 1)) + ":" +
                http::json_string(content.body_parameters(n));
    }
    return json + "}";
}

// The door in front of the provider said no before anything was taken.
Refused refused_at_the_door(ErrorClass error_class, std::string title,
                            std::chrono::seconds retry_after = {}) {
    return {.error = {.error_class = error_class,
                      .code = "",
                      .title = std::move(title),
                      .details = "",
                      .retry_after = retry_after}};
}

}  // namespace

std::vector<FieldError> faults_of(const v1::MessageContent& content) {
    Faults faults;
    check_absent(faults, "reply_to", !content.reply_to().empty());
    switch (content.content_case()) {
        case v1::MessageContent::kText:
            check_words(faults, content, content.text().body());
            break;
        case v1::MessageContent::kButtons: {
            const auto& titles = content.buttons().titles();
            check_words(faults, content, content.buttons().body());
            check_absent(faults, "buttons.header_media", content.buttons().has_header_media());
            check_titles(faults, "buttons.titles", "", {titles.begin(), titles.end()}, kButtonsMax);
            break;
        }
        case v1::MessageContent::kList: {
            std::vector<std::string> titles;
            for (const auto& row : content.list().rows()) titles.push_back(row.title());
            check_words(faults, content, content.list().body());
            check_titles(faults, "list.rows", ".title", titles, kRowsMax);
            break;
        }
        case v1::MessageContent::kTemplate:
            check_template(faults, content.template_());
            break;
        case v1::MessageContent::kMedia:
            check_media(faults, content.media());
            break;
        case v1::MessageContent::kLinkButton:
            check_words(faults, content, content.link_button().body());
            if (!content.link_button().url().starts_with("https://") &&
                !content.link_button().url().starts_with("http://"))
                faults.wrong("link_button.url", "must be an http(s) link");
            faults.length("link_button.title", content.link_button().title(), 1, kTitleMax);
            break;
        case v1::MessageContent::kLocation:
            if (std::abs(content.location().latitude()) > 90)
                faults.wrong("location.latitude", "must be from -90 to 90");
            if (std::abs(content.location().longitude()) > 180)
                faults.wrong("location.longitude", "must be from -180 to 180");
            check_words(faults, content, as_words(content));
            break;
        case v1::MessageContent::kContacts:
            for (int n = 0; n < content.contacts().cards_size(); ++n)
                if (content.contacts().cards(n).formatted_name().empty())
                    faults.wrong("contacts.cards[" + std::to_string(n) + "].formatted_name",
                                 "must not be empty");
            check_words(faults, content, as_words(content));
            break;
        case v1::MessageContent::kLocationRequest:
            check_words(faults, content, content.location_request().body());
            break;
        case v1::MessageContent::kReaction:
            check_absent(faults, "reaction", true);
            break;
        case v1::MessageContent::kProduct:
            check_absent(faults, "product", true);
            break;
        case v1::MessageContent::kProductList:
            check_absent(faults, "product_list", true);
            break;
        case v1::MessageContent::kCatalog:
            check_absent(faults, "catalog", true);
            break;
        case v1::MessageContent::kForm:
            check_absent(faults, "form", true);
            break;
        case v1::MessageContent::CONTENT_NOT_SET:
            faults.wrong("",
                         "must be one of text, buttons, list, template, media, link_button, "
                         "location, contacts, location_request");
            break;
    }
    return std::move(faults.found);
}

http::FormFields content_fields(const v1::MessageContent& content) {
    switch (content.content_case()) {
        case v1::MessageContent::kText:
        case v1::MessageContent::kButtons:
        case v1::MessageContent::kList:
        case v1::MessageContent::kLinkButton:
        case v1::MessageContent::kLocation:
        case v1::MessageContent::kContacts:
        case v1::MessageContent::kLocationRequest:
            return {{"Body", as_words(content)}};
        case v1::MessageContent::kTemplate: {
            http::FormFields fields{{"ContentSid", content.template_().name()}};
            if (content.template_().body_parameters_size() > 0)
                fields.emplace_back("ContentVariables", variables_of(content.template_()));
            return fields;
        }
        case v1::MessageContent::kMedia: {
            http::FormFields fields{{"MediaUrl", content.media().link()}};
            if (!content.media().caption().empty())
                fields.emplace_back("Body", content.media().caption());
            return fields;
        }
        case v1::MessageContent::kReaction:
        case v1::MessageContent::kProduct:
        case v1::MessageContent::kProductList:
        case v1::MessageContent::kCatalog:
        case v1::MessageContent::kForm:
        case v1::MessageContent::CONTENT_NOT_SET:
            break;  // faults_of refused it long before
    }
    return {};
}

Outcome read_send_answer(int http_status, std::string_view body) {
    thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    const bool readable =
        parser.parse(body.data(), body.size()).get(root) == simdjson::SUCCESS && root.is_object();
    const auto status = "HTTP " + std::to_string(http_status);
    if (readable && http_status == 201) {
        std::string_view sid;
        if (root["sid"].get(sid) == simdjson::SUCCESS && !sid.empty())
            return Accepted{.provider_message_id = ProviderMessageId(std::string(sid))};
    }
    if (http_status >= 400 && http_status < 500) {
        std::int64_t code = 0;
        std::string_view title, more;
        if (readable && root["code"].get(code) == simdjson::SUCCESS && code != 0) {
            if (root["message"].get(title) != simdjson::SUCCESS) title = status;
            if (root["more_info"].get(more) != simdjson::SUCCESS) more = {};
            return Refused{.error =
                               classified(code, std::string(text::front_of_bytes(title, kErrorMax)),
                                          std::string(text::front_of_bytes(more, kErrorMax)))};
        }
        if (http_status == 429) return refused_at_the_door(ErrorClass::busy, status);
        if (http_status == 401 || http_status == 403)
            return refused_at_the_door(ErrorClass::unauthorised, status, std::chrono::minutes(15));
        return refused_at_the_door(ErrorClass::rejected, status + " without an error code");
    }
    return Lost{.reason = status + " with an answer that proves nothing"};
}

}  // namespace flowstack::gateway::twilio
