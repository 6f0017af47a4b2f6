#include "services/followup/adapters/derive.h"

#include "common/eventlog/payload.h"
#include "flowstack/followup/v1/task_events.pb.h"

namespace flowstack::followup {
std::optional<TimerKey> TimerKey::parse(const std::string& text) {
    const auto first = text.find('/');
    const auto second = first == std::string::npos ? first : text.find('/', first + 1);
    if (second == std::string::npos) return std::nullopt;
    return TimerKey{.tenant = text.substr(0, first),
                    .customer_id = CustomerId(text.substr(first + 1, second - first - 1)),
                    .task_id = TaskId(text.substr(second + 1))};
}

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out) {
    using eventlog::is;
    using eventlog::parsed;
    const auto key = [&](const auto& m) {
        return TimerKey{.tenant = stream.tenant,
                        .customer_id = CustomerId(m.customer_id()),
                        .task_id = TaskId(stream.key)}
            .text();
    };
    const auto put = [&](const auto& m) {
        out.work_put.push_back({lane, kTimerWork, key(m), from_unix_micros(m.due_at_us()), 0, ""});
    };
    const auto take = [&](const auto& m) { out.work_del.push_back({lane, kTimerWork, key(m)}); };
    if (is<v1::TaskScheduled>(event.type)) put(parsed<v1::TaskScheduled>(event.payload));
    if (is<v1::TaskPostponed>(event.type)) put(parsed<v1::TaskPostponed>(event.payload));
    if (is<v1::TaskFired>(event.type)) take(parsed<v1::TaskFired>(event.payload));
    if (is<v1::TaskCancelled>(event.type)) take(parsed<v1::TaskCancelled>(event.payload));
    if (is<v1::TaskSkipped>(event.type)) take(parsed<v1::TaskSkipped>(event.payload));
}

}  // namespace flowstack::followup
