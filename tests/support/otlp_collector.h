#pragma once

#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/http/server.h"

// A collector of traces for tests: takes OTLP/HTTP in JSON as the specification has it, keeps the
// spans and names what is not as it should be. It shares no code with the exporter.
namespace flowstack::testing {

struct CollectedSpan {
    std::string service;
    std::string trace;
    std::string id;
    std::string parent;  // empty: the first of its trace
    std::string name;
    int kind = 0;
    std::int64_t begun_ns = 0;
    std::int64_t ended_ns = 0;
    bool failed = false;
    std::map<std::string, std::string> attributes;
};

class OtlpCollector {
public:
    explicit OtlpCollector(std::uint16_t port = 0)
        : server_({.port = port, .body_bytes_max = std::size_t{16} << 20},
                  [this](const http::Request& request, http::Responder responder) {
                      take(request, std::move(responder));
                  }) {
        server_.start();
    }

    std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(server_.port()); }
    std::uint16_t port() const { return server_.port(); }

    // The next requests are answered so, in this order, and what they bring is not kept.
    void answer_next(std::vector<http::Response> answers) {
        const std::lock_guard lock(mutex_);
        answers_.insert(answers_.end(), answers.begin(), answers.end());
    }
    // From now on nobody is answered.
    void hang() {
        const std::lock_guard lock(mutex_);
        hangs_ = true;
    }

    std::vector<CollectedSpan> spans() const {
        const std::lock_guard lock(mutex_);
        return spans_;
    }
    std::vector<http::Request> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }
    // What was not as OTLP says.
    std::vector<std::string> faults() const {
        const std::lock_guard lock(mutex_);
        return faults_;
    }
    // All that came, for whoever looks for what must not be in it.
    std::string bodies() const {
        const std::lock_guard lock(mutex_);
        std::string all;
        for (const auto& request : requests_) all += request.body + "\n";
        return all;
    }

private:
    void take(const http::Request& request, http::Responder responder) {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
        if (hangs_) {
            unanswered_.push_back(std::move(responder));
            return;
        }
        if (!answers_.empty()) {
            responder.send(answers_.front());
            answers_.pop_front();
            return;
        }
        try {
            if (request.method != "POST" || request.path != "/v1/traces") wrong(request.path);
            if (request.headers.get("Content-Type") != "application/json") wrong("Content-Type");
            read(boost::json::parse(request.body).as_object());
        } catch (const std::exception& error) {
            faults_.emplace_back(error.what());
        }
        responder.send(http::Response::json(200, "{}"));
    }

    [[noreturn]] static void wrong(const std::string& what) {
        throw std::runtime_error("not OTLP: " + what);
    }
    static void members(const boost::json::object& object, const std::set<std::string>& required,
                        const std::set<std::string>& optional = {}) {
        for (const auto& [name, value] : object)
            if (!required.contains(std::string(name)) && !optional.contains(std::string(name)))
                wrong("member " + std::string(name));
        for (const auto& name : required)
            if (!object.contains(name)) wrong("no " + name);
    }
    static std::string id(const boost::json::value& value, std::size_t digits) {
        const std::string text(value.as_string());
        if (text.size() != digits ||
            text.find_first_not_of("0123456789abcdef") != std::string::npos ||
            text.find_first_not_of('0') == std::string::npos)
            wrong("id " + text);
        return text;
    }
    static std::int64_t int64(const boost::json::value& value) {
        std::size_t read = 0;
        const std::string text(value.as_string());
        const auto number = std::stoll(text, &read);
        if (read != text.size()) wrong("number " + text);
        return number;
    }
    static std::map<std::string, std::string> attributes(const boost::json::value& list) {
        std::map<std::string, std::string> read;
        for (const auto& entry : list.as_array()) {
            members(entry.as_object(), {"key", "value"});
            const auto& value = entry.at("value").as_object();
            if (value.size() != 1) wrong("an attribute has one value");
            const std::string key(entry.at("key").as_string());
            const std::string text = value.contains("intValue")
                                         ? std::to_string(int64(value.at("intValue")))
                                         : std::string(value.at("stringValue").as_string());
            if (!read.emplace(key, text).second) wrong("attribute twice: " + key);
        }
        return read;
    }

    void read(const boost::json::object& body) {
        members(body, {"resourceSpans"});
        for (const auto& of_resource : body.at("resourceSpans").as_array()) {
            members(of_resource.as_object(), {"resource", "scopeSpans"});
            const auto resource = attributes(of_resource.at("resource").at("attributes"));
            const auto service = resource.find("service.name");
            if (service == resource.end()) wrong("no service.name");
            for (const auto& of_scope : of_resource.at("scopeSpans").as_array()) {
                members(of_scope.as_object(), {"scope", "spans"});
                for (const auto& span : of_scope.at("spans").as_array())
                    spans_.push_back(span_of(span.as_object(), service->second));
            }
        }
    }
    static CollectedSpan span_of(const boost::json::object& span, const std::string& service) {
        members(span, {"traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"},
                {"parentSpanId", "flags", "attributes", "status"});
        CollectedSpan read{
            .service = service,
            .trace = id(span.at("traceId"), 32),
            .id = id(span.at("spanId"), 16),
            .parent = span.contains("parentSpanId") ? id(span.at("parentSpanId"), 16) : "",
            .name = std::string(span.at("name").as_string()),
            .kind = static_cast<int>(span.at("kind").as_int64()),
            .begun_ns = int64(span.at("startTimeUnixNano")),
            .ended_ns = int64(span.at("endTimeUnixNano")),
            .failed = false,
            .attributes = attributes(span.at("attributes"))};
        if (read.name.empty()) wrong("a span without a name");
        if (read.kind < 1 || read.kind > 5) wrong("kind");
        if (read.ended_ns < read.begun_ns) wrong("a span ends before it begins: " + read.name);
        const auto& status = span.at("status").as_object();
        members(status, {}, {"code", "message"});
        read.failed = status.contains("code") && status.at("code").as_int64() == 2;
        return read;
    }

    mutable std::mutex mutex_;
    std::deque<http::Response> answers_;
    bool hangs_ = false;
    std::vector<http::Responder> unanswered_;
    std::vector<http::Request> requests_;
    std::vector<CollectedSpan> spans_;
    std::vector<std::string> faults_;
    http::Server server_;  // last: its threads use everything above
};

}  // namespace flowstack::testing
