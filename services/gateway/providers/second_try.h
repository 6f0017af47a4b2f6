#pragma once

#include <functional>
#include <optional>

#include "common/http/client.h"
#include "services/gateway/domain/message.h"

namespace flowstack::gateway {

// Sends `first` at most once, and tells `done` what came of it by `outcome_of`. When it is refused
// as unauthorised and there is a `second` request (the same with the credentials before the
// rotation), that one is sent too: a refusal proves that nothing was sent. `client` outlives the
// call.
void send_with_second_try(http::Client& client, http::ClientRequest first,
                          std::optional<http::ClientRequest> second,
                          Outcome (*outcome_of)(const http::ClientResult&),
                          std::function<void(Outcome)> done);

}  // namespace flowstack::gateway
