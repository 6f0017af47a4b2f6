#pragma once

#include <cstddef>

#include "services/gateway/adapters/rpc.h"

namespace flowstack::gateway {

// Of an uploaded file: what the door takes in one message, and all JSON carries in Base64.
inline constexpr std::size_t kUploadBytesMax = std::size_t{3} << 20;

// MediaService (proto/flowstack/gateway/v1/media_service.proto). `doors` has the files.
NamedService make_media_service(const Doors& doors);

}  // namespace flowstack::gateway
