#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <set>
#include <string_view>

#include "common/identity/grants.h"

namespace flowstack::common::v1 {
enum Access : int;
}

// The one place where it is decided what somebody from outside may call: by the method's option
// `access` (flowstack/common/v1/method.proto), the tenant whose resource is named, and what the
// caller is there. Both doors ask it, REST and gRPC.
namespace flowstack::rpc {

// Whether a method of this access is open to somebody who is all of this in the tenant.
bool open_to(common::v1::Access access, const std::set<identity::Role>& roles);

// Throws NOT_FOUND when the resource is of a tenant in which the caller is nothing, whether it
// exists or not and whatever the method is; PERMISSION_DENIED when the method is not for what the
// caller is, or no tenant is named. `resource`: "tenants/demo/orders/7"; empty: none.
void check_access(const identity::Grants& grants, const google::protobuf::MethodDescriptor& method,
                  std::string_view resource);

// The same for a request, which names its resources in `name` and `parent`.
void check_access(const identity::Grants& grants, const google::protobuf::MethodDescriptor& method,
                  const google::protobuf::Message& request);

// Whether a method goes on for a tenant that is closed. What only reads does for everybody who may
// call it; what ends or settles something that was begun does for the platform's operators.
bool open_when_closed(const google::protobuf::MethodDescriptor& method, bool for_operators);

// The tenant whose resource a request names; empty when it names none. Valid while the request is.
std::string_view tenant_in(const google::protobuf::Message& request);

// What a request gives as its `reason`; empty when it has none. Valid while the request is.
std::string_view reason_in(const google::protobuf::Message& request);

}  // namespace flowstack::rpc
