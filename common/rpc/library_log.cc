#include "common/rpc/library_log.h"

#include <grpc/support/log.h>

#include <string>
#include <string_view>

#include "common/observability/log.h"

namespace flowstack::rpc {
namespace {

// Said as an error at each handshake whose client calls by an address or a name that the
// certificate does not have. Our certificates are known by URIs.
constexpr std::string_view kNotOfInterest = "No match found for server name";

void take_line(gpr_log_func_args* line) {
    const std::string_view text = line->message;
    if (text.find(kNotOfInterest) != std::string_view::npos) return;
    const std::string where =
        std::string(line->file == nullptr ? "" : line->file) + ":" + std::to_string(line->line);
    // gRPC's errors are mostly a caller's: what is wrong with us is told by whoever is hindered.
    if (line->severity == GPR_LOG_SEVERITY_ERROR)
        log::warn("gRPC reports an error", {{"error", text}, {"where", where}});
    else
        log::info("gRPC reports", {{"what", text}, {"where", where}});
}

}  // namespace

void log_what_the_library_says() {
    [[maybe_unused]] static const bool done = [] {
        gpr_set_log_function(take_line);
        return true;
    }();
}

}  // namespace flowstack::rpc
