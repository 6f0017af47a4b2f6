#include "common/service/settings_loop.h"

#include <algorithm>

#include "common/observability/log.h"

namespace flowstack::service {
namespace {
constexpr std::chrono::milliseconds kSettingsRetryDelay{500};
constexpr std::chrono::milliseconds kAlonePollInterval{1000};
}  // namespace

void SettingsLoop::start() {
    read();
    loop_.start([this](Loop& loop) {
        while (!loop.stopping()) {
            try {
                read();
            } catch (const std::exception& error) {
                log::warn("settings changes cannot be read", {{"error", error.what()}});
                loop.sleep(kSettingsRetryDelay);
            }
            loop.sleep(owners_.alone() ? std::max(kAlonePollInterval, poll_interval_)
                                       : poll_interval_);
        }
    });
}

void SettingsLoop::read() {
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(
            "select seq, tenant, kind, key from settings_changes where seq > $1 order by seq",
            postgres::Params().add(seq_));
    });
    for (int row = 0; row < result.rows(); ++row) {
        for (const auto& listener : listeners_)
            listener({result.text(row, 1), result.text(row, 2), result.text(row, 3)});
        seq_ = result.int8(row, 0);
    }
}

}  // namespace flowstack::service
