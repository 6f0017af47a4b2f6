#include "common/service/api_keys.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "common/core/broken_world.h"
#include "common/crypto/hash.h"
#include "common/rpc/channel.h"
#include "common/rpc/error.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/gateway/v1/tenant_service.grpc.pb.h"

namespace flowstack::service {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAskTimeout{1'000};
constexpr milliseconds kAskAgainAfter{500};
// A key may be used the moment it is made, before every replica of gateway has read of it.
constexpr milliseconds kNothingKeptFor{1'000};

}  // namespace

ApiKeys::ApiKeys(Find find, Options options, const Clock& clock)
    : find_(std::move(find)),
      options_(options),
      clock_(clock),
      wrong_({.per_second = 1000.0 / static_cast<double>(options.wrong_key_every.count()),
              .burst = options.wrong_keys_max}) {}

rpc::Caller ApiKeys::holder_of(std::string_view key, const std::string& source_address) {
    const auto digest = crypto::sha256(key);
    if (auto owner = owner_of(std::string(crypto::bytes_of(digest))))
        return {.actor = "key:" + owner->key_id,
                .grants = identity::Grants{.tenants = {{owner->tenant, {identity::Role::admin}}}},
                .role = std::string(rpc::kApiKeyRole)};
    // A right key always opens, wherever it comes from: nobody guesses 256 random bits.
    if (const auto wait = wrong_.take(source_address, clock_.now()))
        throw rpc::rate_limited(source_address.empty() ? "this address" : source_address,
                                std::to_string(options_.wrong_keys_max) +
                                    " keys that open nothing, and then one every " +
                                    std::to_string(options_.wrong_key_every.count()) + " ms",
                                std::chrono::ceil<milliseconds>(*wait));
    throw rpc::unauthenticated("This key opens nothing.");
}

std::optional<ApiKeyOwner> ApiKeys::owner_of(const std::string& key_sha256) {
    const auto now = clock_.now();
    const auto kept = kept_.with([&](const auto& all) -> std::optional<Kept> {
        const auto found = all.find(key_sha256);
        if (found == all.end()) return std::nullopt;
        const auto age = now - found->second.asked_at;
        const auto age_max =
            found->second.owner ? options_.age_max : std::min(options_.age_max, kNothingKeptFor);
        if (age < Micros{0} || age >= age_max) return std::nullopt;
        return found->second;
    });
    if (kept) return kept->owner;
    if (now < ask_again_at_.with([](const auto& at) { return at; }))
        throw Unavailable("gateway did not say a moment ago whose API key this is");
    std::optional<ApiKeyOwner> owner;
    try {
        owner = find_(key_sha256);
    } catch (const Unavailable&) {
        ask_again_at_.with([&](auto& at) { at = now + kAskAgainAfter; });
        throw;
    }
    kept_.with([&](auto& all) {
        if (all.size() >= kKeptMax) all.clear();
        all[key_sha256] = {owner, now};
    });
    return owner;
}

ApiKeys::Find find_at_gateway(std::shared_ptr<grpc::Channel> gateway) {
    return [gateway =
                std::move(gateway)](const std::string& key_sha256) -> std::optional<ApiKeyOwner> {
        grpc::ClientContext context;
        rpc::set_timeout(context, kAskTimeout);
        gateway::v1::FindApiKeyRequest request;
        request.set_key_sha256(key_sha256);
        gateway::v1::ApiKeyOwner answer;
        const auto status =
            gateway::v1::TenantService::NewStub(gateway)->FindApiKey(&context, request, &answer);
        if (status.error_code() == grpc::StatusCode::NOT_FOUND) return std::nullopt;
        if (!status.ok())
            throw Unavailable("gateway does not say whose API key this is: " +
                              status.error_message());
        return ApiKeyOwner{answer.tenant_id(), answer.key_id()};
    };
}

}  // namespace flowstack::service
