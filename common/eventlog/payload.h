#pragma once

#include <string>
#include <string_view>

#include "common/core/corrupt_stream.h"
#include "common/eventlog/types.h"

// An event's payload is a protobuf message, and its type is that message's full name.
namespace flowstack::eventlog {

template <class Message>
bool is(std::string_view type) {
    return type == Message::descriptor()->full_name();
}
template <class Message>
bool is(const Recorded& event) {
    return is<Message>(event.type);
}

// Throws CorruptStream for bytes that are no such message.
template <class Message>
Message parsed(std::string_view payload) {
    Message message;
    if (!message.ParseFromArray(payload.data(), static_cast<int>(payload.size())))
        throw CorruptStream("a payload is no " + Message::descriptor()->full_name());
    return message;
}
template <class Message>
Message parsed(const Recorded& event) {
    return parsed<Message>(event.payload);
}

template <class Message>
NewEvent stored(const Message& message, Time occurred_at) {
    return {
        Message::descriptor()->full_name(), message.SerializeAsString(), occurred_at, false, {}};
}

}  // namespace flowstack::eventlog
