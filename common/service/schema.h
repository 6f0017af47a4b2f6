#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flowstack::eventlog {
class Store;
}

namespace flowstack::service {

// The files of migrations/ that this program was compiled with and that a service's database needs,
// as `flowctl migrate` notes them: "eventlog/0001_tables.sql". The event log's come first.
std::vector<std::string> migrations_for(std::string_view service);

// The first of these that the database does not note as applied; empty when it notes all, or none
// at all: databases that tests make have no notes (schema_migrations). Throws what a query throws.
std::string missing_migration(eventlog::Store& store, const std::vector<std::string>& migrations);

}  // namespace flowstack::service
