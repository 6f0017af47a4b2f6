#pragma once

#include <string>
#include <utility>

#include "google/api/http.pb.h"

namespace flowstack::rpc {

// The verb ("GET") and the path of a google.api.http annotation.
inline std::pair<std::string, std::string> verb_and_path(const google::api::HttpRule& rule) {
    switch (rule.pattern_case()) {
        case google::api::HttpRule::kGet:
            return {"GET", rule.get()};
        case google::api::HttpRule::kPost:
            return {"POST", rule.post()};
        case google::api::HttpRule::kPut:
            return {"PUT", rule.put()};
        case google::api::HttpRule::kPatch:
            return {"PATCH", rule.patch()};
        default:
            return {"DELETE", rule.delete_()};
    }
}

}  // namespace flowstack::rpc
