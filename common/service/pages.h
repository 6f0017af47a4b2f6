#pragma once

#include <string>
#include <utility>

#include "common/eventlog/read_model.h"
#include "common/rpc/error.h"

// The List methods of every service: pages of its read model.
namespace flowstack::service {

// INVALID_ARGUMENT PAGE_TOKEN_INVALID: a token that is not ours, or another question's.
rpc::Failure bad_page_token();

// `query` says what is listed; page_size and page_token are the request's. The answer carries
// kReadPositionHeader. Throws FIELD_INVALID and PAGE_TOKEN_INVALID.
eventlog::ListPage page_of(eventlog::ReadModel& read_model, eventlog::ListQuery query,
                           int page_size, std::string page_token);

// For a list that is not in the tables: where the page that `page_token` names begins; empty for
// the first page. `question` is what is listed: "tenants/duka/flows". Throws PAGE_TOKEN_INVALID.
std::string place_of(const eventlog::ReadModel& read_model, const std::string& question,
                     const std::string& page_token);

// The same for documents that are messages of `Resource`: each is given to `add`. Returns the
// answer's next_page_token.
template <class Resource, class Request, class Add>
std::string list(eventlog::ReadModel& read_model, const Request& request, eventlog::ListQuery query,
                 Add add) {
    auto page = page_of(read_model, std::move(query), request.page_size(), request.page_token());
    for (const auto& body : page.bodies) {
        Resource resource;
        if (!resource.ParseFromString(body)) throw rpc::internal();
        add(std::move(resource));
    }
    return std::move(page.next_page_token);
}

}  // namespace flowstack::service
