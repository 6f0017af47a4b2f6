#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "common/http/server.h"
#include "services/sandbox/door.h"
#include "services/sandbox/live_world.h"

namespace {

constexpr std::chrono::milliseconds kGrace{1'000};
constexpr std::size_t kBodyBytesMax = std::size_t{8} << 20;  // control calls carry 3 MiB webhooks

std::string setting(const char* name, const char* otherwise) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? otherwise : value;
}

}  // namespace

int main() {
    using namespace flowstack;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    try {
        sandbox::LiveWorld world;
        sandbox::Record record{setting("RECORD_FILE", "")};
        sandbox::Sandbox stand_ins{world, record};
        http::ServerOptions options;
        options.address = setting("HTTP_ADDRESS", "127.0.0.1");
        options.port = static_cast<std::uint16_t>(std::stoi(setting("HTTP_PORT", "0")));
        options.body_bytes_max = kBodyBytesMax;
        http::Server server{options, sandbox::door(stand_ins)};
        server.start();
        std::fprintf(stderr, "sandbox listens on %s:%d\n", options.address.c_str(), server.port());
        int signal = SIGPIPE;
        while (signal == SIGPIPE) sigwait(&signals, &signal);
        world.stop();
        server.drain(kGrace);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sandbox cannot start: %s\n", error.what());
        return 1;
    }
}
