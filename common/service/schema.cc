#include "common/service/schema.h"

#include <algorithm>
#include <set>

#include "common/eventlog/store.h"

namespace flowstack::service {

std::string missing_migration(eventlog::Store& store, const std::vector<std::string>& migrations) {
    return store.pool().with([&](postgres::Session& session) -> std::string {
        const auto notes = session.query(
            "select case when to_regclass('schema_migrations') is null then 'no' else 'yes' end");
        if (notes.text(0, 0) == "no") return {};
        std::set<std::string> applied;
        const auto rows = session.query("select name from schema_migrations");
        for (int row = 0; row < rows.rows(); ++row) applied.insert(rows.text(row, 0));
        const auto missing = std::ranges::find_if(
            migrations, [&](const auto& name) { return !applied.contains(name); });
        return missing == migrations.end() ? std::string() : *missing;
    });
}

}  // namespace flowstack::service
