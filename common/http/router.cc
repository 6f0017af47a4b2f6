#include "common/http/router.h"

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <utility>

#include "common/http/url.h"
#include "common/observability/span.h"

namespace flowstack::http {
namespace {

// Load balancers ask it all the time; their questions are no traces.
constexpr std::string_view kProbePattern = "/health";

struct Endpoint {
    std::string pattern;
    Handler handler;
    std::vector<std::string> names;  // of the variables, left to right
};

// One step of a path. Children are tried from the most to the least specific.
struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> literals;
    std::map<std::string, std::unique_ptr<Node>, std::less<>> verbs;  // "{x}:retry" → ":retry"
    std::unique_ptr<Node> variable;
    std::unique_ptr<Node> rest;
    std::map<std::string, Endpoint, std::less<>> methods;
};

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        path.remove_prefix(1);  // '/'
        const auto end = std::min(path.find('/'), path.size());
        segments.push_back(path.substr(0, end));
        path.remove_prefix(end);
    }
    return segments;
}

struct Match {
    const Node* node = nullptr;
    std::vector<std::string> values;
};

bool find(const Node& node, const std::vector<std::string>& segments, std::size_t at,
          Match& match) {
    if (at == segments.size()) {
        if (!node.methods.empty()) {
            match.node = &node;
            return true;
        }
        if (node.rest) {
            match.values.emplace_back();
            match.node = node.rest.get();
            return true;
        }
        return false;
    }
    const std::string& segment = segments[at];
    if (const auto child = node.literals.find(segment); child != node.literals.end())
        if (find(*child->second, segments, at + 1, match)) return true;
    const auto with_value = [&](const Node& child, std::string value) {
        match.values.push_back(std::move(value));
        if (find(child, segments, at + 1, match)) return true;
        match.values.pop_back();
        return false;
    };
    if (const auto colon = segment.rfind(':'); colon != std::string::npos && colon > 0) {
        const auto child = node.verbs.find(std::string_view(segment).substr(colon));
        if (child != node.verbs.end() && with_value(*child->second, segment.substr(0, colon)))
            return true;
    }
    if (node.variable && !segment.empty() && with_value(*node.variable, segment)) return true;
    if (node.rest) {
        std::string value;
        for (std::size_t i = at; i < segments.size(); ++i) {
            if (i > at) value += '/';
            value += segments[i];
        }
        match.values.push_back(std::move(value));
        match.node = node.rest.get();
        return true;
    }
    return false;
}

Response not_found(const Request& request) {
    return Response::problem({.status = 404,
                              .title = "Not found",
                              .detail = "There is nothing at " + request.path + ".",
                              .reason = "PATH_NOT_FOUND",
                              .trace_id = std::string(trace_id_of(request.headers))});
}

Response wrong_method(const Request& request, const Node& node) {
    std::string allow;
    for (const auto& [method, endpoint] : node.methods) {
        if (!allow.empty()) allow += ", ";
        allow += method;
        if (method == "GET" && !node.methods.contains("HEAD")) allow += ", HEAD";
    }
    Response response = Response::problem({.status = 405,
                                           .title = "Method not allowed",
                                           .detail = request.method + " is not possible at " +
                                                     request.path + "; allowed: " + allow + ".",
                                           .reason = "METHOD_NOT_ALLOWED",
                                           .trace_id = std::string(trace_id_of(request.headers))});
    response.headers.add("Allow", allow);
    return response;
}

// Answers the request within a span of its own, which ends with the answer. The path stands in it
// as the pattern only: paths hold ids and telephone numbers.
void answer_traced(const Endpoint& endpoint, Request request, Responder responder) {
    const auto parent = trace::parse(request.headers.get(trace::kHeader));
    const auto span = std::make_shared<trace::Span>(
        trace::Span::begin(trace::SpanKind::server, request.method + " " + endpoint.pattern,
                           parent.value_or(trace::Context{})));
    span->set("http.request.method", request.method);
    span->set("http.route", endpoint.pattern);
    const trace::Scope scope(span->context());
    endpoint.handler(std::move(request),
                     Responder([span, responder = std::move(responder)](Response answer) {
                         span->set("http.response.status_code", answer.status);
                         if (answer.status >= 500) span->fail(std::to_string(answer.status));
                         span->end();
                         responder.send(std::move(answer));
                     }));
}

}  // namespace

struct Router::Table {
    Node root;
    std::vector<Route> routes;

    void dispatch(Request request, Responder responder) const;
};

Router::Router() : table_(std::make_shared<Table>()) {}
Router::~Router() = default;
Router::Router(Router&&) noexcept = default;
Router& Router::operator=(Router&&) noexcept = default;

const std::vector<Router::Route>& Router::routes() const { return table_->routes; }

void Router::add(std::string method, std::string pattern, Handler handler) {
    const auto refuse = [&](const char* why) {
        throw std::invalid_argument("route " + method + " " + pattern + ": " + why);
    };
    if (method.empty() || !handler) refuse("needs a method and a handler");
    if (pattern.empty() || pattern.front() != '/') refuse("a pattern starts with '/'");

    Node* node = &table_->root;
    const auto child_of = [](std::unique_ptr<Node>& slot) {
        if (!slot) slot = std::make_unique<Node>();
        return slot.get();
    };
    std::vector<std::string> names;
    const auto segments = split(pattern);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const std::string_view segment = segments[i];
        if (segment.find('{') == std::string_view::npos) {
            if (segment.find('}') != std::string_view::npos) refuse("'}' without '{'");
            node = child_of(node->literals[std::string(segment)]);
            continue;
        }
        const auto close = segment.find('}');
        if (segment.front() != '{' || close == std::string_view::npos)
            refuse("a variable starts its segment and ends with '}'");
        std::string_view name = segment.substr(1, close - 1);
        const std::string_view verb = segment.substr(close + 1);
        const bool rest = name.ends_with("=**");
        if (rest) name.remove_suffix(3);
        if (name.empty() || name.find_first_of("{}=*:") != std::string_view::npos)
            refuse("a variable is {name} or {name=**}");
        if (std::find(names.begin(), names.end(), name) != names.end())
            refuse("a variable occurs twice");
        names.emplace_back(name);
        if (rest) {
            if (!verb.empty() || i + 1 != segments.size()) refuse("{name=**} is the end");
            node = child_of(node->rest);
        } else if (verb.empty()) {
            node = child_of(node->variable);
        } else {
            if (verb.size() < 2 || verb.front() != ':' ||
                verb.find(':', 1) != std::string_view::npos)
                refuse("only a ':verb' may follow a variable");
            node = child_of(node->verbs[std::string(verb)]);
        }
    }
    if (!node->methods.try_emplace(method, Endpoint{pattern, std::move(handler), std::move(names)})
             .second)
        refuse("is already taken");
    table_->routes.push_back({std::move(method), std::move(pattern)});
}

void Router::Table::dispatch(Request request, Responder responder) const {
    // The path as sent, so that an encoded slash does not make a segment of its own.
    std::string_view path = request.target;
    path = path.substr(0, path.find_first_of("?#"));
    if (path.empty() || path.front() != '/') path = request.path;  // absolute form, or made by hand
    std::vector<std::string> segments;
    if (!path.empty() && path.front() == '/') {
        for (const std::string_view raw : split(path)) {
            auto segment = percent_decode(raw);
            if (!segment) {
                responder.send(not_found(request));
                return;
            }
            segments.push_back(std::move(*segment));
        }
    }
    Match match;
    if (segments.empty() || !find(root, segments, 0, match)) {
        responder.send(not_found(request));
        return;
    }
    auto endpoint = match.node->methods.find(request.method);
    if (endpoint == match.node->methods.end() && request.method == "HEAD")
        endpoint = match.node->methods.find("GET");
    if (endpoint == match.node->methods.end()) {
        responder.send(wrong_method(request, *match.node));
        return;
    }
    for (std::size_t i = 0; i < match.values.size(); ++i)
        request.params[endpoint->second.names[i]] = std::move(match.values[i]);
    if (trace::on() && endpoint->second.pattern != kProbePattern)
        answer_traced(endpoint->second, std::move(request), std::move(responder));
    else
        endpoint->second.handler(std::move(request), std::move(responder));
}

Handler Router::handler() const {
    // Shared: what is added later to this router is seen too, so do not add while it serves.
    return [table = table_](Request request, Responder responder) {
        table->dispatch(std::move(request), std::move(responder));
    };
}

std::string routes_json(const std::vector<Router::Route>& routes) {
    std::string json = "[";
    for (const auto& route : routes) {
        if (json.size() > 1) json += ',';
        json += "{\"method\":" + json_string(route.method) +
                ",\"path\":" + json_string(route.pattern) + "}";
    }
    return json + "]";
}

}  // namespace flowstack::http
