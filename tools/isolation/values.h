#pragma once

#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace flowstack::isolation {

// What the check knows of one tenant that it made.
struct Tenant {
    std::string id;
    std::string word;  // in every name and text of this tenant, and nowhere else
    std::string key;   // its API key
    std::string phone_number_id;
    std::string shortcode;
    // Ids of its resources, by kind: "order", "customer", "template" …
    std::map<std::string, std::string> ids;
};

// `$victim.order`, `$attacker`, `$victim` become ids, `$tomorrow` this time of tomorrow. Throws
// std::out_of_range for an unknown kind.
std::string fill(std::string text, const Tenant& attacker, const Tenant& victim);

// Something of the tenant that an answer shows although the question did not name it; empty if
// there is none.
std::string found_in(const std::string& answer, const Tenant& of, const std::string& question);

// ✓ and ✗ lines.
class Report {
public:
    explicit Report(std::ostream& out) : out_(out) {}

    void good(const std::string& what) { out_ << "  ✓ " << what << "\n" << std::flush; }
    void bad(const std::string& what) {
        ++failures_;
        out_ << "  ✗ " << what << "\n" << std::flush;
    }
    void heading(const std::string& what) { out_ << "\n" << what << "\n" << std::flush; }
    int failures() const { return failures_; }

private:
    std::ostream& out_;
    int failures_ = 0;
};

}  // namespace flowstack::isolation
