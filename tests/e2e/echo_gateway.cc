#include <cstdlib>
#include <stdexcept>

#include "common/service/run_main.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "services/gateway/wiring.h"
#include "tests/support/echo_provider.h"

// The gateway as it is delivered, with a second messaging provider: second_provider_test.cc runs it
// in place of flowstack-gateway.
namespace {

std::string required(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) throw std::runtime_error(std::string(name) + " is not set");
    return value;
}

}  // namespace

int main(int argc, char** argv) {
    using namespace flowstack;
    return service::run_main("gateway", [&] {
        return gateway::run(argc, argv, [](const auto& config, auto& client, const auto&) {
            std::vector<std::unique_ptr<gateway::MessagingProvider>> providers;
            providers.push_back(std::make_unique<gateway::meta::CloudApi>(client, config.meta));
            providers.push_back(std::make_unique<testing::EchoProvider>(
                client, required("ECHO_URL"), Secret(required("ECHO_SECRET"))));
            return providers;
        });
    });
}
