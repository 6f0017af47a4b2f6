#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "tools/stack/api.h"
#include "tools/stack/checker.h"
#include "tools/stack/environment.h"
#include "tools/stack/journey.h"
#include "tools/stack/phone.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

// A running stack for end-to-end tests: real PostgreSQL, real Kafka, the five services, the
// sandbox. One per test program, started when it is first asked for, stopped when the program ends.
// A tenant per scenario keeps them apart.
namespace flowstack::e2e {

struct StackOptions {
    int replicas = 1;
    std::string settings{};  // NAME=value lines for every service, beside those of every test
    // Programs of this build that run in place of the stack's own: {"flowstack-gateway", "x"}.
    std::map<std::string, std::string> programs{};
};

class Stack {
public:
    // Its folder under the build's e2e directory has the program's name.
    static Stack& get();
    // For the stack that is started later; from a test program's static initialisation.
    static bool configure(StackOptions options);

    stack::Environment environment;
    stack::Api& api() { return *api_; }
    stack::Sandbox& sandbox() { return *sandbox_; }
    // From now on api() does not ask this replica of any service; "": all are asked again.
    void leave_out(const std::string& replica);

    // ./flowstack <arguments>, on this stack. Fails the test when it does not end with 0.
    void command(const std::string& arguments);
    // flowctl <arguments>: its exit code, and what it wrote to stdout and stderr.
    struct Said {
        int code = 0;
        std::string out;
        std::string err;
    };
    Said flowctl(const std::string& arguments);

    // A shop of this test's own.
    stack::ShopSpec shop(const std::string& unique, bool limits = false,
                         const std::string& unknown_text_policy = "hold");

    Stack();
    ~Stack();

private:
    std::string run_dir_;
    std::unique_ptr<stack::Api> api_;
    std::unique_ptr<stack::Sandbox> sandbox_;
};

// A phone number of this test's own.
std::string phone_for(const std::string& unique);

// Waits until the predicate holds, at most `patience`.
bool eventually(const std::function<bool()>& holds,
                std::chrono::milliseconds patience = std::chrono::seconds(30));

// Every document of every service is what a rebuild makes of the logs: whatever the scenarios
// before this did.
void expect_read_models_equal_a_rebuild();

// Waits until the shop's books are right and stay so; adds a failure for each problem that is left.
void expect_right(const stack::ShopSpec& shop);

}  // namespace flowstack::e2e
