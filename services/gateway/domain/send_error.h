#pragma once

#include <chrono>
#include <string>

// A provider's refusal of a message, in no provider's words: the provider's own folder classifies
// its codes, and the rules act on the class alone.
namespace flowstack::gateway {

// The order is that of flowstack.gateway.v1.SendErrorClass.
enum class ErrorClass {
    none,                // no provider refused anything
    provider_ill,        // the provider is ill, not the message: try again later
    busy,                // a limit of the whole account: try again later
    too_fast,            // a limit of this sending number: slow the number down, try again later
    recipient_too_fast,  // a limit of this pair: only this recipient waits, 4^x seconds
    wait,                // a condition must pass first: try again after `retry_after`
    unauthorised,        // the credentials are not valid: a person must act
    needs_operator,      // the account or the number lacks something: a person must act
    account_blocked,     // the provider locked the account: trying again does not help
    rejected,            // nothing that we do helps this message
    window_closed,       // only an approved template may be sent now
    opted_out,           // the customer refused marketing at the provider
};

struct SendError {
    ErrorClass error_class = ErrorClass::none;
    std::string code;     // the provider's own, empty when it gave none
    std::string title;    // what the provider says in short
    std::string details;  // and at length, when it does
    std::chrono::seconds retry_after{0};
    friend bool operator==(const SendError&, const SendError&) = default;
};

// Nobody's message can leave through this channel until a person has acted.
constexpr bool pauses_channel(ErrorClass c) {
    return c == ErrorClass::unauthorised || c == ErrorClass::needs_operator ||
           c == ErrorClass::account_blocked;
}
constexpr bool trips_breaker(ErrorClass c) { return c == ErrorClass::provider_ill; }

}  // namespace flowstack::gateway
