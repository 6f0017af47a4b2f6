#pragma once

#include <google/protobuf/message_lite.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "tools/stack/environment.h"

// The five services' gRPC doors, for tools and tests: one call, one answer, rpc::Failure when it
// was refused.
namespace flowstack::stack {

inline constexpr std::chrono::milliseconds kCallTimeout{10'000};

struct NoSuchReplica : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Api {
public:
    explicit Api(const Environment& environment);
    ~Api();

    // method: "TenantService/GetTenant"; the package is the service's. EventLog is
    // "common:EventLog/Read".
    template <class Response>
    Response call(const std::string& service, const std::string& method,
                  const google::protobuf::MessageLite& request,
                  std::chrono::milliseconds timeout = kCallTimeout) {
        Response response;
        call_into(response, service, method, request, timeout);
        return response;
    }

    // The same for an answer whose type is known at run time only.
    void call_into(google::protobuf::MessageLite& response, const std::string& service,
                   const std::string& method, const google::protobuf::MessageLite& request,
                   std::chrono::milliseconds timeout = kCallTimeout) {
        if (!response.ParseFromString(
                call_bytes(service, method, request.SerializeAsString(), timeout)))
            throw std::runtime_error(method + ": the answer does not decode");
    }

    // The same at one replica, by REPLICA_ID. Throws NoSuchReplica when its address is not known.
    template <class Response>
    Response call_at(const std::string& service, const std::string& replica,
                     const std::string& method, const google::protobuf::MessageLite& request,
                     std::chrono::milliseconds timeout = kCallTimeout) {
        return call<Response>(service + "/" + replica, method, request, timeout);
    }

private:
    std::string call_bytes(const std::string& service, const std::string& method,
                           const std::string& request, std::chrono::milliseconds timeout);

    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace flowstack::stack
