#include "common/http/chunked.h"
#include "common/http/request_head.h"
#include "common/http/response_head.h"
#include "common/http/router.h"
#include "common/http/url.h"
#include "common/observability/trace.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::http {
namespace {

// A door with every kind of pattern, whose answers say back what was asked.
Handler door() {
    Router router;
    const Handler echo = [](const Request& request, const Responder& responder) {
        for (const auto& [name, value] : request.params)
            FLOWSTACK_EXPECT(!name.empty() && (name == "rest" || !value.empty()));
        Response response = Response::text(200, request.path);
        response.headers.add("X-Echo", request.target);
        for (const auto& header : request.headers) response.headers.add(header.name, header.value);
        responder.send(std::move(response));
    };
    router.add("GET", "/", echo);
    router.add("GET", "/v1/{a}/x", echo);
    router.add("POST", "/v1/{a}/x:verb", echo);
    router.add("POST", "/v1/{a}/{b}:send", echo);
    router.add("GET", "/files/{rest=**}", echo);
    return router.handler();
}

}  // namespace

// A header block, as the door hands it over: with its empty line.
FLOWSTACK_FUZZ_TARGET(http_head) {
    const auto end = bytes.find("\r\n\r\n");
    std::string head(bytes.substr(0, end));
    head += "\r\n\r\n";
    auto parsed = parse_head(head);
    if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
        FLOWSTACK_EXPECT(refusal->status >= 400 && refusal->status < 600);
        return;
    }
    auto& [request, framing] = std::get<RequestHead>(parsed);
    FLOWSTACK_EXPECT(!request.method.empty() && !request.target.empty());
    FLOWSTACK_EXPECT(valid_utf8(request.path) && request.path.find('\0') == std::string::npos);
    FLOWSTACK_EXPECT(!(framing.chunked && framing.length > 0));
    FLOWSTACK_EXPECT(request.headers.count("Host") == 1);
    FLOWSTACK_EXPECT(
        request.headers.count("Content-Length") + request.headers.count("Transfer-Encoding") <= 1);
    for (const auto& header : request.headers)
        FLOWSTACK_EXPECT(header.value.find_first_of("\r\n") == std::string::npos);
    for (const char* name : {"a", "x", "page_size"}) (void)request.query_param(name);
    (void)parse_form(request.query);
    FLOWSTACK_EXPECT(trace_id_of(request.headers).empty() ||
                     trace_id_of(request.headers).size() == 32);

    // The answer to it, whatever the handler echoes, is one head and not two.
    static const Handler handler = door();
    int answers = 0;
    handler(std::move(request), Responder([&](const Response& response) {
                ++answers;
                std::string out;
                write_response_head(out, response, {.date = "D", .server = "S"});
                FLOWSTACK_EXPECT(out.find("\r\n\r\n") == out.size() - 4);
            }));
    FLOWSTACK_EXPECT(answers == 1);
}

// The first byte says how large the pieces are in which the rest arrives: they make no difference.
FLOWSTACK_FUZZ_TARGET(http_chunked) {
    fuzz::Input input(bytes);
    const std::size_t piece = 1 + input.byte() % 32;
    const auto coded = input.rest();
    constexpr std::size_t kBodyMax = 4096;
    ChunkedDecoder whole(kBodyMax, 256);
    std::string body;
    const auto taken = whole.put(coded, body);
    FLOWSTACK_EXPECT(body.size() <= kBodyMax && taken <= coded.size());
    FLOWSTACK_EXPECT(whole.state() != ChunkedDecoder::State::more || taken == coded.size());

    ChunkedDecoder pieces(kBodyMax, 256);
    std::string same;
    std::size_t at = 0;
    while (at < coded.size() && pieces.state() == ChunkedDecoder::State::more)
        at += pieces.put(coded.substr(at, piece), same);
    FLOWSTACK_EXPECT(same == body && at == taken && pieces.state() == whole.state());
}

FLOWSTACK_FUZZ_TARGET(http_url) {
    FLOWSTACK_EXPECT(percent_decode(percent_encode(bytes)) == std::string(bytes));
    if (const auto decoded = percent_decode(bytes))
        FLOWSTACK_EXPECT(percent_decode(percent_encode(*decoded)) == decoded);
    if (const auto fields = parse_form(bytes, 50)) {
        FLOWSTACK_EXPECT(fields->size() <= 50);
        // A nameless field without a value is no field when it is written.
        bool all_said = true;
        for (const auto& [name, value] : *fields) all_said = all_said && !(name + value).empty();
        if (all_said) FLOWSTACK_EXPECT(parse_form(encode_form(*fields), 50) == fields);
    }
    const auto json = json_string(bytes);
    FLOWSTACK_EXPECT(valid_utf8(json) && json.size() >= 2);
    for (const char c : json) FLOWSTACK_EXPECT(static_cast<unsigned char>(c) >= 0x20);

    const auto context = trace::parse(bytes);
    if (context) FLOWSTACK_EXPECT(context->valid() && trace::parse(context->traceparent()));
    FLOWSTACK_EXPECT(trace::continue_from(bytes).valid());
}

}  // namespace flowstack::http
