#pragma once

#include <string>
#include <utility>

#include "common/core/secret.h"
#include "common/http/client.h"

namespace flowstack::gateway::meta {

inline http::ClientRequest with_token(http::ClientRequest request, const Secret& token) {
    request.headers.add("Authorization", "Bearer " + token.reveal());
    return request;
}

}  // namespace flowstack::gateway::meta
