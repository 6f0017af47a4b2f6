#include "tests/support/rows_read.h"

#include <algorithm>
#include <future>
#include <map>
#include <stdexcept>

namespace flowstack::testing {
namespace {

struct Counters {
    std::int64_t rows = 0;
    std::int64_t pages = 0;
};

// Counts of this transaction and of those before it that are not handed in yet: only differences
// within one transaction say something.
Counters counters(postgres::Session& session) {
    const auto row = session.query(
        R"sql(select coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint,
                     coalesce(sum(pg_stat_get_xact_blocks_fetched(oid)), 0)::bigint
                from pg_class
               where relnamespace = 'public'::regnamespace and relkind in ('r', 'i'))sql");
    return {row.int8(0, 0), row.int8(0, 1)};
}

// n counts from 1 to a million. Each lane has as many rows as the others.
const std::map<std::string, std::string> kRows{
    {"events",
     R"sql(select n % 64, (n - 1) / 64 + 1, 1, lpad(to_hex(n / 4), 32, '0')::uuid, n % 4 + 1,
                  lpad(to_hex(n), 32, '0')::uuid, 't1', 'thing', 'k' || n / 4, 'test.v1.Happened',
                  now(), now(), 'c' || n, '', '')sql"},
    {"heads", "select lpad(to_hex(n), 32, '0')::uuid, 4, n % 64"},
    {"claims", R"sql(select lpad(to_hex(n), 32, '0')::uuid, 't1', 'name', 'k' || n, '',
                            lpad(to_hex(n), 32, '0')::uuid, '', now())sql"},
    {"work", R"sql(select n % 64, 'timer', 't1/c' || n / 192 || '/' || n,
                          now() + interval '1 hour' + n * interval '1 millisecond', 0, '')sql"},
    {"read_model", R"sql(select 't1', 'contact', 'c' || n, '', '',
                                now() - n * interval '1 second', n % 64, n, '')sql"},
    {"settings_changes", "select n, 't' || n / 10, 'channel', 'k' || n"},
};

}  // namespace

RowsRead rows_read(postgres::Session& session, const std::string& sql,
                   const postgres::Params& params) {
    session.run("begin");
    const auto before = counters(session);
    const auto result = session.query(sql, params);
    const auto after = counters(session);
    session.run("rollback");
    return {after.rows - before.rows, after.pages - before.pages,
            std::max<std::int64_t>(result.rows(), result.affected())};
}

void fill_with_a_million(const std::string& admin_url, const std::vector<std::string>& tables) {
    std::vector<std::future<void>> fillings;
    for (const auto& table : tables)
        fillings.push_back(std::async(std::launch::async, [&admin_url, table] {
            postgres::Session session(
                {.url = admin_url, .statement_timeout = std::chrono::minutes(5)});
            for (const auto& part :
                 table == "claims"
                     ? std::vector<std::string>{"claims_0", "claims_1", "claims_2", "claims_3"}
                     : std::vector<std::string>{table})
                // New statistics would let plans be made anew, which may be minutes away.
                session.run("alter table " + part +
                            " set (autovacuum_enabled = off); alter table " + part +
                            " set unlogged");
            session.run("insert into " + table + " " + kRows.at(table) +
                        " from generate_series(1, 1000000) n");
            if (table == "events") session.run("update lanes set position = 1000000 / 64");
        }));
    for (auto& filling : fillings) filling.get();
}

}  // namespace flowstack::testing
