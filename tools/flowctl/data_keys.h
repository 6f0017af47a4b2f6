#pragma once

#include <map>
#include <string>

#include "flowstack/common/v1/data_key_service.pb.h"
#include "tools/flowctl/context.h"

// data-keys: what seals credentials, and the rotation of what wraps it.
namespace flowstack::flowctl {

// A service's answer about its data keys, or why it gives none.
struct DataKeysOf {
    bool answered = false;
    std::string why_not;
    common::v1::DataKeyStatus status;
};

// Of the services that seal something, by name.
std::map<std::string, DataKeysOf> data_keys_of_all(Context& context);

}  // namespace flowstack::flowctl
