#include "common/service/run_main.h"
#include "services/gateway/providers/meta/cloud_api.h"
#include "services/gateway/providers/twilio/twilio.h"
#include "services/gateway/wiring.h"

// The gateway with the messaging providers that it is delivered with. See README.md.
int main(int argc, char** argv) {
    using namespace flowstack;
    return service::run_main("gateway", [&] {
        return gateway::run(argc, argv, [](const auto& config, auto& client, const auto& channels) {
            std::vector<std::unique_ptr<gateway::MessagingProvider>> providers;
            providers.push_back(std::make_unique<gateway::meta::CloudApi>(client, config.meta));
            providers.push_back(
                std::make_unique<gateway::twilio::Twilio>(client, channels, config.twilio));
            return providers;
        });
    });
}
