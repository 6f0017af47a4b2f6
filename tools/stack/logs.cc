#include "tools/stack/logs.h"

#include <algorithm>
#include <stdexcept>

#include "flowstack/common/v1/event_log.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"

namespace flowstack::stack {
namespace {

namespace v1 = common::v1;
constexpr int kCausesMax = 200;

}  // namespace

std::vector<std::int64_t> heads_of(Api& api, const std::string& service) {
    std::vector<std::int64_t> heads;
    const auto response =
        api.call<v1::HeadsResponse>(service, "common:EventLog/Heads", v1::HeadsRequest());
    for (const auto& head : response.heads()) heads.push_back(head.position());
    return heads;
}

void read_lane(Api& api, const std::string& service, int lane, std::int64_t from,
               const std::function<void(const RecordedEvent&)>& each, const std::string& tenant) {
    v1::ReadRequest request;
    request.set_lane(lane);
    request.set_tenant(tenant);
    for (auto next = std::max<std::int64_t>(from, 1); next != 0;) {
        request.set_from_position(next);
        const auto page = api.call<v1::ReadResponse>(service, "common:EventLog/Read", request);
        for (const auto& event : page.events()) each(event);
        next = page.next_position();
    }
}

std::vector<RecordedEvent> events_of(Api& api, const std::string& service,
                                     const std::string& tenant) {
    std::vector<RecordedEvent> events;
    const auto lanes = static_cast<int>(heads_of(api, service).size());
    for (int lane = 0; lane < lanes; ++lane)
        read_lane(
            api, service, lane, 1, [&](const RecordedEvent& event) { events.push_back(event); },
            tenant);
    std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
        return a.recorded_at_us() < b.recorded_at_us();
    });
    return events;
}

std::vector<RecordedEvent> events_of_all(Api& api, const std::string& tenant) {
    std::vector<RecordedEvent> events;
    for (const auto& service : kServices)
        for (auto& event : events_of(api, service, tenant)) events.push_back(std::move(event));
    std::stable_sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
        return a.recorded_at_us() < b.recorded_at_us();
    });
    return events;
}

std::optional<RecordedEvent> event_at(Api& api, const v1::Position& position) {
    v1::ReadRequest request;
    request.set_lane(position.lane());
    request.set_from_position(position.position());
    request.set_to_position(position.position());
    const auto page =
        api.call<v1::ReadResponse>(position.service(), "common:EventLog/Read", request);
    if (page.events().empty()) return std::nullopt;
    return page.events(0);
}

std::vector<RecordedEvent> stream_of(Api& api, const std::string& service,
                                     const std::string& tenant, const std::string& category,
                                     const std::string& key) {
    v1::ReadStreamRequest request;
    request.set_tenant(tenant);
    request.set_category(category);
    request.set_key(key);
    request.set_from_version(1);
    const auto page = api.call<v1::ReadResponse>(service, "common:EventLog/ReadStream", request);
    return {page.events().begin(), page.events().end()};
}

std::vector<RecordedEvent> causes_of(Api& api, const RecordedEvent& event) {
    std::vector<RecordedEvent> causes{event};
    while (causes.back().meta().has_causation() && causes.size() < kCausesMax) {
        auto cause = event_at(api, causes.back().meta().causation());
        if (!cause) break;
        causes.push_back(std::move(*cause));
    }
    return causes;
}

std::vector<std::string> facts_in(const RecordedEvent& event) {
    conversation::v1::DialogueTurn turn;
    if (event.type() != turn.GetDescriptor()->full_name()) return {short_type(event.type())};
    if (!turn.ParseFromString(event.payload()))
        throw std::runtime_error("a DialogueTurn does not decode: " + event.key());
    std::vector<std::string> types;
    for (const auto& step : turn.steps()) {
        const auto* part = step.GetReflection()->GetOneofFieldDescriptor(
            step, step.GetDescriptor()->FindOneofByName("step"));
        if (part && part->message_type()) types.push_back(part->message_type()->name());
    }
    return types;
}

int count_facts(Api& api, const std::string& service, const std::string& tenant,
                const std::string& type) {
    std::ptrdiff_t found = 0;
    for (const auto& event : events_of(api, service, tenant))
        found += std::ranges::count(facts_in(event), type);
    return static_cast<int>(found);
}

std::string short_type(const std::string& type) { return type.substr(type.rfind('.') + 1); }

}  // namespace flowstack::stack
