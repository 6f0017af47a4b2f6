#pragma once

#include <optional>
#include <string>

#include "common/eventlog/payload.h"
#include "common/eventlog/read_model.h"
#include "common/eventlog/turn.h"

// Documents of a service's read model as the messages that they hold. Each throws CorruptStream for
// a document that is no such message.
namespace flowstack::service {

// For a projection: the document as its batch sees it, an empty message while there is none.
template <class View>
View document(eventlog::Turn& turn, const std::string& tenant, const char* kind,
              const std::string& id) {
    const auto found = turn.get(tenant, kind, id);
    return found ? eventlog::parsed<View>(found->body) : View{};
}

// The document of the event's own stream, for kinds that only this stream's events put.
template <class View>
View own_document(eventlog::Turn& turn, const char* kind) {
    const auto found = turn.own(kind);
    return found ? eventlog::parsed<View>(found->body) : View{};
}

// For everybody else: the document as it was written last; nothing while there is none.
template <class View>
std::optional<View> stored_document(eventlog::ReadModel& read_model, const std::string& tenant,
                                    const char* kind, const std::string& id) {
    const auto stored = read_model.get(tenant, kind, id);
    if (!stored) return {};
    return eventlog::parsed<View>(*stored);
}

}  // namespace flowstack::service
