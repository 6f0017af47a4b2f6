#pragma once

#include <memory>
#include <string>

namespace grpc {
class Channel;
}

namespace flowstack::gateway {

// Whether conversation (at `channel`) has a flow of this key that the tenant published. Throws
// rpc::Failure when conversation does not answer.
bool has_published_flow(const std::shared_ptr<grpc::Channel>& channel, const std::string& tenant,
                        const std::string& flow_key);

}  // namespace flowstack::gateway
