#pragma once

#include <functional>
#include <memory>
#include <string>

#include "services/campaign/adapters/freezer.h"

namespace grpc {
class Channel;
}

namespace flowstack::campaign {

// Asks a source's EventLog for the heads of its lanes.
Freezer::Heads make_heads(
    std::function<std::shared_ptr<grpc::Channel>(const std::string& service)> channel);

}  // namespace flowstack::campaign
