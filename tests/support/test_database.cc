#include "tests/support/test_database.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <stdexcept>

#include "common/postgres/session.h"

namespace flowstack::testing {
namespace {

std::string base_url() {
    const char* url = std::getenv("TEST_DATABASE_URL");
    if (!url) throw std::runtime_error("TEST_DATABASE_URL is not set; ./flowstack test sets it");
    return url;
}

// postgresql://user@host:port/db?x=y → the same with another database and user.
std::string with(const std::string& url, const std::string& database, const std::string& user) {
    const auto scheme_end = url.find("://") + 3;
    const auto path = url.find('/', scheme_end);
    const auto query = url.find('?', path);
    auto authority = url.substr(scheme_end, path - scheme_end);
    if (!user.empty()) {
        const auto at = authority.find('@');
        authority = user + "@" + (at == std::string::npos ? authority : authority.substr(at + 1));
    }
    auto tail = query == std::string::npos ? "" : url.substr(query);
    // The URL may name a socket folder in its query, and the user there too.
    if (!user.empty()) {
        const auto named = tail.find("user=");
        if (named != std::string::npos) {
            auto end = tail.find('&', named);
            tail = tail.substr(0, named) + "user=" + user +
                   (end == std::string::npos ? "" : tail.substr(end));
        }
    }
    return url.substr(0, scheme_end) + authority + "/" + database + tail;
}

void apply(postgres::Session& session, const std::filesystem::path& folder) {
    if (!std::filesystem::exists(folder)) return;
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ".sql") files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        std::stringstream text;
        text << std::ifstream(file).rdbuf();
        session.run(text.str());
    }
}

// Whether the whole cluster is thrown away after the tests, as `./flowstack test` does with its
// own. A drop makes PostgreSQL write a checkpoint, which took half of the time of a short test.
bool cluster_is_disposable() { return std::getenv("TEST_DATABASE_DISPOSABLE") != nullptr; }

void drop(const std::string& database) {
    if (cluster_is_disposable()) return;
    try {
        postgres::Session server({.url = base_url()});
        server.run("drop database " + database + " with (force)");
    } catch (const std::exception&) {  // a cluster that is gone has no database to drop
    }
}

// Migrated databases without lanes, one for each service, from which the others of this process are
// copied: a copy takes less than half of the time that a new database and its migrations take.
class Templates {
public:
    ~Templates() {
        for (const auto& [service, name] : made_) drop(name);
    }

    std::string of(const std::string& service) {
        const std::lock_guard lock(mutex_);
        auto& name = made_[service];
        if (!name.empty()) return name;
        const auto wanted = "flowstack_template_" + std::to_string(getpid()) + "_" + service;
        postgres::Session server({.url = base_url()});
        server.run("create database " + wanted);
        postgres::Session session({.url = with(base_url(), wanted, "")});
        const std::filesystem::path root = FLOWSTACK_SOURCE_DIR;
        apply(session, root / "migrations/eventlog");
        if (!service.empty()) apply(session, root / "migrations" / service);
        return name = wanted;
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::string> made_;
};

}  // namespace

TestDatabase::TestDatabase(int lanes, const std::string& service) {
    static Templates templates;
    copy(templates.of(service));
    postgres::Session session({.url = admin_url_});
    session.run("select make_lanes(" + std::to_string(lanes) + ")");
}

TestDatabase::TestDatabase(AsOfNow now) { copy(now.of.name_); }

void TestDatabase::copy(const std::string& source) {
    static std::atomic<int> count{0};
    name_ = "flowstack_test_" + std::to_string(getpid()) + "_" + std::to_string(count++);
    postgres::Session server({.url = base_url()});
    server.run("create database " + name_ + " template " + source);
    admin_url_ = with(base_url(), name_, "");
    service_url_ = with(base_url(), name_, "flowstack_service");
}

TestDatabase::~TestDatabase() { drop(name_); }

}  // namespace flowstack::testing
