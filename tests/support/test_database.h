#pragma once

#include <string>
#include <vector>

// A database of a test's own on the cluster of TEST_DATABASE_URL, migrated, dropped at the end (or
// left to a cluster that is thrown away: TEST_DATABASE_DISPOSABLE). A test that cannot have one
// fails: the constructor throws when the setting is missing.
namespace flowstack::testing {

class TestDatabase {
public:
    // `service`: besides the event log, migrations/<service> is applied when it is not empty.
    explicit TestDatabase(int lanes = 4, const std::string& service = "");
    // A copy of it as it is now, and as a restore to this moment would give it back. Nobody may be
    // connected to it.
    struct AsOfNow {
        const TestDatabase& of;
    };
    explicit TestDatabase(AsOfNow now);
    ~TestDatabase();
    TestDatabase(const TestDatabase&) = delete;

    // The URL of the superuser, and that of the role that services have.
    const std::string& admin_url() const { return admin_url_; }
    const std::string& service_url() const { return service_url_; }

private:
    void copy(const std::string& source);

    std::string name_;
    std::string admin_url_;
    std::string service_url_;
};

}  // namespace flowstack::testing
