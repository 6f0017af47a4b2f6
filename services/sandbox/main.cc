#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string_view>

#include "common/config/config.h"
#include "common/http/server.h"
#include "common/lifecycle/lifecycle.h"
#include "common/observability/log.h"
#include "services/sandbox/door.h"
#include "services/sandbox/live_world.h"

namespace {

constexpr std::chrono::milliseconds kGrace{5'000};
constexpr std::chrono::milliseconds kDrainMax{500};          // long polls are not waited for
constexpr std::size_t kBodyBytesMax = std::size_t{8} << 20;  // control calls carry 3 MiB webhooks

}  // namespace

int main(int argc, char** argv) {
    using namespace flowstack;
    lifecycle::Lifecycle life{kGrace};
    config::Reader settings{argc, argv, environ};
    const auto port =
        settings.port("HTTP_PORT", 0, "providers' paths, control API and the phone page; 0: any");
    const auto address = settings.text("HTTP_ADDRESS", "127.0.0.1", "where to listen");
    const auto record_file = settings.text(
        "RECORD_FILE", "", "JSON lines of everything accepted, refused and sent; none: in memory");
    const auto level =
        settings.choice("LOG_LEVEL", "info", {"debug", "info", "warn", "error"}, "log level");
    settings.finish();
    log::configure({"sandbox", "0", log::parse_level(level)});

    try {
        sandbox::LiveWorld world;
        sandbox::Record record{record_file};
        sandbox::Sandbox stand_ins{world, record};
        http::ServerOptions options;
        options.address = address;
        options.port = port;
        options.body_bytes_max = kBodyBytesMax;
        options.on_handler_error = [](std::string_view what) {
            log::error("a request was not answered", {{"error", what}});
        };
        http::Server server{options, sandbox::door(stand_ins)};
        life.add(
            "timers and posts", [] {}, [&](auto) { world.stop(); });
        life.add(
            "http",
            [&] {
                server.start();
                log::info("sandbox listens",
                          {{"address", address}, {"port", server.port()}, {"record", record_file}});
            },
            [&](std::chrono::milliseconds left) { server.drain(std::min(left, kDrainMax)); });
        const int code = life.run();
        log::flush();
        return code;
    } catch (const std::exception& error) {
        log::error("sandbox cannot start", {{"error", error.what()}});
        log::flush();
        return 1;
    }
}
