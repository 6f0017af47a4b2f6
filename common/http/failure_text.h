#pragma once

#include <string>

namespace flowstack::http {

// What happened to a call, for people who read dead letters. libcurl's own texts name its parts
// ("seek callback returned error 1"). `curl_code` is a CURLcode; `detail` is what libcurl wrote
// about this call, and it follows where it says more than our text.
std::string failure_text(int curl_code, const std::string& detail);

}  // namespace flowstack::http
