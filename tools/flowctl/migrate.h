#pragma once

#include <filesystem>
#include <string>
#include <vector>

// Applies migrations/eventlog and migrations/<service> to a service's database, forward only.
namespace flowstack::flowctl {

struct Migration {
    std::string name;  // "eventlog/0001_tables.sql"
    std::string sql;
};

// Sorted by name, the event log's first. Throws std::runtime_error when the folder is not there.
std::vector<Migration> migrations_of(const std::filesystem::path& root, const std::string& service);

struct MigrateResult {
    std::vector<std::string> applied;
    int lanes = 0;  // of the installation, made now or long ago
};

// One transaction a file; each file once, remembered with its SHA-256 in schema_migrations. Throws
// std::runtime_error when an applied file has changed since, or when the installation has another
// lane count.
MigrateResult migrate(const std::string& database_url, const std::vector<Migration>& migrations,
                      int lanes, bool dry_run);

}  // namespace flowstack::flowctl
