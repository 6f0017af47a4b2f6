#include "services/sandbox/door.h"

#include <algorithm>
#include <cctype>

#include "common/http/url.h"
#include "services/sandbox/page_files.h"

namespace flowstack::sandbox {
namespace {

Call call_of(http::Request request) {
    Call call;
    call.method = std::move(request.method);
    call.path = std::move(request.path);
    if (auto fields = http::parse_form(request.query)) {
        for (auto& [name, value] : *fields) call.query.emplace(std::move(name), std::move(value));
    }
    for (const http::Header& line : request.headers) {
        std::string name = line.name;
        std::transform(name.begin(), name.end(), name.begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        call.headers.emplace(std::move(name), line.value);
    }
    call.body = std::move(request.body);
    return call;
}

void send(const http::Responder& responder, Reply reply) {
    if (reply.cut) return responder.abort();
    http::Response response;
    response.status = reply.status;
    response.headers.add("Content-Type", std::move(reply.content_type));
    for (auto& [name, value] : reply.headers) {
        response.headers.add(std::move(name), std::move(value));
    }
    response.body = std::move(reply.body);
    responder.send(std::move(response));
}

}  // namespace

http::Handler door(Sandbox& sandbox) {
    return [&sandbox](http::Request request, http::Responder responder) {
        if (request.path == "/health" || request.path == "/livez" || request.path == "/readyz") {
            return responder.send(http::Response::json(200, R"({"ok":true})"));
        }
        if (request.method == "GET") {
            if (const PageFile* file = page_file(request.path)) {
                Reply reply{200, std::string{file->body}, std::string{file->content_type}};
                reply.headers = {
                    {"Cache-Control", "no-cache"},
                    {"Content-Security-Policy",
                     "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' "
                     "data: http: https:; connect-src 'self'; form-action 'none'; "
                     "frame-ancestors 'none'"},
                    {"X-Content-Type-Options", "nosniff"},
                    {"Referrer-Policy", "no-referrer"}};
                return send(responder, std::move(reply));
            }
        }
        sandbox.handle(call_of(std::move(request)),
                       [responder](Reply reply) { send(responder, std::move(reply)); });
    };
}

}  // namespace flowstack::sandbox
