#pragma once

#include <gtest/gtest.h>

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

class Stack {
public:
    // `name`: its folder under the build's e2e directory.
    static Stack& get();

    stack::Environment environment;
    stack::Api& api() { return *api_; }
    stack::Sandbox& sandbox() { return *sandbox_; }

    // ./flowstack <arguments>, on this stack. Fails the test when it does not end with 0.
    void command(const std::string& arguments);

    // A shop of this test's own.
    stack::ShopSpec shop(const std::string& unique);

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

// Waits until the shop's books are right and stay so; adds a failure for each problem that is left.
void expect_right(const stack::ShopSpec& shop);

}  // namespace flowstack::e2e
