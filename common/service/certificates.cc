#include "common/service/certificates.h"

#include "common/observability/metrics.h"

namespace flowstack::service {
namespace {

double seconds_between(Time from, Time until) {
    return std::chrono::duration<double>(until - from).count();
}

}  // namespace

void Certificates::loaded(const std::string& use, const std::string& file) {
    const auto validity = crypto::validity_of_file(file);
    if (!validity) return;
    known_.with([&](auto& known) { known.insert_or_assign(use, *validity); });
}

void Certificates::show(metrics::Registry& registry, const Clock& clock) const {
    const auto all = known_.with([](const auto& known) { return known; });
    for (const auto& [use, validity] : all) {
        registry
            .gauge("flowstack_certificate_expires_seconds",
                   "until the first certificate of a loaded chain runs out", {{"use", use}})
            .set(seconds_between(clock.now(), validity.until));
        registry
            .gauge("flowstack_certificate_lifetime_seconds",
                   "how long the certificate of the chain that runs out first was made for",
                   {{"use", use}})
            .set(seconds_between(validity.from, validity.until));
    }
}

}  // namespace flowstack::service
