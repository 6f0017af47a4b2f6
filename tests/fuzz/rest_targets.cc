// The REST door from the request's bytes to the gRPC call that it would make: there is nobody to
// call.
#include <boost/json.hpp>

#include "common/http/request_head.h"
#include "common/rpc/error.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/rest/rest.h"
#include "tests/fuzz/fuzz.h"

namespace flowstack::gateway {
namespace {

const std::string kKey(32, 'k');

// One tenant, and no API key.
struct NoKeys final : Keys {
    std::optional<KeyOwner> owner_of(std::string_view) const override { return std::nullopt; }
    std::optional<TenantInRest> tenant(std::string_view id) const override {
        if (id != "duka") return std::nullopt;
        return TenantInRest{"en", "KES"};
    }
};

// A whole gateway's REST, without a database and without peers.
struct Door {
    NoKeys keys;
    Rest rest{keys,
              {.admin_key = Secret(kKey),
               .channel = [](const std::string&) -> std::shared_ptr<grpc::Channel> {
                   throw rpc::unavailable("nobody is there", std::chrono::milliseconds{1000});
               }}};
    http::Handler handler;

    Door() {
        http::Router router;
        rest.add_routes(router);
        handler = router.handler();
    }
};

}  // namespace

// A request's head, an empty line, its body. The right key is always with it.
FLOWSTACK_FUZZ_TARGET(rest_request) {
    const auto end = bytes.find("\r\n\r\n");
    std::string head(bytes.substr(0, end));
    head += "\r\n\r\n";
    auto parsed = http::parse_head(head);
    auto* read = std::get_if<http::RequestHead>(&parsed);
    if (read == nullptr) return;
    auto& request = read->request;
    if (end != std::string_view::npos) request.body = bytes.substr(end + 4);
    request.headers.set("Authorization", "Bearer " + kKey);

    static Door door;
    int answers = 0;
    door.handler(std::move(request), http::Responder([&](const http::Response& response) {
                     ++answers;
                     FLOWSTACK_EXPECT(response.status >= 200 && response.status < 600);
                     FLOWSTACK_EXPECT(response.status != 500);
                     FLOWSTACK_EXPECT(http::valid_utf8(response.body));
                     boost::json::error_code error;
                     boost::json::parse(response.body, error);
                     FLOWSTACK_EXPECT(!error);
                 }));
    FLOWSTACK_EXPECT(answers == 1);
}

// What comes back to us in a status, in a claim and in a work row.
FLOWSTACK_FUZZ_TARGET(gateway_refs) {
    static const crypto::RootKey root(Secret(std::string(64, 'a')));
    static const DerivedKeys keys(root);
    if (const auto callback = keys.read_callback("t", bytes))
        FLOWSTACK_EXPECT(keys.callback_data("t", *callback) == bytes);
    if (const auto address = read_claim_value(bytes))
        FLOWSTACK_EXPECT(read_claim_value(claim_value(*address)).has_value());
    if (const auto ref = read_ref(bytes)) FLOWSTACK_EXPECT(read_ref(ref_text(*ref)).has_value());
}

}  // namespace flowstack::gateway
