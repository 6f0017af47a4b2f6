#include "services/gateway/adapters/door_metrics.h"

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

namespace flowstack::gateway {
namespace {

struct DoorNumbers {
    explicit DoorNumbers(metrics::Registry& metrics)
        : seconds(metrics.histogram("flowstack_gateway_http_seconds",
                                    "from a whole request to its answer")) {
        for (const auto* status : {"2xx", "3xx", "4xx", "5xx"})
            requests.push_back(metrics.counter("flowstack_gateway_http_requests_total",
                                               "requests at the HTTP door, by status",
                                               {{"status", status}}));
    }
    void answered(int status, std::chrono::steady_clock::time_point since) const {
        // An answer of another class is none that this door gives.
        if (status >= 200 && status < 600)
            requests[static_cast<std::size_t>(status / 100 - 2)].add();
        seconds.observe(
            std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count());
    }
    std::vector<metrics::Counter> requests;
    metrics::Histogram seconds;
};

}  // namespace

http::Handler counted(http::Handler handler, metrics::Registry& metrics) {
    return [handler = std::move(handler), numbers = std::make_shared<const DoorNumbers>(metrics)](
               http::Request request, http::Responder responder) {
        handler(std::move(request),
                http::Responder([numbers, responder = std::move(responder),
                                 since = std::chrono::steady_clock::now()](http::Response answer) {
                    numbers->answered(answer.status, since);
                    responder.send(std::move(answer));
                }));
    };
}

}  // namespace flowstack::gateway
