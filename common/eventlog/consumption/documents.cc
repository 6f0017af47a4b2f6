#include "common/eventlog/consumption/documents.h"

#include "common/eventlog/loop_statements.h"

namespace flowstack::eventlog::consuming {

void document_statements(const Documents& documents,
                         std::vector<postgres::Session::Statement>& statements) {
    std::vector<std::string> tenant, kind, id, parent, state, gone_tenant, gone_kind, gone_id;
    std::vector<std::string_view> body;
    std::vector<Time> sort_at;
    std::vector<std::int32_t> lane;
    std::vector<std::int64_t> position;
    for (const auto& [key, document] : documents) {
        if (document.deleted) {
            gone_tenant.push_back(document.tenant);
            gone_kind.push_back(document.kind);
            gone_id.push_back(document.id);
            continue;
        }
        tenant.push_back(document.tenant);
        kind.push_back(document.kind);
        id.push_back(document.id);
        parent.push_back(document.parent);
        state.push_back(document.state);
        sort_at.push_back(document.sort_at);
        lane.push_back(document.lane);
        position.push_back(document.position);
        body.push_back(document.body);
    }
    if (!id.empty())
        statements.push_back({loops::kWriteDocuments.sql, postgres::Params()
                                                              .add_array(tenant)
                                                              .add_array(kind)
                                                              .add_array(id)
                                                              .add_array(parent)
                                                              .add_array(state)
                                                              .add_array(sort_at)
                                                              .add_array(lane)
                                                              .add_array(position)
                                                              .add_bytes_array(body)});
    if (!gone_id.empty())
        statements.push_back(
            {loops::kDropDocuments.sql,
             postgres::Params().add_array(gone_tenant).add_array(gone_kind).add_array(gone_id)});
}

}  // namespace flowstack::eventlog::consuming
