#include "common/service/settings_loop.h"

#include <algorithm>

#include "common/eventlog/loop_statements.h"
#include "common/observability/log.h"

namespace flowstack::service {
namespace {
constexpr std::chrono::milliseconds kSettingsRetryDelay{500};
// Not needed while seen() tells as often.
constexpr std::chrono::milliseconds kAlonePollInterval{1000};
constexpr std::chrono::milliseconds kAlonePollIntervalWhileTold{30'000};
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
            loop.sleep(pause());
        }
    });
}

void SettingsLoop::seen(std::int64_t seq) {
    seen_at_ = std::chrono::steady_clock::now();
    if (seq > seq_) loop_.wake();
}

std::chrono::milliseconds SettingsLoop::pause() const {
    if (!owners_.alone()) return poll_interval_;
    const bool told = std::chrono::steady_clock::now() - seen_at_.load() < 2 * kAlonePollInterval;
    return std::max(told ? kAlonePollIntervalWhileTold : kAlonePollInterval, poll_interval_);
}

void SettingsLoop::read() {
    const auto result = store_.pool().with([&](postgres::Session& session) {
        return session.query(eventlog::loops::kSettingsChanges.sql, postgres::Params().add(seq_));
    });
    for (int row = 0; row < result.rows(); ++row) {
        for (const auto& listener : listeners_)
            listener({result.text(row, 1), result.text(row, 2), result.text(row, 3)});
        seq_ = result.int8(row, 0);
    }
}

}  // namespace flowstack::service
