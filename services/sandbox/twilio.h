#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "services/sandbox/json.h"

// The rules of Twilio's Messages resource for WhatsApp, as values: forms, signatures, what a call
// must look like and how a refusal is worded. What depends on state (account, sender, window,
// speed) is judged by the caller. Source: Twilio's API reference and its library for Node.
namespace flowstack::sandbox {

using Form = std::vector<std::pair<std::string, std::string>>;

// Nothing when an escape is wrong.
std::optional<Form> read_form(std::string_view body);
// As Twilio writes it: a blank is '+'.
std::string write_form(const Form& form);
std::string form_value(const Form& form, std::string_view name);

// X-Twilio-Signature: base64 of HMAC-SHA1(auth token, URL and the sorted parameters).
std::string twilio_signature(std::string_view auth_token, std::string_view url, const Form& form);

struct TwilioError {
    int code = 0;
    int http = 400;
    std::string message;
};
// Words and HTTP status of a code; "Unknown error" and 400 for one that is not known here.
TwilioError twilio_error(int code, std::string details = {});
std::string twilio_error_body(const TwilioError& error);

// A Content template of the account.
struct TwilioContent {
    std::string sid;
    std::string body;  // with {{1}} …
    int variables = 0;
};

struct TwilioSend {
    std::string to;       // digits, or the id of one who hides the phone
    std::string from;     // "+14155238886"; empty: by a messaging service
    std::string service;  // "MG…"
    std::string body;
    std::string media;
    std::string content_sid;
    std::map<std::string, std::string> variables;
    std::string status_callback;
};
std::variant<TwilioSend, TwilioError> judge_twilio_send(const Form& form);

// Nothing when the template may be sent with these variables.
std::optional<TwilioError> judge_twilio_content(const TwilioSend& send,
                                                const std::map<std::string, TwilioContent>& known);
// What a person reads.
std::string twilio_text(const TwilioSend& send, const std::map<std::string, TwilioContent>& known);

// "Thu, 01 Jan 2026 00:00:00 +0000"
std::string twilio_date(std::int64_t unix_seconds);

}  // namespace flowstack::sandbox
