#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "tests/bench/bench.h"
#include "tools/stack/api.h"
#include "tools/stack/shop.h"

namespace flowstack::stack {
class Sandbox;
}

// The gateway alone (with its PostgreSQL and Kafka), one tenant, one channel without limits. No
// other service runs, so nobody answers what customers say.
namespace flowstack::bench {

class GatewayUnderLoad {
public:
    // `with_sandbox`: the sandbox runs too, and knows the number.
    GatewayUnderLoad(Context& context, bool with_sandbox);
    ~GatewayUnderLoad();

    int http_port() const;
    const std::string& tenant() const { return shop_.tenant; }
    const std::string& channel_id() const { return channel_id_; }
    const std::string& phone_number_id() const { return shop_.phone_number_id; }
    std::int64_t count_events(const std::string& type) const;
    stack::Api& api() const { return *api_; }
    stack::Sandbox& sandbox() const { return *sandbox_; }

private:
    const Context& context_;
    stack::ShopSpec shop_;
    std::string channel_id_;
    std::unique_ptr<stack::Api> api_;
    std::unique_ptr<stack::Sandbox> sandbox_;
};

}  // namespace flowstack::bench
