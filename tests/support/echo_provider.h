#pragma once

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/client.h"
#include "services/gateway/providers/provider.h"

// A second messaging provider, with its own wire and its own signature and without any of Meta's
// words: telephones that speak lines of text (echo_phone.h is such a telephone). It proves that
// gateway, and the whole product behind it, needs nothing of Meta.
//
// A line has fields with tabs between them; a tab, a line break and a backslash in a field are
// written \t, \n and \\. What the telephone reports, with the header Echo-Seal:
//
//   say   number  id  seconds  phone  name  text
//   tap   number  id  seconds  phone  name  choice  title      a button
//   pick  number  id  seconds  phone  name  choice  title      a row of a list
//   fate  number  id  seconds  phone  status  ticket           sent, delivered, read
// What it is sent, with the header Echo-Pass, and its answer "taken <id>" or "refused <code>
// <why>":
//
//   to <number> <phone> <ticket> ⏎ text <body> ⏎ button <choice> <title> ⏎ row <choice> <title>
namespace flowstack::testing {
namespace echo {
using Fields = std::vector<std::string>;

inline std::string line(const Fields& fields) {
    std::string out;
    for (const auto& field : fields) {
        if (&field != &fields.front()) out += '\t';
        for (const char c : field)
            out += c == '\t' ? "\\t" : c == '\n' ? "\\n" : c == '\\' ? "\\\\" : std::string(1, c);
    }
    return out + "\n";
}

inline Fields fields_of(std::string_view line) {
    Fields fields(1);
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\t') {
            fields.emplace_back();
        } else if (line[i] == '\\' && i + 1 < line.size()) {
            const char c = line[++i];
            fields.back() += c == 't' ? '\t' : c == 'n' ? '\n' : c;
        } else {
            fields.back() += line[i];
        }
    }
    return fields;
}

inline std::vector<std::string_view> lines_of(std::string_view body) {
    std::vector<std::string_view> lines;
    for (std::size_t end = 0; (end = body.find('\n')) != std::string_view::npos;
         body.remove_prefix(end + 1))
        lines.push_back(body.substr(0, end));
    return lines;
}

inline std::string seal(const Secret& secret, std::string_view body) {
    return crypto::base64_encode(
        crypto::bytes_of(crypto::hmac_sha256(secret.reveal(), "echo\n" + std::string(body))));
}

}  // namespace echo

class EchoProvider final : public gateway::MessagingProvider {
public:
    EchoProvider(http::Client& client, std::string url, Secret secret)
        : client_(client), url_(std::move(url)), secret_(std::move(secret)) {}

    std::string_view kind() const override { return "ECHO"; }
    std::string_view name() const override { return "echo"; }
    std::vector<gateway::FieldError> faults_of(const gateway::ConnectChannel& c) const override {
        if (c.external_id.text().starts_with("echo-")) return {};
        return {{"external_id", "must start with echo-"}};
    }
    gateway::ChannelLimits default_limits() const override { return {50, 5, 1, 100}; }

    std::vector<std::string> webhook_paths() const override { return {"/webhooks/echo"}; }
    http::Response handshake(const http::Request&) const override {
        return http::Response::text(200, "echo");
    }
    std::variant<gateway::Unsigned, gateway::SignedWebhook> read(
        const http::Request& request) const override {
        if (!crypto::constant_time_equal(request.headers.get("Echo-Seal"),
                                         echo::seal(secret_, request.body)))
            return gateway::Unsigned{};
        return gateway::SignedWebhook{"", parse(request.body, request.query)};
    }
    gateway::ParsedWebhook parse(std::string_view body, std::string_view) const override {
        gateway::ParsedWebhook parsed;
        for (const auto line : echo::lines_of(body)) {
            parsed.elements.push_back(element_of(line));
            parsed.elements.back().path = std::to_string(parsed.elements.size() - 1);
        }
        if (parsed.elements.empty()) parsed.shape = gateway::ParsedWebhook::Shape::unknown_shape;
        return parsed;
    }

    std::vector<gateway::FieldError> faults_of(
        const common::v1::MessageContent& content) const override {
        if (!content.has_text() && !content.has_buttons() && !content.has_list())
            return {{"content", "must be a text, buttons or a list"}};
        return {};
    }
    void send(gateway::OutboundCall call,
              std::function<void(gateway::Outcome)> done) const override {
        client_.call(request_for(call), [this, call, done](const http::ClientResult& result) {
            const auto outcome = outcome_of(result);
            const auto* refused = std::get_if<gateway::Refused>(&outcome);
            if (call.previous_credentials.empty() || refused == nullptr ||
                refused->error.error_class != gateway::ErrorClass::unauthorised)
                return done(outcome);
            auto again = call;
            again.credentials = std::exchange(again.previous_credentials, {});
            send(std::move(again), [done](gateway::Outcome repeated) {
                if (auto* accepted = std::get_if<gateway::Accepted>(&repeated))
                    accepted->by_previous_credentials = true;
                done(repeated);
            });
        });
    }

private:
    static gateway::WebhookElement element_of(std::string_view line) {
        using Kind = gateway::WebhookElement::Kind;
        gateway::WebhookElement element;
        element.json = line;
        const auto fields = echo::fields_of(line);
        if (fields.size() < 7) return element;
        const auto& verb = fields[0];
        element.kind = verb == "fate" ? Kind::status : Kind::message;
        element.channel_external_id = fields[1];
        element.provider_message_id = fields[2];
        std::int64_t seconds = 0;
        std::from_chars(fields[3].data(), fields[3].data() + fields[3].size(), seconds);
        element.provider_time = from_unix_seconds(seconds);
        element.phone = fields[4];
        element.provider_type = verb;
        if (element.kind == Kind::status) {
            element.value = fields[5];
            element.callback_data = fields[6];
            return element;
        }
        element.profile_name = fields[5];
        element.text = fields.back();
        if (verb == "say") element.inbound = gateway::InboundKind::text;
        if (verb == "tap") element.inbound = gateway::InboundKind::button;
        if (verb == "pick") element.inbound = gateway::InboundKind::list_row;
        if (verb != "say") element.tap_id = fields[6];
        return element;
    }

    http::ClientRequest request_for(const gateway::OutboundCall& call) const {
        http::ClientRequest request;
        request.method = "POST";
        request.url = url_ + "/send";
        request.headers.add("Echo-Pass", call.credentials.reveal());
        request.timeout_ms = static_cast<int>(call.timeout.count());
        request.not_after = call.not_after;
        int n = 0;
        const auto choice = [&](const char* what, const std::string& title) {
            return echo::line({what, call.message_id + ":" + std::to_string(n++), title});
        };
        const auto& content = call.content;
        request.body = echo::line({"to", call.channel_external_id, call.to, call.callback_data});
        request.body += echo::line({"text", content.has_text()      ? content.text().body()
                                            : content.has_buttons() ? content.buttons().body()
                                                                    : content.list().body()});
        for (const auto& title : content.buttons().titles())
            request.body += choice("button", title);
        for (const auto& row : content.list().rows()) request.body += choice("row", row.title());
        return request;
    }

    static gateway::Outcome outcome_of(const http::ClientResult& result) {
        using namespace gateway;
        if (result.outcome == http::ClientResult::Outcome::not_sent)
            return NotSent{.reason = result.error};
        const std::string_view body = result.response.body;
        auto fields = echo::fields_of(body.substr(0, body.find('\n')));
        fields.resize(3);
        if (fields[0] == "taken") return Accepted{ProviderMessageId(fields[1])};
        if (fields[0] != "refused") return Lost{.reason = "no answer: " + result.error};
        const auto why = fields[1] == "pass" ? ErrorClass::unauthorised : ErrorClass::rejected;
        return Refused{{.error_class = why, .code = fields[1], .title = fields[2], .details = ""}};
    }

    http::Client& client_;
    std::string url_;
    Secret secret_;
};

}  // namespace flowstack::testing
