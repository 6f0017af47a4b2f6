#include "common/service/pages.h"

#include "common/rpc/read_position.h"
#include "flowstack/common/v1/error_reason.pb.h"

namespace flowstack::service {

rpc::Failure bad_page_token() {
    auto failure =
        rpc::invalid_field("page_token", "must be the next_page_token of the same question");
    failure.reason = common::v1::ERROR_REASON_PAGE_TOKEN_INVALID;
    return failure;
}

eventlog::ListPage page_of(eventlog::ReadModel& read_model, eventlog::ListQuery query,
                           int page_size, std::string page_token) {
    if (page_size < 0) throw rpc::invalid_field("page_size", "must not be negative");
    query.page_size = page_size;
    query.page_token = std::move(page_token);
    rpc::answer_read_position(read_model.position());
    try {
        return read_model.list(query);
    } catch (const eventlog::BadPageToken&) {
        throw bad_page_token();
    }
}

std::string place_of(const eventlog::ReadModel& read_model, const std::string& question,
                     const std::string& page_token) {
    if (page_token.empty()) return {};
    try {
        return read_model.place_in(question, page_token);
    } catch (const eventlog::BadPageToken&) {
        throw bad_page_token();
    }
}

}  // namespace flowstack::service
