#include "services/sandbox/graph.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <set>
#include <string_view>

namespace flowstack::sandbox {
namespace {

struct KnownCode {
    int code;
    int http;
    std::string_view title;
};
constexpr std::array kCodes{
    KnownCode{0, 401, "AuthException"},
    KnownCode{1, 400, "API Unknown"},
    KnownCode{2, 503, "API Service"},
    KnownCode{3, 500, "API Method"},
    KnownCode{4, 400, "API Too Many Calls"},
    KnownCode{10, 403, "Permission Denied"},
    KnownCode{33, 400, "Parameter value is not valid"},
    KnownCode{100, 400, "Invalid parameter"},
    KnownCode{190, 401, "Access token has expired"},
    KnownCode{368, 403, "Temporarily blocked for policies violations"},
    KnownCode{80007, 400, "Rate limit issues"},
    KnownCode{130403, 400, "Message blocked"},
    KnownCode{130429, 429, "Rate limit hit"},
    KnownCode{130472, 400, "User's number is part of an experiment"},
    KnownCode{130497, 403, "Business account is restricted from messaging users in this country."},
    KnownCode{131000, 500, "Something went wrong"},
    KnownCode{131005, 403, "Access denied"},
    KnownCode{131008, 400, "Required parameter is missing"},
    KnownCode{131009, 400, "Parameter value is not valid"},
    KnownCode{131016, 503, "Service unavailable"},
    KnownCode{131021, 400, "Recipient cannot be sender"},
    KnownCode{131026, 400, "Message undeliverable"},
    KnownCode{131030, 400, "Recipient phone number not in allowed list"},
    KnownCode{131031, 403, "Account has been locked"},
    KnownCode{131037, 400, "WhatsApp provided number needs display name approval"},
    KnownCode{131042, 400, "Business eligibility payment issue"},
    KnownCode{131045, 500, "Incorrect certificate"},
    KnownCode{131047, 400, "Re-engagement message"},
    KnownCode{131048, 400, "Spam rate limit hit"},
    KnownCode{131049, 400,
              "This message was not delivered to maintain healthy ecosystem engagement."},
    KnownCode{131050, 400,
              "Unable to deliver the message. This recipient has chosen to stop receiving "
              "marketing messages on WhatsApp from your business"},
    KnownCode{131051, 400, "Unsupported message type"},
    KnownCode{131052, 400, "Media download error"},
    KnownCode{131053, 400, "Media upload error"},
    KnownCode{131056, 400, "(Business Account, Consumer Account) pair rate limit hit"},
    KnownCode{131057, 500, "Account in maintenance mode"},
    KnownCode{131062, 400, "Business-scoped user ID is not supported for this message"},
    KnownCode{131064, 400, "Limited after template misclassification"},
    KnownCode{132000, 400, "Number of parameters does not match the expected number of params"},
    KnownCode{132001, 404, "Template name does not exist in the translation"},
    KnownCode{132005, 400, "Template Hydrated Text Too Long"},
    KnownCode{132007, 400, "Template Format Character Policy Violated"},
    KnownCode{132012, 400, "Parameter format does not match format in the created template"},
    KnownCode{132015, 400, "Template is Paused"},
    KnownCode{132016, 400, "Template is Disabled"},
    KnownCode{132018, 400, "There's an issue with the parameters in your template"},
    KnownCode{133004, 503, "Server Temporarily Unavailable"},
    KnownCode{133010, 400, "Phone number not registered"},
    KnownCode{135000, 400, "Generic user error"},
    KnownCode{137000, 400, "Identity hash mismatch"},
};

constexpr std::size_t kTextMax = 4096;
constexpr std::size_t kInteractiveBodyMax = 1024;
constexpr std::size_t kHeaderMax = 60;
constexpr std::size_t kFooterMax = 60;
constexpr std::size_t kButtonsMax = 3;
constexpr std::size_t kButtonTitleMax = 20;
constexpr std::size_t kButtonIdMax = 256;
constexpr std::size_t kListLabelMax = 20;
constexpr std::size_t kSectionsMax = 10;
constexpr std::size_t kRowsMax = 10;
constexpr std::size_t kSectionTitleMax = 24;
constexpr std::size_t kRowIdMax = 200;
constexpr std::size_t kRowTitleMax = 24;
constexpr std::size_t kRowDescriptionMax = 72;
constexpr std::size_t kCaptionMax = 1024;
constexpr std::size_t kCallbackDataMax = 512;
constexpr std::size_t kTemplateNameMax = 512;
constexpr std::size_t kUserIdMax = 128;

// Checks one after the other and remembers the first that failed; later ones then do nothing.
class Judge {
public:
    const std::optional<GraphError>& error() const { return error_; }
    bool failed() const { return error_.has_value(); }

    void refuse(GraphError error) {
        if (!error_) error_ = std::move(error);
    }
    void missing(const std::string& path) {
        refuse(graph_error(131008, "Required parameter is missing: " + path));
    }
    void invalid(const std::string& path, const std::string& why) {
        refuse(graph_error(131009, path + ": " + why));
    }

    // Graph refuses members that it does not know, by name.
    void only(const json::object& object, const std::string& path,
              std::initializer_list<std::string_view> allowed) {
        for (const auto& [name, value] : object) {
            const std::string_view key{name.data(), name.size()};
            if (std::find(allowed.begin(), allowed.end(), key) != allowed.end()) continue;
            GraphError error = graph_error(100, "");
            error.message =
                "(#100) Unexpected key \"" + std::string{key} + "\" on param \"" + path + "\".";
            refuse(std::move(error));
        }
    }

    const json::object* object(const json::value& in, std::string_view name,
                               const std::string& path) {
        const auto* value = member(in, name);
        if (value == nullptr) {
            missing(path);
            return nullptr;
        }
        if (!value->is_object()) {
            invalid(path, "must be an object");
            return nullptr;
        }
        return &value->get_object();
    }
    const json::array* array(const json::value& in, std::string_view name,
                             const std::string& path) {
        const auto* value = member(in, name);
        if (value == nullptr) {
            missing(path);
            return nullptr;
        }
        if (!value->is_array()) {
            invalid(path, "must be an array");
            return nullptr;
        }
        return &value->get_array();
    }
    // A required string of 1 to `max` characters.
    std::string text(const json::value& in, std::string_view name, const std::string& path,
                     std::size_t max) {
        const auto* value = member(in, name);
        if (value == nullptr) {
            missing(path);
            return {};
        }
        if (!value->is_string()) {
            invalid(path, "must be a string");
            return {};
        }
        std::string found{value->get_string()};
        if (found.empty()) missing(path);
        if (code_points(found) > max) {
            invalid(path, "must be at most " + std::to_string(max) + " characters long");
        }
        return found;
    }
    std::string optional_text(const json::value& in, std::string_view name, const std::string& path,
                              std::size_t max) {
        return member(in, name) == nullptr ? std::string{} : text(in, name, path, max);
    }

private:
    std::optional<GraphError> error_;
};

bool is_link(std::string_view text) {
    return text.starts_with("https://") || text.starts_with("http://");
}

void judge_media(Judge& judge, const json::value& media, const std::string& kind) {
    if (!media.is_object()) return judge.invalid(kind, "must be an object");
    judge.only(media.get_object(), kind, {"id", "link", "caption", "filename", "provider"});
    const bool has_id = member(media, "id") != nullptr;
    const bool has_link = member(media, "link") != nullptr;
    if (!has_id && !has_link) return judge.missing(kind + ".id or " + kind + ".link");
    if (has_id && has_link) {
        return judge.invalid(kind, "give either id or link, not both");
    }
    if (has_id) {
        const std::string id = judge.text(media, "id", kind + ".id", 64);
        if (!judge.failed() && id.find_first_not_of("0123456789") != std::string::npos) {
            judge.invalid(kind + ".id", "not a media id");
        }
    } else if (!is_link(judge.text(media, "link", kind + ".link", 2048))) {
        judge.invalid(kind + ".link", "must be an http or https URL");
    }
    if (member(media, "caption") != nullptr && (kind == "audio" || kind == "sticker")) {
        judge.invalid(kind + ".caption", "not allowed for " + kind);
    }
    if (member(media, "filename") != nullptr && kind != "document") {
        judge.invalid(kind + ".filename", "allowed for documents only");
    }
    judge.optional_text(media, "caption", kind + ".caption", kCaptionMax);
}

void judge_buttons(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"buttons"});
    const auto* buttons = judge.array(action, "buttons", "interactive.action.buttons");
    if (buttons == nullptr) return;
    if (buttons->empty() || buttons->size() > kButtonsMax) {
        return judge.invalid("interactive.action.buttons", "1 to 3 buttons are allowed");
    }
    std::set<std::string> ids;
    std::set<std::string> titles;
    for (std::size_t i = 0; i < buttons->size(); ++i) {
        const json::value& button = (*buttons)[i];
        const std::string path = "interactive.action.buttons[" + std::to_string(i) + "]";
        if (text_or(button, "type", "") != "reply") {
            return judge.invalid(path + ".type", "must be \"reply\"");
        }
        const auto* reply = judge.object(button, "reply", path + ".reply");
        if (reply == nullptr) return;
        judge.only(button.get_object(), "buttons", {"type", "reply"});
        judge.only(*reply, "reply", {"id", "title"});
        const json::value& value = button.get_object().at("reply");
        const auto id = judge.text(value, "id", path + ".reply.id", kButtonIdMax);
        const auto title = judge.text(value, "title", path + ".reply.title", kButtonTitleMax);
        if (!ids.insert(id).second) judge.invalid(path + ".reply.id", "ids must be unique");
        if (!titles.insert(title).second) {
            judge.invalid(path + ".reply.title", "titles must be unique");
        }
    }
}

void judge_list(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"button", "sections"});
    judge.text(action, "button", "interactive.action.button", kListLabelMax);
    const auto* sections = judge.array(action, "sections", "interactive.action.sections");
    if (sections == nullptr) return;
    if (sections->empty() || sections->size() > kSectionsMax) {
        return judge.invalid("interactive.action.sections", "1 to 10 sections are allowed");
    }
    std::size_t rows_total = 0;
    std::set<std::string> ids;
    for (std::size_t i = 0; i < sections->size(); ++i) {
        const json::value& section = (*sections)[i];
        const std::string path = "interactive.action.sections[" + std::to_string(i) + "]";
        if (!section.is_object()) return judge.invalid(path, "must be an object");
        judge.only(section.get_object(), "sections", {"title", "rows"});
        if (sections->size() > 1) {
            judge.text(section, "title", path + ".title", kSectionTitleMax);
        } else {
            judge.optional_text(section, "title", path + ".title", kSectionTitleMax);
        }
        const auto* rows = judge.array(section, "rows", path + ".rows");
        if (rows == nullptr) return;
        if (rows->empty()) return judge.missing(path + ".rows");
        rows_total += rows->size();
        for (std::size_t k = 0; k < rows->size(); ++k) {
            const json::value& row = (*rows)[k];
            const std::string row_path = path + ".rows[" + std::to_string(k) + "]";
            if (!row.is_object()) return judge.invalid(row_path, "must be an object");
            judge.only(row.get_object(), "rows", {"id", "title", "description"});
            const auto id = judge.text(row, "id", row_path + ".id", kRowIdMax);
            judge.text(row, "title", row_path + ".title", kRowTitleMax);
            judge.optional_text(row, "description", row_path + ".description", kRowDescriptionMax);
            if (!ids.insert(id).second) judge.invalid(row_path + ".id", "ids must be unique");
        }
    }
    if (rows_total > kRowsMax) {
        judge.invalid("interactive.action.sections",
                      "at most 10 rows in all sections, got " + std::to_string(rows_total));
    }
}

void judge_interactive(Judge& judge, const json::value& body) {
    const auto* interactive = judge.object(body, "interactive", "interactive");
    if (interactive == nullptr) return;
    const json::value& value = body.get_object().at("interactive");
    judge.only(*interactive, "interactive", {"type", "header", "body", "footer", "action"});
    const auto kind = judge.text(value, "type", "interactive.type", 64);
    constexpr std::array<std::string_view, 9> kKinds{"button",         "list",
                                                     "cta_url",        "product",
                                                     "product_list",   "catalog_message",
                                                     "flow",           "location_request_message",
                                                     "address_message"};
    if (!judge.failed() && std::find(kKinds.begin(), kKinds.end(), kind) == kKinds.end()) {
        return judge.refuse(graph_error(
            100,
            "Param interactive['type'] must be one of {button, list, …} - got \"" + kind + "\"."));
    }
    if (member(value, "header") != nullptr) {
        const auto* header = judge.object(value, "header", "interactive.header");
        if (header == nullptr) return;
        const json::value& header_value = interactive->at("header");
        const auto type = judge.text(header_value, "type", "interactive.header.type", 16);
        if (judge.failed()) return;
        if (type == "text") {
            judge.only(*header, "header", {"type", "text", "sub_text"});
            judge.text(header_value, "text", "interactive.header.text", kHeaderMax);
        } else if (kind == "list") {
            judge.invalid("interactive.header.type", "a list allows a text header only");
        } else if (type == "image" || type == "video" || type == "document") {
            if (judge.object(header_value, type, "interactive.header." + type) != nullptr) {
                judge_media(judge, header->at(type), type);
            }
        } else {
            judge.invalid("interactive.header.type", "must be text, image, video or document");
        }
    }
    if (kind != "product" && kind != "catalog_message") {
        if (judge.object(value, "body", "interactive.body") == nullptr) return;
        judge.only(interactive->at("body").get_object(), "body", {"text"});
        // Meta's list bodies may be longer in newer versions; 1024 is what every version takes.
        judge.text(interactive->at("body"), "text", "interactive.body.text", kInteractiveBodyMax);
    }
    if (member(value, "footer") != nullptr) {
        if (judge.object(value, "footer", "interactive.footer") == nullptr) return;
        judge.only(interactive->at("footer").get_object(), "footer", {"text"});
        judge.text(interactive->at("footer"), "text", "interactive.footer.text", kFooterMax);
    }
    if (judge.object(value, "action", "interactive.action") == nullptr) return;
    const json::value& action = interactive->at("action");
    if (kind == "button") judge_buttons(judge, action);
    if (kind == "list") judge_list(judge, action);
}

bool breaks_the_line(std::string_view parameter) {
    return parameter.find_first_of("\n\r\t") != std::string_view::npos ||
           parameter.find("     ") != std::string_view::npos;
}

void judge_template_shape(Judge& judge, const json::value& body) {
    const auto* found = judge.object(body, "template", "template");
    if (found == nullptr) return;
    const json::value& value = body.get_object().at("template");
    judge.only(*found, "template", {"name", "language", "components", "namespace"});
    const auto name = judge.text(value, "name", "template.name", kTemplateNameMax);
    if (!judge.failed() &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos) {
        judge.invalid("template.name", "lower-case letters, digits and underscores only");
    }
    const auto* language = judge.object(value, "language", "template.language");
    if (language == nullptr) return;
    judge.only(*language, "language", {"code", "policy"});
    judge.text(found->at("language"), "code", "template.language.code", 16);
    if (member(value, "components") == nullptr) return;
    const auto* components = judge.array(value, "components", "template.components");
    if (components == nullptr) return;
    for (std::size_t i = 0; i < components->size(); ++i) {
        const json::value& component = (*components)[i];
        const std::string path = "template.components[" + std::to_string(i) + "]";
        if (!component.is_object()) return judge.invalid(path, "must be an object");
        const auto type = judge.text(component, "type", path + ".type", 16);
        if (judge.failed()) return;
        if (type != "header" && type != "body" && type != "button" && type != "footer") {
            return judge.invalid(path + ".type", "must be header, body or button");
        }
        if (type == "button") {
            judge.text(component, "sub_type", path + ".sub_type", 32);
            if (!scalar_text(member(component, "index"))) judge.missing(path + ".index");
        }
        const auto* parameters = array_at(component, "parameters");
        if (parameters == nullptr) continue;
        for (std::size_t k = 0; k < parameters->size(); ++k) {
            const json::value& parameter = (*parameters)[k];
            const std::string at = path + ".parameters[" + std::to_string(k) + "]";
            const auto kind = judge.text(parameter, "type", at + ".type", 16);
            if (kind != "text") continue;
            if (breaks_the_line(judge.text(parameter, "text", at + ".text", kTextMax)))
                return judge.refuse(
                    graph_error(132018, at + ": Param text cannot have new-line/tab characters or "
                                             "more than 4 consecutive spaces"));
        }
    }
}

void judge_content(Judge& judge, const json::value& body, const std::string& type) {
    if (type == "text") {
        const auto* text = judge.object(body, "text", "text");
        if (text == nullptr) return;
        judge.only(*text, "text", {"body", "preview_url"});
        judge.text(body.get_object().at("text"), "body", "text.body", kTextMax);
        const auto* preview = text->if_contains("preview_url");
        if (preview != nullptr && !preview->is_bool()) {
            judge.invalid("text.preview_url", "must be a boolean");
        }
    } else if (type == "interactive") {
        judge_interactive(judge, body);
    } else if (type == "template") {
        judge_template_shape(judge, body);
    } else if (type == "location") {
        if (judge.object(body, "location", "location") == nullptr) return;
        for (const auto* name : {"latitude", "longitude"}) {
            const auto* value = member(body.get_object().at("location"), name);
            if (value == nullptr) judge.missing(std::string{"location."} + name);
        }
    } else if (type == "reaction") {
        if (judge.object(body, "reaction", "reaction") == nullptr) return;
        judge.text(body.get_object().at("reaction"), "message_id", "reaction.message_id", 512);
    } else if (type == "contacts") {
        const auto* contacts = judge.array(body, "contacts", "contacts");
        if (contacts != nullptr && contacts->empty()) judge.missing("contacts");
    } else {
        if (judge.object(body, type, type) == nullptr) return;
        judge_media(judge, body.get_object().at(type), type);
    }
}

GraphError required(const std::string& name) {
    GraphError error = graph_error(100, "");
    error.message = "(#100) The parameter " + name + " is required.";
    return error;
}

MessageRequest judge_read(const json::value& body) {
    if (text_or(body, "status", "") != "read") {
        return graph_error(131009, "status: must be \"read\"");
    }
    const auto id = text_at(body, "message_id");
    if (!id || id->empty()) return required("message_id");
    const auto* typing = member(body, "typing_indicator");
    if (typing != nullptr && text_or(*typing, "type", "") != "text") {
        return graph_error(131009, "typing_indicator.type: must be \"text\"");
    }
    return ReadRequest{*id, typing != nullptr};
}

}  // namespace

std::string graph_title(int code) {
    const auto* found = std::find_if(kCodes.begin(), kCodes.end(),
                                     [&](const KnownCode& known) { return known.code == code; });
    return found == kCodes.end() ? "Unknown error" : std::string{found->title};
}

GraphError graph_error(int code, std::string details) {
    const auto* found = std::find_if(kCodes.begin(), kCodes.end(),
                                     [&](const KnownCode& known) { return known.code == code; });
    GraphError error;
    error.code = code;
    error.http = found == kCodes.end() ? 400 : found->http;
    error.message = "(#" + std::to_string(code) + ") " + graph_title(code);
    error.details = std::move(details);
    return error;
}

std::string graph_error_body(const GraphError& error, const std::string& trace_id) {
    json::object inner;
    inner["message"] = error.message;
    inner["type"] = error.type;
    inner["code"] = error.code;
    if (error.subcode != 0) inner["error_subcode"] = error.subcode;
    if (!error.details.empty()) {
        inner["error_data"] = {{"messaging_product", "whatsapp"}, {"details", error.details}};
    }
    inner["fbtrace_id"] = trace_id;
    return compact(json::object{{"error", std::move(inner)}});
}

std::optional<std::string> dialled_digits(std::string_view to) {
    std::string digits;
    for (std::size_t i = 0; i < to.size(); ++i) {
        const char c = to[i];
        if (c >= '0' && c <= '9') {
            digits += c;
        } else if (!(c == '+' && i == 0) && c != ' ' && c != '-' && c != '(' && c != ')') {
            return std::nullopt;
        }
    }
    if (digits.size() < 7 || digits.size() > 15) return std::nullopt;
    return digits;
}

bool is_user_id(std::string_view text) {
    if (text.size() < 4 || text.size() > kUserIdMax || text[2] != '.') return false;
    const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    if (!upper(text[0]) || !upper(text[1]) || text.back() == '.') return false;
    return std::all_of(text.begin() + 3, text.end(), [&](char c) {
        return upper(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
    });
}

MessageRequest judge_message(const json::value& body) {
    if (!body.is_object()) {
        return graph_error(100, "The request body must be one JSON object.");
    }
    const auto product = text_at(body, "messaging_product");
    if (!product) return required("messaging_product");
    if (*product != "whatsapp") {
        return graph_error(
            100, "Param messaging_product must be one of {WHATSAPP} - got \"" + *product + "\".");
    }
    if (member(body, "status") != nullptr) return judge_read(body);

    SendRequest send;
    if (const auto* kind = member(body, "recipient_type")) {
        if (!kind->is_string() ||
            (kind->get_string() != "individual" && kind->get_string() != "group")) {
            return graph_error(100, "Param recipient_type must be one of {individual, group}.");
        }
    }
    if (const auto* to = member(body, "to")) {
        if (!to->is_string()) return graph_error(100, "Param to must be a string.");
        send.input = std::string{to->get_string()};
        const auto digits = dialled_digits(send.input);
        if (!digits) {
            return graph_error(131009, "to: \"" + send.input + "\" is not a valid phone number.");
        }
        send.phone = *digits;
        send.had_plus = send.input.starts_with('+');
    } else if (const auto* recipient = member(body, "recipient")) {
        if (!recipient->is_string() || !is_user_id(std::string{recipient->get_string()})) {
            return graph_error(131009, "recipient: not a business-scoped user ID.");
        }
        send.input = send.user_id = std::string{recipient->get_string()};
    } else {
        return required("to");
    }

    send.type = "text";
    if (const auto* type = member(body, "type")) {
        if (!type->is_string()) return graph_error(100, "Param type must be a string.");
        send.type = std::string{type->get_string()};
    }
    constexpr std::array<std::string_view, 11> kTypes{
        "text",     "interactive", "template", "image",    "audio",   "video",
        "document", "sticker",     "location", "reaction", "contacts"};
    if (std::find(kTypes.begin(), kTypes.end(), send.type) == kTypes.end()) {
        return graph_error(131051, "Message type \"" + send.type + "\" is not supported.");
    }

    Judge judge;
    send.biz_opaque_callback_data = judge.optional_text(
        body, "biz_opaque_callback_data", "biz_opaque_callback_data", kCallbackDataMax);
    if (member(body, "context") != nullptr) {
        if (judge.object(body, "context", "context") != nullptr) {
            send.context_id = judge.text(body.get_object().at("context"), "message_id",
                                         "context.message_id", 512);
        }
    }
    judge_content(judge, body, send.type);
    if (judge.failed()) return *judge.error();
    return send;
}

namespace {

const Template* find_template(const json::value& body,
                              const std::multimap<std::string, Template>& known) {
    const json::value& wanted = body.get_object().at("template");
    const auto language = text_or(*member(wanted, "language"), "code", "");
    const auto [from, to] = known.equal_range(text_or(wanted, "name", ""));
    const auto it = std::find_if(
        from, to, [&](const auto& entry) { return entry.second.language == language; });
    return it == to ? nullptr : &it->second;
}

const json::array* body_parameters(const json::value& body) {
    const auto* components = array_at(body.get_object().at("template"), "components");
    if (components == nullptr) return nullptr;
    for (const auto& component : *components) {
        if (text_or(component, "type", "") == "body") return array_at(component, "parameters");
    }
    return nullptr;
}

}  // namespace

std::optional<GraphError> judge_template(const json::value& body,
                                         const std::multimap<std::string, Template>& known) {
    const Template* found = find_template(body, known);
    const json::value& wanted = body.get_object().at("template");
    if (found == nullptr || found->status == "PENDING") {
        return graph_error(132001, "template name (" + text_or(wanted, "name", "") +
                                       ") does not exist in " +
                                       text_or(*member(wanted, "language"), "code", ""));
    }
    if (found->status == "PAUSED") {
        return graph_error(132015, "Template is paused due to low quality.");
    }
    if (found->status == "DISABLED") {
        return graph_error(132016, "Template has been permanently disabled.");
    }
    const auto* parameters = body_parameters(body);
    const auto given = parameters == nullptr ? std::size_t{0} : parameters->size();
    if (given != static_cast<std::size_t>(found->body_parameters)) {
        return graph_error(132000, "body: number of localizable_params (" + std::to_string(given) +
                                       ") does not match the expected number of params (" +
                                       std::to_string(found->body_parameters) + ")");
    }
    return std::nullopt;
}

std::string template_text(const json::value& body,
                          const std::multimap<std::string, Template>& known) {
    const Template* found = find_template(body, known);
    const json::value& wanted = body.get_object().at("template");
    std::string text = found == nullptr || found->body.empty()
                           ? "[" + text_or(wanted, "name", "template") + "]"
                           : found->body;
    const auto* parameters = body_parameters(body);
    if (parameters == nullptr) return text;
    for (std::size_t i = 0; i < parameters->size(); ++i) {
        const json::value& parameter = (*parameters)[i];
        const std::string hole =
            "{{" + text_or(parameter, "parameter_name", std::to_string(i + 1)) + "}}";
        const auto at = text.find(hole);
        const auto value = text_or(parameter, "text", "…");
        if (at != std::string::npos) text.replace(at, hole.size(), value);
    }
    return text;
}

}  // namespace flowstack::sandbox
