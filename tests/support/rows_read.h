#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/postgres/session.h"

// What one statement reads, as PostgreSQL's own counters have it: they also count what functions
// read that the statement calls, which no plan shows.
namespace flowstack::testing {

struct RowsRead {
    std::int64_t rows = 0;    // rows of scanned tables and entries of indexes
    std::int64_t pages = 0;   // of tables and indexes
    std::int64_t answer = 0;  // rows that it returned or changed
};

// Runs the statement in a transaction that is rolled back.
RowsRead rows_read(postgres::Session& session, const std::string& sql,
                   const postgres::Params& params);

// Makes tables of a million rows of the event log's tables, most of which no statement is about:
// work (64 lanes, not due), events, heads, claims, read_model, settings_changes. `tables` names
// them. They are not logged, since nothing here has to survive a crash.
void fill_with_a_million(const std::string& admin_url, const std::vector<std::string>& tables);

}  // namespace flowstack::testing
