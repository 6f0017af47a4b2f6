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
    KnownCode{2388019, 400, "Message template limit exceeded"},
    KnownCode{2388040, 400, "Character limit exceeded"},
    KnownCode{2388047, 400, "Message header or body format incorrect"},
    KnownCode{2388073, 400, "Message footer format incorrect"},
    KnownCode{2388293, 400, "Parameters to words ratio exceeds limit"},
    KnownCode{2388299, 400, "Leading or trailing parameters not allowed"},
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
constexpr std::size_t kProductsMax = 30;
constexpr std::size_t kPayloadMax = 128;
constexpr std::size_t kUrlSuffixMax = 2000;
constexpr std::size_t kCouponMax = 15;
constexpr std::size_t kCardsMin = 2;
constexpr std::size_t kCardsMax = 10;
constexpr std::int64_t kTemplateButtonsMax = 10;
constexpr std::size_t kIdMax = 512;
constexpr std::size_t kNoLimit = 4096;  // where Meta names none

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
    void number(const json::value& in, std::string_view name, const std::string& path,
                double at_most) {
        const auto* value = member(in, name);
        if (value == nullptr) return missing(path);
        if (!value->is_number()) return invalid(path, "must be a number");
        const auto found = value->to_number<double>();
        if (!(found >= -at_most && found <= at_most)) invalid(path, "is out of range");
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

// {"name":…,"parameters":{…}}; the parameters, or nothing.
const json::value* judge_named_action(Judge& judge, const json::value& action,
                                      std::string_view name) {
    judge.only(action.get_object(), "action", {"name", "parameters"});
    if (judge.text(action, "name", "interactive.action.name", 64) != name) {
        judge.invalid("interactive.action.name", "must be \"" + std::string{name} + "\"");
    }
    if (judge.object(action, "parameters", "interactive.action.parameters") == nullptr) {
        return nullptr;
    }
    return &action.get_object().at("parameters");
}

void judge_link_button(Judge& judge, const json::value& action) {
    const auto* parameters = judge_named_action(judge, action, "cta_url");
    if (parameters == nullptr) return;
    judge.only(parameters->get_object(), "parameters", {"display_text", "url"});
    judge.text(*parameters, "display_text", "interactive.action.parameters.display_text",
               kButtonTitleMax);
    const std::string path = "interactive.action.parameters.url";
    if (!is_link(judge.text(*parameters, "url", path, 2048))) {
        judge.invalid(path, "must be an http or https URL");
    }
}

void judge_location_request(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"name"});
    if (judge.text(action, "name", "interactive.action.name", 64) != "send_location") {
        judge.invalid("interactive.action.name", "must be \"send_location\"");
    }
}

void judge_product(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"catalog_id", "product_retailer_id"});
    judge.text(action, "catalog_id", "interactive.action.catalog_id", kIdMax);
    judge.text(action, "product_retailer_id", "interactive.action.product_retailer_id", kIdMax);
}

void judge_product_list(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"catalog_id", "sections"});
    judge.text(action, "catalog_id", "interactive.action.catalog_id", kIdMax);
    const auto* sections = judge.array(action, "sections", "interactive.action.sections");
    if (sections == nullptr) return;
    if (sections->empty() || sections->size() > kSectionsMax) {
        return judge.invalid("interactive.action.sections", "1 to 10 sections are allowed");
    }
    std::size_t products = 0;
    for (std::size_t i = 0; i < sections->size(); ++i) {
        const json::value& section = (*sections)[i];
        const std::string path = "interactive.action.sections[" + std::to_string(i) + "]";
        if (!section.is_object()) return judge.invalid(path, "must be an object");
        judge.only(section.get_object(), "sections", {"title", "product_items"});
        if (sections->size() > 1) {
            judge.text(section, "title", path + ".title", kSectionTitleMax);
        } else {
            judge.optional_text(section, "title", path + ".title", kSectionTitleMax);
        }
        const auto* items = judge.array(section, "product_items", path + ".product_items");
        if (items == nullptr) return;
        if (items->empty()) return judge.missing(path + ".product_items");
        products += items->size();
        for (const json::value& item : *items) {
            if (!item.is_object()) return judge.invalid(path + ".product_items", "objects only");
            judge.only(item.get_object(), "product_items", {"product_retailer_id"});
            judge.text(item, "product_retailer_id", path + ".product_items.product_retailer_id",
                       kIdMax);
        }
    }
    if (products > kProductsMax) {
        judge.invalid("interactive.action.sections", "at most 30 products in all sections");
    }
}

void judge_catalog(Judge& judge, const json::value& action) {
    judge.only(action.get_object(), "action", {"name", "parameters"});
    if (judge.text(action, "name", "interactive.action.name", 64) != "catalog_message") {
        judge.invalid("interactive.action.name", "must be \"catalog_message\"");
    }
    const auto* parameters = member(action, "parameters");
    if (parameters == nullptr) return;
    if (!parameters->is_object()) {
        return judge.invalid("interactive.action.parameters", "must be an object");
    }
    judge.only(parameters->get_object(), "parameters", {"thumbnail_product_retailer_id"});
    judge.optional_text(*parameters, "thumbnail_product_retailer_id",
                        "interactive.action.parameters.thumbnail_product_retailer_id", kIdMax);
}

void judge_flow(Judge& judge, const json::value& action) {
    const auto* parameters = judge_named_action(judge, action, "flow");
    if (parameters == nullptr) return;
    const std::string path = "interactive.action.parameters";
    judge.only(parameters->get_object(), "parameters",
               {"flow_message_version", "flow_token", "flow_id", "flow_name", "flow_cta", "mode",
                "flow_action", "flow_action_payload"});
    if (judge.text(*parameters, "flow_message_version", path + ".flow_message_version", 8) != "3") {
        judge.invalid(path + ".flow_message_version", "must be \"3\"");
    }
    const bool by_id = member(*parameters, "flow_id") != nullptr;
    if (by_id == (member(*parameters, "flow_name") != nullptr)) {
        return judge.invalid(path, "give either flow_id or flow_name");
    }
    const std::string which = by_id ? "flow_id" : "flow_name";
    judge.text(*parameters, which, path + "." + which, kIdMax);
    judge.text(*parameters, "flow_cta", path + ".flow_cta", kButtonTitleMax);
    judge.optional_text(*parameters, "flow_token", path + ".flow_token", kIdMax);
    const auto mode = text_or(*parameters, "mode", "published");
    if (mode != "draft" && mode != "published") {
        judge.invalid(path + ".mode", "must be draft or published");
    }
    const auto kind = text_or(*parameters, "flow_action", "navigate");
    const auto* payload = member(*parameters, "flow_action_payload");
    if (kind == "data_exchange") {
        if (payload != nullptr) {
            judge.invalid(path + ".flow_action_payload", "not allowed with data_exchange");
        }
        return;
    }
    if (kind != "navigate") {
        return judge.invalid(path + ".flow_action", "must be navigate or data_exchange");
    }
    if (payload == nullptr) return;
    if (!payload->is_object()) {
        return judge.invalid(path + ".flow_action_payload", "must be an object");
    }
    judge.only(payload->get_object(), "flow_action_payload", {"screen", "data"});
    judge.text(*payload, "screen", path + ".flow_action_payload.screen", kIdMax);
    const auto* data = member(*payload, "data");
    if (data != nullptr && (!data->is_object() || data->get_object().empty())) {
        judge.invalid(path + ".flow_action_payload.data", "must be an object that is not empty");
    }
}

// Which headers a kind allows.
bool allows_header(std::string_view kind, std::string_view type) {
    if (kind == "list" || kind == "product_list") return type == "text";
    if (kind == "button" || kind == "cta_url" || kind == "flow") {
        return type == "text" || type == "image" || type == "video" || type == "document";
    }
    return kind == "address_message";
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
        if (!allows_header(kind, type)) {
            judge.invalid("interactive.header.type", kind + " allows no such header");
        } else if (type == "text") {
            judge.only(*header, "header", {"type", "text", "sub_text"});
            judge.text(header_value, "text", "interactive.header.text", kHeaderMax);
        } else if (type == "image" || type == "video" || type == "document") {
            if (judge.object(header_value, type, "interactive.header." + type) != nullptr) {
                judge.only(*header, "header", {"type", type});
                judge_media(judge, header->at(type), type);
                if (member(header->at(type), "caption") != nullptr) {
                    judge.invalid("interactive.header." + type + ".caption", "not allowed here");
                }
            }
        } else {
            judge.invalid("interactive.header.type", "must be text, image, video or document");
        }
    } else if (kind == "product_list") {
        return judge.missing("interactive.header");
    }
    if (kind != "product" || member(value, "body") != nullptr) {
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
    if (kind == "cta_url") judge_link_button(judge, action);
    if (kind == "location_request_message") judge_location_request(judge, action);
    if (kind == "product") judge_product(judge, action);
    if (kind == "product_list") judge_product_list(judge, action);
    if (kind == "catalog_message") judge_catalog(judge, action);
    if (kind == "flow") judge_flow(judge, action);
}

bool breaks_the_line(std::string_view parameter) {
    return parameter.find_first_of("\n\r\t") != std::string_view::npos ||
           parameter.find("     ") != std::string_view::npos;
}

void judge_location(Judge& judge, const json::value& location, const std::string& path,
                    bool named) {
    if (!location.is_object()) return judge.invalid(path, "must be an object");
    judge.only(location.get_object(), path, {"latitude", "longitude", "name", "address"});
    judge.number(location, "latitude", path + ".latitude", 90);
    judge.number(location, "longitude", path + ".longitude", 180);
    if (named) {
        judge.text(location, "name", path + ".name", 1000);
        judge.text(location, "address", path + ".address", 1000);
    } else {
        judge.optional_text(location, "name", path + ".name", 1000);
        judge.optional_text(location, "address", path + ".address", 1000);
    }
}

void judge_text_parameter(Judge& judge, const json::value& parameter, const std::string& at,
                          std::size_t max) {
    judge.only(parameter.get_object(), "parameters", {"type", "text", "parameter_name"});
    judge.optional_text(parameter, "parameter_name", at + ".parameter_name", kTemplateNameMax);
    if (breaks_the_line(judge.text(parameter, "text", at + ".text", max))) {
        judge.refuse(graph_error(132018, at + ": Param text cannot have new-line/tab characters or "
                                              "more than 4 consecutive spaces"));
    }
}

void judge_header_parameter(Judge& judge, const json::value& parameter, const std::string& kind,
                            const std::string& at) {
    if (kind == "text") return judge_text_parameter(judge, parameter, at, kHeaderMax);
    judge.only(parameter.get_object(), "parameters", {"type", kind});
    if (kind != "image" && kind != "video" && kind != "document" && kind != "location" &&
        kind != "product") {
        return judge.invalid(at + ".type", "not for a header");
    }
    if (judge.object(parameter, kind, at + "." + kind) == nullptr) return;
    const json::value& inner = parameter.get_object().at(kind);
    if (kind == "location") return judge_location(judge, inner, at + ".location", true);
    if (kind == "product") {
        judge.only(inner.get_object(), "product", {"product_retailer_id", "catalog_id"});
        judge.text(inner, "product_retailer_id", at + ".product.product_retailer_id", kIdMax);
        judge.text(inner, "catalog_id", at + ".product.catalog_id", kIdMax);
        return;
    }
    judge_media(judge, inner, kind);
    if (member(inner, "caption") != nullptr) {
        judge.invalid(at + "." + kind + ".caption", "not allowed in a template");
    }
}

void judge_body_parameter(Judge& judge, const json::value& parameter, const std::string& kind,
                          const std::string& at) {
    if (kind == "text") return judge_text_parameter(judge, parameter, at, kTextMax);
    if (kind != "currency" && kind != "date_time") {
        return judge.invalid(at + ".type", "must be text, currency or date_time");
    }
    if (judge.object(parameter, kind, at + "." + kind) == nullptr) return;
    judge.text(parameter.get_object().at(kind), "fallback_value", at + ".fallback_value", kTextMax);
}

void judge_button_parameter(Judge& judge, const json::value& parameter, const std::string& kind,
                            const std::string& sub_type, const std::string& at) {
    const auto expect = [&](std::string_view wanted) {
        if (kind == wanted) return true;
        judge.refuse(graph_error(
            132012, at + ".type: " + sub_type + " takes \"" + std::string{wanted} + "\""));
        return false;
    };
    if (sub_type == "quick_reply") {
        if (!expect("payload")) return;
        judge.only(parameter.get_object(), "parameters", {"type", "payload"});
        judge.text(parameter, "payload", at + ".payload", kPayloadMax);
    } else if (sub_type == "url") {
        if (!expect("text")) return;
        judge_text_parameter(judge, parameter, at, kUrlSuffixMax);
        if (text_or(parameter, "text", "").find(' ') != std::string::npos) {
            judge.invalid(at + ".text", "no part of a URL has a blank");
        }
    } else if (sub_type == "copy_code") {
        if (!expect("coupon_code")) return;
        judge.only(parameter.get_object(), "parameters", {"type", "coupon_code"});
        judge.text(parameter, "coupon_code", at + ".coupon_code", kCouponMax);
    } else {
        if (!expect("action")) return;
        judge.only(parameter.get_object(), "parameters", {"type", "action"});
        if (judge.object(parameter, "action", at + ".action") == nullptr) return;
        const json::value& action = parameter.get_object().at("action");
        if (sub_type == "flow") {
            judge.only(action.get_object(), "action", {"flow_token", "flow_action_data"});
            judge.optional_text(action, "flow_token", at + ".action.flow_token", kIdMax);
        } else if (sub_type == "catalog") {
            judge.only(action.get_object(), "action", {"thumbnail_product_retailer_id"});
        }
    }
}

void judge_components(Judge& judge, const json::array& components, const std::string& list,
                      bool in_card);

void judge_carousel(Judge& judge, const json::value& component, const std::string& path) {
    judge.only(component.get_object(), "components", {"type", "cards"});
    const auto* cards = judge.array(component, "cards", path + ".cards");
    if (cards == nullptr) return;
    if (cards->size() < kCardsMin || cards->size() > kCardsMax) {
        return judge.invalid(path + ".cards", "2 to 10 cards are allowed");
    }
    for (std::size_t i = 0; i < cards->size(); ++i) {
        const json::value& card = (*cards)[i];
        const std::string at = path + ".cards[" + std::to_string(i) + "]";
        if (!card.is_object()) return judge.invalid(at, "must be an object");
        judge.only(card.get_object(), "cards", {"card_index", "components"});
        if (int_or(card, "card_index", -1) != static_cast<std::int64_t>(i)) {
            return judge.invalid(at + ".card_index", "cards are numbered from 0, in order");
        }
        const auto* inner = judge.array(card, "components", at + ".components");
        if (inner == nullptr) return;
        judge_components(judge, *inner, at + ".components", true);
    }
}

void judge_components(Judge& judge, const json::array& components, const std::string& list,
                      bool in_card) {
    std::set<std::string> once;
    for (std::size_t i = 0; i < components.size(); ++i) {
        const json::value& component = components[i];
        const std::string path = list + "[" + std::to_string(i) + "]";
        if (!component.is_object()) return judge.invalid(path, "must be an object");
        const auto type = judge.text(component, "type", path + ".type", 16);
        if (judge.failed()) return;
        if (type != "header" && type != "body" && type != "button" &&
            (in_card || type != "carousel")) {
            return judge.invalid(path + ".type", "must be header, body, button or carousel");
        }
        std::string sub_type;
        std::string place = type;
        if (type == "button") {
            judge.only(component.get_object(), "components",
                       {"type", "sub_type", "index", "parameters"});
            sub_type = judge.text(component, "sub_type", path + ".sub_type", 32);
            constexpr std::array<std::string_view, 6> kSubTypes{
                "quick_reply", "url", "catalog", "flow", "copy_code", "mpm"};
            if (std::find(kSubTypes.begin(), kSubTypes.end(), sub_type) == kSubTypes.end()) {
                return judge.invalid(path + ".sub_type", "is not known");
            }
            const auto index = scalar_text(member(component, "index"));
            if (!index) return judge.missing(path + ".index");
            if (index->empty() || index->size() > 2 ||
                index->find_first_not_of("0123456789") != std::string::npos ||
                std::stoll(*index) >= kTemplateButtonsMax) {
                return judge.invalid(path + ".index", "must be 0 to 9");
            }
            place += *index;
        } else if (type == "carousel") {
            judge_carousel(judge, component, path);
        } else {
            judge.only(component.get_object(), "components", {"type", "parameters"});
        }
        if (!once.insert(place).second) return judge.invalid(path, "is there twice");
        if (type == "carousel") continue;
        const auto* parameters = judge.array(component, "parameters", path + ".parameters");
        if (parameters == nullptr) return;
        if (type != "body" && parameters->size() != 1) {
            return judge.refuse(graph_error(132000, path + ": one parameter is expected"));
        }
        std::size_t named = 0;
        for (std::size_t k = 0; k < parameters->size(); ++k) {
            const json::value& parameter = (*parameters)[k];
            const std::string at = path + ".parameters[" + std::to_string(k) + "]";
            if (!parameter.is_object()) return judge.invalid(at, "must be an object");
            const auto kind = judge.text(parameter, "type", at + ".type", 16);
            if (judge.failed()) return;
            if (member(parameter, "parameter_name") != nullptr) ++named;
            if (type == "header") judge_header_parameter(judge, parameter, kind, at);
            if (type == "body") judge_body_parameter(judge, parameter, kind, at);
            if (type == "button") judge_button_parameter(judge, parameter, kind, sub_type, at);
        }
        if (named != 0 && named != parameters->size()) {
            return judge.invalid(path + ".parameters", "all of them have names, or none");
        }
    }
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
    if (components != nullptr) {
        judge_components(judge, *components, "template.components", false);
    }
}

void judge_reaction(Judge& judge, const json::value& body) {
    if (judge.object(body, "reaction", "reaction") == nullptr) return;
    const json::value& reaction = body.get_object().at("reaction");
    judge.only(reaction.get_object(), "reaction", {"message_id", "emoji"});
    judge.text(reaction, "message_id", "reaction.message_id", kIdMax);
    const auto* emoji = member(reaction, "emoji");
    if (emoji == nullptr) return judge.missing("reaction.emoji");
    if (!emoji->is_string() || emoji->get_string().size() > 64) {
        judge.invalid("reaction.emoji", "must be one emoji, or empty");
    }
    if (member(body, "context") != nullptr) {
        judge.invalid("context", "not allowed with a reaction");
    }
}

void judge_list_of(Judge& judge, const json::value& card, std::string_view list,
                   std::string_view wanted, std::initializer_list<std::string_view> allowed,
                   const std::string& path) {
    if (member(card, list) == nullptr) return;
    const auto* items = judge.array(card, list, path + "." + std::string{list});
    if (items == nullptr) return;
    for (const json::value& item : *items) {
        if (!item.is_object()) return judge.invalid(path, "must be objects");
        judge.only(item.get_object(), std::string{list}, allowed);
        judge.text(item, wanted, path + "." + std::string{list} + "." + std::string{wanted},
                   kNoLimit);
    }
}

void judge_contacts(Judge& judge, const json::value& body) {
    const auto* contacts = judge.array(body, "contacts", "contacts");
    if (contacts == nullptr) return;
    if (contacts->empty()) return judge.missing("contacts");
    for (std::size_t i = 0; i < contacts->size(); ++i) {
        const json::value& card = (*contacts)[i];
        const std::string path = "contacts[" + std::to_string(i) + "]";
        if (!card.is_object()) return judge.invalid(path, "must be an object");
        judge.only(card.get_object(), "contacts",
                   {"name", "org", "phones", "emails", "urls", "addresses", "birthday"});
        if (judge.object(card, "name", path + ".name") == nullptr) return;
        const json::value& name = card.get_object().at("name");
        judge.only(
            name.get_object(), "name",
            {"formatted_name", "first_name", "last_name", "middle_name", "prefix", "suffix"});
        judge.text(name, "formatted_name", path + ".name.formatted_name", kNoLimit);
        if (name.get_object().size() < 2) {
            judge.missing(path + ".name: one part of the name beside formatted_name");
        }
        for (const auto& [part, value] : name.get_object()) {
            if (!value.is_string() || value.get_string().empty()) {
                judge.invalid(path + ".name", "parts are texts that are not empty");
            }
        }
        judge_list_of(judge, card, "phones", "phone", {"phone", "type", "wa_id"}, path);
        judge_list_of(judge, card, "emails", "email", {"email", "type"}, path);
        judge_list_of(judge, card, "urls", "url", {"url", "type"}, path);
        const auto* birthday = member(card, "birthday");
        if (birthday != nullptr &&
            (!birthday->is_string() || birthday->get_string().size() != 10)) {
            judge.invalid(path + ".birthday", "must be YYYY-MM-DD");
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
        judge_location(judge, body.get_object().at("location"), "location", false);
    } else if (type == "reaction") {
        judge_reaction(judge, body);
    } else if (type == "contacts") {
        judge_contacts(judge, body);
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
    if (!error.user_message.empty()) {
        inner["error_user_title"] = graph_title(error.code);
        inner["error_user_msg"] = error.user_message;
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
    judge.only(body.get_object(), "messages",
               {"messaging_product", "recipient_type", "to", "recipient", "type", "context",
                "biz_opaque_callback_data", send.type});
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

// The components of a template message or of a card of it, by type.
std::vector<const json::value*> components_of(const json::value& holder, std::string_view type) {
    std::vector<const json::value*> found;
    const auto* components = array_at(holder, "components");
    if (components == nullptr) return found;
    for (const auto& component : *components) {
        if (text_or(component, "type", "") == type) found.push_back(&component);
    }
    return found;
}

const json::array* body_parameters(const json::value& body) {
    const auto bodies = components_of(body.get_object().at("template"), "body");
    return bodies.empty() ? nullptr : array_at(*bodies.front(), "parameters");
}

GraphError format_mismatch(const std::string& details) { return graph_error(132012, details); }

std::optional<GraphError> judge_header(const json::value& wanted, const Template& known) {
    const auto headers = components_of(wanted, "header");
    if (known.header.empty() != headers.empty()) {
        return graph_error(132000, known.header.empty() ? "header: it has no variable part"
                                                        : "header: its parameter is missing");
    }
    if (headers.empty()) return std::nullopt;
    const auto kind = text_or(array_at(*headers.front(), "parameters")->front(), "type", "");
    if (kind != known.header) {
        return format_mismatch("header: Format mismatch, expected " + known.header + ", received " +
                               kind);
    }
    return std::nullopt;
}

std::optional<GraphError> judge_template_buttons(const json::value& wanted, const Template& known) {
    std::set<std::size_t> filled;
    for (const auto* button : components_of(wanted, "button")) {
        const auto index = std::stoull(scalar_text(member(*button, "index")).value_or("0"));
        const auto sub_type = text_or(*button, "sub_type", "");
        if (index >= known.buttons.size() || known.buttons[index] != sub_type) {
            return format_mismatch("button " + std::to_string(index) + ": the template has no " +
                                   sub_type + " there");
        }
        filled.insert(index);
    }
    for (std::size_t n = 0; n < known.buttons.size(); ++n) {
        const auto& type = known.buttons[n];
        const bool needed = type == "url" || type == "copy_code";
        if (needed && !filled.contains(n)) {
            return graph_error(131008,
                               "button " + std::to_string(n) + ": its parameter is missing");
        }
    }
    return std::nullopt;
}

std::optional<GraphError> judge_cards(const json::value& wanted, const Template& known) {
    const auto carousels = components_of(wanted, "carousel");
    const auto given =
        carousels.empty() ? std::size_t{0} : array_at(*carousels.front(), "cards")->size();
    if (given != static_cast<std::size_t>(known.cards)) {
        return graph_error(132000, "carousel: " + std::to_string(given) +
                                       " cards do not match the " + std::to_string(known.cards) +
                                       " of the template");
    }
    return std::nullopt;
}

std::optional<GraphError> judge_names(const json::array* parameters, const Template& known) {
    if (parameters == nullptr) return std::nullopt;
    for (const auto& parameter : *parameters) {
        const auto name = text_or(parameter, "parameter_name", "");
        const bool fits = known.names.empty() ? name.empty()
                                              : std::find(known.names.begin(), known.names.end(),
                                                          name) != known.names.end();
        if (!fits) return format_mismatch("body: Parameter name is missing or not known: " + name);
    }
    return std::nullopt;
}

}  // namespace

std::optional<GraphError> judge_template(const json::value& body,
                                         const std::multimap<std::string, Template>& known) {
    const Template* found = find_template(body, known);
    const json::value& wanted = body.get_object().at("template");
    if (found == nullptr ||
        (found->status != "APPROVED" && found->status != "PAUSED" && found->status != "DISABLED")) {
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
    if (auto error = judge_names(parameters, *found)) return error;
    if (auto error = judge_header(wanted, *found)) return error;
    if (auto error = judge_template_buttons(wanted, *found)) return error;
    return judge_cards(wanted, *found);
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
