#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "services/sandbox/json.h"

// The rules of Meta's Graph API for POST /v{N}.{M}/{phone number id}/messages, as values: what a
// body must look like, and how a refusal is worded. What depends on state (token, window, speed)
// is judged by the caller. Source: the Cloud API's error codes and send-messages pages.
namespace flowstack::sandbox {

struct GraphError {
    int code = 0;
    int http = 400;
    std::string message;  // as in the body, with its "(#code) " prefix
    std::string type = "OAuthException";
    std::string details;
    int subcode = 0;           // 0: none
    std::string user_message;  // about templates: what is wrong, for people
};

// Title and HTTP status from the documented table; 400 "Unknown error" for a code not in it.
GraphError graph_error(int code, std::string details);
std::string graph_title(int code);

std::string graph_error_body(const GraphError& error, const std::string& trace_id);

// A body that may be sent.
struct SendRequest {
    std::string input;    // `to` or `recipient` exactly as given
    std::string phone;    // digits, empty when addressed by business-scoped id
    std::string user_id;  // business-scoped id, empty when addressed by phone
    std::string type;     // text, interactive, template, image …
    std::string biz_opaque_callback_data;
    std::string context_id;
    bool had_plus = false;
};
struct ReadRequest {
    std::string message_id;
    bool typing = false;
};
using MessageRequest = std::variant<SendRequest, ReadRequest, GraphError>;

MessageRequest judge_message(const json::value& body);

// Templates that a number may send.
struct Template {
    std::string name;
    std::string language;
    std::string category = "UTILITY";
    std::string status = "APPROVED";  // APPROVED | PAUSED | DISABLED | PENDING | REJECTED …
    std::string body;                 // with {{1}} or {{name}}; shown on the phone
    int body_parameters = 0;
    // Of the parts with a variable: what a send must fill, and nothing else.
    std::string header;                // "" none | text | image | video | document | location
    std::vector<std::string> buttons;  // in order: url (with a variable), copy_code, flow …; "" has
                                       // no variable. quick_reply and catalog may be filled.
    int cards = 0;                   // of a carousel; 0: it is none
    std::vector<std::string> names;  // of the body's variables; empty: they are numbered
    std::string id;
    json::array components;  // as they were given; empty: registered by the control API
    std::string quality = "UNKNOWN";
    std::string rejected_reason;
};
// Nothing when the template message may be sent. `known` is keyed by name.
std::optional<GraphError> judge_template(const json::value& body,
                                         const std::multimap<std::string, Template>& known);
// The text a person sees: the template's body with its parameters in place.
std::string template_text(const json::value& body,
                          const std::multimap<std::string, Template>& known);

// Digits of a dialled number ("+254 712-345678" → "254712345678"); nothing unless it can be an
// international number (7 to 15 digits).
std::optional<std::string> dialled_digits(std::string_view to);

// "US.13491208655302741918" or "US.ENT.11815799212886844830".
bool is_user_id(std::string_view text);

}  // namespace flowstack::sandbox
