#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "common/http/client.h"
#include "services/gateway/domain/message.h"

namespace flowstack::gateway {

// What the provider's answer to a send means, by its HTTP status and its body.
using ReadAnswer = Outcome (*)(int http_status, std::string_view body);

// Sends `first` at most once, and tells `done` what came of it; `read` reads an answer. When it is
// refused as unauthorised and there is a `second` request (the same with the credentials before the
// rotation), that one is sent too: a refusal proves that nothing was sent. `client` outlives the
// call.
void send_with_second_try(http::Client& client, http::ClientRequest first,
                          std::optional<http::ClientRequest> second, ReadAnswer read,
                          std::function<void(Outcome)> done);

}  // namespace flowstack::gateway
