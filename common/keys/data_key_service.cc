#include "common/keys/data_key_service.h"

#include <grpcpp/grpcpp.h>

#include "common/keys/data_keys.h"
#include "common/observability/log.h"
#include "common/rpc/caller.h"
#include "common/rpc/error.h"
#include "common/rpc/server.h"
#include "flowstack/common/v1/data_key_service.grpc.pb.h"
#include "flowstack/common/v1/error_reason.pb.h"

namespace flowstack::keys {
namespace {

namespace v1 = common::v1;

constexpr int kRewrapLimit = 100;

void show(const Status& status, v1::DataKeyStatus& out) {
    out.set_wraps(status.wraps);
    out.set_left(status.left);
    for (const auto& version : status.versions) {
        auto& shown = *out.add_versions();
        shown.set_version(version.name);
        shown.set_data_keys(version.data_keys);
        shown.set_opens(version.opens);
    }
}

// What the wrapping key refuses, a person must put right; the text names no key.
template <class Body>
void refusing(const Body& body) {
    try {
        body();
    } catch (const crypto::KeysRefused& refused) {
        throw rpc::wrong_state("data_keys", refused.what());
    } catch (const crypto::KeysUnavailable& away) {
        throw rpc::unavailable(away.what(), std::chrono::seconds(1));
    }
}

class DataKeyRpc final : public v1::DataKeyService::CallbackService {
public:
    DataKeyRpc(rpc::Server& door, DataKeys& data_keys) : door_(door), data_keys_(data_keys) {}

    grpc::ServerUnaryReactor* GetDataKeyStatus(grpc::CallbackServerContext* context,
                                               const v1::GetDataKeyStatusRequest* request,
                                               v1::DataKeyStatus* response) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            refusing([&] { show(data_keys_.status(), *response); });
        });
    }

    grpc::ServerUnaryReactor* RewrapDataKeys(grpc::CallbackServerContext* context,
                                             const v1::RewrapDataKeysRequest* request,
                                             v1::RewrapDataKeysResponse* response) override {
        return door_.unary(context, *request, [=, this](rpc::Call&) {
            const auto limit = request->limit() == 0 ? kRewrapLimit : request->limit();
            if (limit < 1 || limit > DataKeys::kRewrapLimitMax)
                throw rpc::invalid_field("limit", "must be 1 to 1000, or 0 for 100");
            refusing([&] {
                response->set_rewrapped(data_keys_.rewrap(limit));
                show(data_keys_.status(), *response->mutable_status());
            });
            if (response->rewrapped() > 0)
                log::info("data keys were wrapped again", {{"actor", rpc::caller().actor},
                                                           {"rewrapped", response->rewrapped()},
                                                           {"under", response->status().wraps()},
                                                           {"left", response->status().left()}});
        });
    }

private:
    rpc::Server& door_;
    DataKeys& data_keys_;
};

}  // namespace

std::unique_ptr<grpc::Service> make_data_key_service(rpc::Server& door, DataKeys& data_keys) {
    return std::make_unique<DataKeyRpc>(door, data_keys);
}

}  // namespace flowstack::keys
