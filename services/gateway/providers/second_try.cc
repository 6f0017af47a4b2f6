#include "services/gateway/providers/second_try.h"

#include <utility>
#include <variant>

namespace flowstack::gateway {
namespace {

Outcome outcome_of(const http::ClientResult& result, ReadAnswer read) {
    switch (result.outcome) {
        case http::ClientResult::Outcome::answered:
            return read(result.response.status, result.response.body);
        case http::ClientResult::Outcome::not_sent:
            return NotSent{.reason = "not sent: " + result.error};
        case http::ClientResult::Outcome::unknown:
            break;
    }
    return Lost{.reason = result.error};
}

bool refused_as_unauthorised(const Outcome& outcome) {
    const auto* refused = std::get_if<Refused>(&outcome);
    return refused != nullptr && refused->error.error_class == ErrorClass::unauthorised;
}

}  // namespace

void send_with_second_try(http::Client& client, http::ClientRequest first,
                          std::optional<http::ClientRequest> second, ReadAnswer read,
                          std::function<void(Outcome)> done) {
    client.call(std::move(first), [&client, second = std::move(second), read,
                                   done =
                                       std::move(done)](const http::ClientResult& result) mutable {
        auto outcome = outcome_of(result, read);
        if (!second || !refused_as_unauthorised(outcome)) return done(std::move(outcome));
        client.call(std::move(*second), [refusal = std::move(outcome), read,
                                         done = std::move(done)](const http::ClientResult& again) {
            auto repeated = outcome_of(again, read);
            if (auto* accepted = std::get_if<Accepted>(&repeated))
                accepted->by_previous_credentials = true;
            // The first answer says more than that the second call did not leave.
            done(std::holds_alternative<NotSent>(repeated) ? refusal : repeated);
        });
    });
}

}  // namespace flowstack::gateway
