#include <algorithm>

#include "common/eventlog/turn.h"
#include "common/rpc/resource_name.h"
#include "common/service/one_effect.h"
#include "common/service/pages.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "services/conversation/adapters/rpc_content.h"

namespace flowstack::conversation {

void refuse(const std::vector<Problem>& problems, const std::string& prefix) {
    std::vector<rpc::FieldViolation> violations;
    for (const auto& problem : problems)
        violations.push_back({prefix + problem.field, problem.text});
    throw rpc::invalid_fields(std::move(violations));
}

rpc::Failure version_mismatch() {
    return {grpc::StatusCode::ABORTED, common::v1::ERROR_REASON_VERSION_MISMATCH,
            "The resource has changed since that etag: read it again."};
}

TenantFacts tenant_facts(const Doors& doors, const std::string& tenant, std::int64_t version) {
    try {
        return doors.tenants.at_least(tenant, version);
    } catch (const std::invalid_argument&) {
        throw rpc::not_found(rpc::tenant_name(tenant));
    }
}

std::vector<eventlog::Recorded> change_once(
    const Doors& doors, const std::string& method, const std::string& tenant,
    const std::string& request_id, const google::protobuf::Message& request,
    const std::function<std::optional<eventlog::Command>()>& make) {
    service::OneEffect effect(doors.store, doors.ids,
                              {.method = method,
                               .tenant = tenant,
                               .request_id = request_id,
                               .hash = service::hash_of(request)});
    auto events = effect.run(make);
    // This replica's readers need not wait for the next look at settings changes.
    for (const auto& event : events)
        doors.content.touch(tenant, event.stream.category + "/" + event.stream.key);
    return events;
}

std::string made_id(const Doors& doors, const std::string& method, const std::string& tenant,
                    const std::string& request_id) {
    if (request_id.empty()) return doors.ids.next().text();
    const int reused = service::command_of(doors.store, tenant, method, request_id).reused;
    return eventlog::derive_id(tenant + "/" + request_id, Time{}, method, reused).text();
}

Page page_of(const Doors& doors, const std::string& question, const std::vector<std::string>& ids,
             int page_size, const std::string& page_token) {
    if (page_size < 0) throw rpc::invalid_field("page_size", "must not be negative");
    const auto size = static_cast<std::size_t>(
        page_size == 0 ? eventlog::kPageSizeDefault : std::min(page_size, eventlog::kPageSizeMax));
    Page page;
    if (!page_token.empty()) {
        const auto id = service::place_of(doors.read_model, question, page_token);
        const auto last = std::find(ids.begin(), ids.end(), id);
        if (last == ids.end()) throw service::bad_page_token();
        page.begin = static_cast<std::size_t>(last - ids.begin()) + 1;
    }
    page.end = std::min(ids.size(), page.begin + size);
    if (page.end < ids.size())
        page.next_page_token = doors.read_model.token_for(question, ids[page.end - 1]);
    return page;
}

// --- Content (rpc_content.h)

namespace {
constexpr std::size_t kKeyBytesMax = 63;
}  // namespace

bool good_key(const std::string& key) {
    return !key.empty() && key.size() <= kKeyBytesMax &&
           std::all_of(key.begin(), key.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '-';
           });
}

std::string given_or_made_id(const Doors& doors, const std::string& what, const std::string& tenant,
                             const std::string& given, const std::string& request_id) {
    if (given.empty()) return made_id(doors, "save_" + what, tenant, request_id);
    if (!good_key(given))
        throw rpc::invalid_field(what + "." + what + "_id",
                                 "must be letters, digits, _ and -, at most 63");
    return given;
}

}  // namespace flowstack::conversation
