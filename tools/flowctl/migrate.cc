#include "tools/flowctl/migrate.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <pqxx/pqxx>
#include <sstream>
#include <stdexcept>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"

namespace flowstack::flowctl {
namespace {

namespace fs = std::filesystem;

// When two operators migrate at once, the second one waits.
constexpr int kMigrationLock = 0x464c4f57;

std::string hash_of(const std::string& text) {
    const auto digest = crypto::sha256(text);
    return crypto::hex_encode(crypto::bytes_of(digest));
}

void add_folder(const fs::path& root, const std::string& folder, std::vector<Migration>& out) {
    std::vector<Migration> found;
    if (fs::exists(root / folder))
        for (const auto& entry : fs::directory_iterator(root / folder)) {
            if (entry.path().extension() != ".sql") continue;
            std::stringstream text;
            text << std::ifstream(entry.path()).rdbuf();
            found.push_back({folder + "/" + entry.path().filename().string(), text.str()});
        }
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    out.insert(out.end(), found.begin(), found.end());
}

}  // namespace

std::vector<Migration> migrations_of(const fs::path& root, const std::string& service) {
    std::vector<Migration> all;
    add_folder(root, "eventlog", all);
    if (all.empty()) throw std::runtime_error("no migrations in " + (root / "eventlog").string());
    add_folder(root, service, all);
    return all;
}

MigrateResult migrate(const std::string& database_url, const std::vector<Migration>& migrations,
                      int lanes, bool dry_run) {
    MigrateResult result;
    pqxx::connection connection(database_url);
    pqxx::nontransaction session(connection);
    session.exec("set client_min_messages = warning");
    session.exec("select pg_advisory_lock(" + std::to_string(kMigrationLock) + ")");
    session.exec(
        "create table if not exists schema_migrations (name text primary key, sha256 text not "
        "null, applied_at "
        "timestamptz not null default now())");
    std::map<std::string, std::string> done;
    for (const auto& row : session.exec("select name, sha256 from schema_migrations"))
        done[row[0].c_str()] = row[1].c_str();
    for (const auto& migration : migrations) {
        const auto hash = hash_of(migration.sql);
        if (const auto found = done.find(migration.name); found != done.end()) {
            if (found->second != hash)
                throw std::runtime_error(
                    migration.name +
                    " was changed after it was applied; write a new migration instead");
            continue;
        }
        result.applied.push_back(migration.name);
        if (dry_run) continue;
        // One statement text is one transaction: the file and the note that it was applied.
        session.exec("begin; " + migration.sql +
                     "\n; insert into schema_migrations (name, sha256) values (" +
                     session.quote(migration.name) + ", " + session.quote(hash) + "); commit");
    }
    if (!dry_run) {
        // A service looks whether the migrations that it was compiled with are there.
        session.exec("grant select on schema_migrations to flowstack_service");
        result.lanes =
            session.exec1("select make_lanes(" + std::to_string(lanes) + ")")[0].as<int>();
        if (result.lanes != lanes)
            throw std::runtime_error("this installation has " + std::to_string(result.lanes) +
                                     " lanes for ever, LANES says " + std::to_string(lanes));
    }
    return result;
}

}  // namespace flowstack::flowctl
