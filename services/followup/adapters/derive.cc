#include "services/followup/adapters/derive.h"

#include <stdexcept>

#include "flowstack/followup/v1/task_events.pb.h"

namespace flowstack::followup {
namespace {

template <class Message>
std::optional<Message> parse(const eventlog::NewEvent& event) {
    if (event.type != Message::descriptor()->full_name()) return std::nullopt;
    Message message;
    if (!message.ParseFromString(event.payload))
        throw std::invalid_argument(event.type + " cannot be read");
    return message;
}

}  // namespace

std::optional<TimerKey> TimerKey::parse(const std::string& text) {
    const auto first = text.find('/');
    const auto second = first == std::string::npos ? first : text.find('/', first + 1);
    if (second == std::string::npos) return std::nullopt;
    return TimerKey{text.substr(0, first), text.substr(first + 1, second - first - 1),
                    text.substr(second + 1)};
}

void derive(const eventlog::StreamName& stream, int lane, const eventlog::NewEvent& event,
            eventlog::Derived& out) {
    const auto put = [&](const auto& m) {
        out.work_put.push_back({lane, kTimerWork,
                                TimerKey{stream.tenant, m.customer_id(), stream.key}.text(),
                                from_unix_micros(m.due_at_us()), 0, ""});
    };
    const auto take = [&](const auto& m) {
        out.work_del.push_back(
            {lane, kTimerWork, TimerKey{stream.tenant, m.customer_id(), stream.key}.text()});
    };
    if (const auto m = parse<v1::TaskScheduled>(event)) put(*m);
    if (const auto m = parse<v1::TaskPostponed>(event)) put(*m);
    if (const auto m = parse<v1::TaskFired>(event)) take(*m);
    if (const auto m = parse<v1::TaskCancelled>(event)) take(*m);
    if (const auto m = parse<v1::TaskSkipped>(event)) take(*m);
}

}  // namespace flowstack::followup
