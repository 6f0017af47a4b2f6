#include "services/sandbox/twilio.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <set>
#include <stdexcept>

#include "services/sandbox/graph.h"
#include "services/sandbox/signing.h"

namespace flowstack::sandbox {
namespace {

constexpr std::size_t kBodyMax = 1'600;
constexpr int kValiditySecondsMax = 36'000;
constexpr std::string_view kWhatsApp = "whatsapp:";

struct TwilioCode {
    int code;
    int http;
    std::string_view message;
};
constexpr std::array kTwilioCodes{
    TwilioCode{20001, 400, "Unknown parameters"},
    TwilioCode{20003, 401, "Authenticate"},
    TwilioCode{20404, 404, "The requested resource was not found"},
    TwilioCode{20429, 429, "Too Many Requests"},
    TwilioCode{20500, 500, "Internal Server Error"},
    TwilioCode{21211, 400, "The 'To' number is not a valid phone number."},
    TwilioCode{21602, 400, "Message body is required."},
    TwilioCode{21603, 400, "A 'From' phone number is required."},
    TwilioCode{21604, 400, "A 'To' phone number is required."},
    TwilioCode{21606, 400, "The 'From' phone number is not a valid message-capable number."},
    TwilioCode{21608, 400, "The number is unverified. Trial accounts cannot send to it."},
    TwilioCode{21609, 400, "The 'StatusCallback' URL is not a valid URL."},
    TwilioCode{21610, 400, "Attempt to send to unsubscribed recipient"},
    TwilioCode{21617, 400, "The concatenated message body exceeds the 1600 character limit."},
    TwilioCode{21620, 400, "Invalid media URL(s)"},
    TwilioCode{21701, 404, "The Messaging Service does not exist."},
    TwilioCode{30001, 429, "Queue overflow"},
    TwilioCode{30002, 403, "Account suspended"},
    TwilioCode{30003, 400, "Unreachable destination handset"},
    TwilioCode{30008, 400, "Unknown error"},
    TwilioCode{63001, 400, "Channel could not authenticate the request"},
    TwilioCode{63003, 400, "Channel could not find To address"},
    TwilioCode{63005, 400, "Channel did not accept given content"},
    TwilioCode{63007, 400, "Twilio could not find a Channel with the specified From address"},
    TwilioCode{63012, 400, "Channel provider returned an internal service error"},
    TwilioCode{63013, 400,
               "This message send failed because it violates Channel provider's policy"},
    TwilioCode{63015, 400,
               "Channel Sandbox can only send messages to phone numbers that have "
               "joined the Sandbox"},
    TwilioCode{63016, 400,
               "Failed to send freeform message because you are outside the allowed "
               "window. If you are using WhatsApp, please use a Message Template."},
    TwilioCode{63017, 429, "Rate limit exceeded for Channel"},
    TwilioCode{63018, 429, "Rate limit exceeded for Channel"},
    TwilioCode{63019, 400, "Media failed to download"},
    TwilioCode{63023, 400, "Channel generic error"},
    TwilioCode{63024, 400, "Invalid message recipient"},
    TwilioCode{63027, 400, "Template does not exist for a language and locale"},
    TwilioCode{63028, 400,
               "Number of parameters provided does not match the expected number of "
               "parameters"},
    TwilioCode{63032, 400, "User's number is part of an experiment"},
    TwilioCode{63038, 429, "Account exceeded the daily messages limit"},
    TwilioCode{63049, 400, "Meta chose not to deliver this WhatsApp marketing message"},
    TwilioCode{63051, 400, "WhatsApp Business Account is locked"},
};

bool is_sid(std::string_view prefix, std::string_view text) {
    return text.size() == prefix.size() + 32 && text.starts_with(prefix) &&
           text.substr(prefix.size()).find_first_not_of("0123456789abcdefABCDEF") ==
               std::string_view::npos;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::optional<std::string> decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] != '%') {
            out += text[i];
        } else {
            const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) return std::nullopt;
            out += static_cast<char>(high * 16 + low);
            i += 2;
        }
    }
    return out;
}

std::string encoded(std::string_view text) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == ' ') {
            out += '+';
        } else if (std::isalnum(byte) != 0 || c == '-' || c == '_' || c == '.' || c == '*') {
            out += c;
        } else {
            out += '%';
            out += kHex[byte >> 4U];
            out += kHex[byte & 15U];
        }
    }
    return out;
}

bool is_url(std::string_view text) {
    return text.starts_with("http://") || text.starts_with("https://");
}

// The variables of a template: a JSON object of texts, with the keys "1", "2" …
std::optional<std::map<std::string, std::string>> variables_in(const std::string& text) {
    std::map<std::string, std::string> variables;
    const auto document = parse(text);
    if (!document || !document->is_object()) return std::nullopt;
    for (const auto& [name, value] : document->get_object()) {
        if (!value.is_string()) return std::nullopt;
        variables[std::string{name.data(), name.size()}] = std::string{value.get_string()};
    }
    return variables;
}

}  // namespace

std::optional<Form> read_form(std::string_view body) {
    Form form;
    while (!body.empty()) {
        const auto piece = body.substr(0, body.find('&'));
        body.remove_prefix(std::min(piece.size() + 1, body.size()));
        if (piece.empty()) continue;
        const auto equals = piece.find('=');
        const auto name = decoded(piece.substr(0, equals));
        const auto value = equals == std::string_view::npos ? std::optional<std::string>("")
                                                            : decoded(piece.substr(equals + 1));
        if (!name || !value) return std::nullopt;
        form.emplace_back(*name, *value);
    }
    return form;
}

std::string write_form(const Form& form) {
    std::string body;
    for (const auto& [name, value] : form) {
        if (!body.empty()) body += '&';
        body += encoded(name) + "=" + encoded(value);
    }
    return body;
}

std::string form_value(const Form& form, std::string_view name) {
    for (const auto& [key, value] : form) {
        if (key == name) return value;
    }
    return {};
}

std::string twilio_signature(std::string_view auth_token, std::string_view url, const Form& form) {
    // Names and values of our own webhooks are ASCII in their names, so bytes sort as they do.
    std::map<std::string, std::set<std::string>> sorted;
    for (const auto& [name, value] : form) sorted[name].insert(value);
    std::string text{url};
    for (const auto& [name, values] : sorted) {
        for (const auto& value : values) text += name + value;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (HMAC(EVP_sha1(), auth_token.data(), static_cast<int>(auth_token.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
             &size) == nullptr) {
        throw std::runtime_error("HMAC-SHA1 failed");
    }
    return base64({reinterpret_cast<const char*>(digest.data()), size});
}

TwilioError twilio_error(int code, std::string details) {
    const auto known = std::find_if(kTwilioCodes.begin(), kTwilioCodes.end(),
                                    [&](const TwilioCode& each) { return each.code == code; });
    TwilioError error{code, 400, "Unknown error"};
    if (known != kTwilioCodes.end()) {
        error.http = known->http;
        error.message = std::string{known->message};
    }
    if (!details.empty()) error.message += " " + details;
    return error;
}

std::string twilio_error_body(const TwilioError& error) {
    return compact(json::object{
        {"code", error.code},
        {"message", error.message},
        {"more_info", "https://www.twilio.com/docs/errors/" + std::to_string(error.code)},
        {"status", error.http}});
}

std::variant<TwilioSend, TwilioError> judge_twilio_send(const Form& form) {
    constexpr std::array<std::string_view, 9> kKnown{"To",
                                                     "From",
                                                     "MessagingServiceSid",
                                                     "Body",
                                                     "MediaUrl",
                                                     "ContentSid",
                                                     "ContentVariables",
                                                     "StatusCallback",
                                                     "ValidityPeriod"};
    std::set<std::string> seen;
    for (const auto& [name, value] : form) {
        if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
            return twilio_error(20001, name);
        }
        if (!seen.insert(name).second) {
            return name == "MediaUrl" ? twilio_error(21620, "WhatsApp takes one file a message.")
                                      : twilio_error(20001, name + " is given twice");
        }
    }
    TwilioSend send;
    const std::string to = form_value(form, "To");
    if (to.empty()) return twilio_error(21604);
    if (!to.starts_with(kWhatsApp)) {
        return twilio_error(21211, "This stand-in speaks WhatsApp: whatsapp:+254…");
    }
    const std::string address = to.substr(kWhatsApp.size());
    const auto digits = dialled_digits(address);
    if (address.starts_with('+') && digits && "+" + *digits == address) {
        send.to = *digits;
    } else if (is_user_id(address)) {
        send.to = address;
    } else {
        return twilio_error(21211, to);
    }
    const std::string from = form_value(form, "From");
    send.service = form_value(form, "MessagingServiceSid");
    if (from.empty() == send.service.empty()) return twilio_error(21603);
    if (!from.empty()) {
        if (!from.starts_with(kWhatsApp)) return twilio_error(21606, from);
        send.from = from.substr(kWhatsApp.size());
    } else if (!is_sid("MG", send.service)) {
        return twilio_error(21701, send.service);
    }
    send.body = form_value(form, "Body");
    send.media = form_value(form, "MediaUrl");
    send.content_sid = form_value(form, "ContentSid");
    if (send.body.empty() && send.media.empty() && send.content_sid.empty()) {
        return twilio_error(21602);
    }
    if (code_points(send.body) > kBodyMax) return twilio_error(21617);
    if (!send.media.empty() && !is_url(send.media)) return twilio_error(21620, send.media);
    if (!send.content_sid.empty() && (!send.body.empty() || !send.media.empty())) {
        return twilio_error(20001, "ContentSid stands alone");
    }
    if (const std::string text = form_value(form, "ContentVariables"); !text.empty()) {
        auto variables = variables_in(text);
        if (send.content_sid.empty() || !variables) return twilio_error(63028, text);
        send.variables = std::move(*variables);
    }
    send.status_callback = form_value(form, "StatusCallback");
    if (!send.status_callback.empty() && !is_url(send.status_callback)) {
        return twilio_error(21609, send.status_callback);
    }
    if (seen.contains("ValidityPeriod")) {
        const std::string text = form_value(form, "ValidityPeriod");
        int period = 0;
        const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), period);
        if (wrong != std::errc{} || end != text.data() + text.size() || period < 1 ||
            period > kValiditySecondsMax) {
            return twilio_error(20001, "ValidityPeriod");
        }
    }
    return send;
}

std::optional<TwilioError> judge_twilio_content(const TwilioSend& send,
                                                const std::map<std::string, TwilioContent>& known) {
    const auto content = known.find(send.content_sid);
    if (content == known.end()) return twilio_error(63027, send.content_sid);
    if (static_cast<int>(send.variables.size()) != content->second.variables) {
        return twilio_error(63028);
    }
    for (int n = 1; n <= content->second.variables; ++n) {
        const auto value = send.variables.find(std::to_string(n));
        if (value == send.variables.end() || value->second.empty()) return twilio_error(63028);
    }
    return std::nullopt;
}

std::string twilio_text(const TwilioSend& send, const std::map<std::string, TwilioContent>& known) {
    const auto content = known.find(send.content_sid);
    if (send.content_sid.empty() || content == known.end()) return send.body;
    std::string text = content->second.body;
    for (const auto& [name, value] : send.variables) {
        const std::string mark = "{{" + name + "}}";
        for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos;
             at += value.size()) {
            text.replace(at, mark.size(), value);
        }
    }
    return text;
}

std::string twilio_date(std::int64_t unix_seconds) {
    const std::time_t seconds = unix_seconds;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::array<char, 64> text{};
    const auto size = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S +0000", &utc);
    return {text.data(), size};
}

}  // namespace flowstack::sandbox
