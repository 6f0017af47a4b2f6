#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/http/client.h"
#include "services/gateway/providers/provider.h"

// Files that customers sent. Twilio keeps each at
// /2010-04-01/Accounts/{AC…}/Messages/{MM…}/Media/{ME…} until somebody deletes it, and answers with
// a redirect to a store whose address carries its own right.
namespace flowstack::gateway::twilio {

// What a webhook's MediaUrl names, as "MM…/ME…". Empty when it is no file of this account: its host
// does not count, since the file is asked of Twilio's address in our settings.
std::string media_id_of(std::string_view url, std::string_view account_sid);

// `done` as MessagingProvider::fetch_media. The credentials go to `base_url` only.
void fetch_media(http::Client& client, const std::string& base_url, MediaCall call,
                 std::function<void(MediaOutcome)> done);

}  // namespace flowstack::gateway::twilio
