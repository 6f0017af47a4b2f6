#pragma once

#include <string>
#include <vector>

#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "tests/e2e/stack.h"

// A campaign of a test's shop, and whether its books are right.
namespace flowstack::e2e {

// Customers 0 to count - 1 of this shop: each once wrote START, so that a free text may reach them.
void make_audience(const stack::ShopSpec& shop, int count);
// The phone of the n-th one.
std::string audience_phone(const stack::ShopSpec& shop, int n);

// A request with a template says "Happy New Year" in one of its values, by which its messages are
// counted; one without gets that text.
class Broadcast {
public:
    Broadcast(const stack::ShopSpec& shop, campaign::v1::CreateCampaignRequest request);

    const std::string& name() const { return name_; }
    campaign::v1::Campaign now() const;
    campaign::v1::CampaignMetrics metrics() const;
    static std::int64_t left(const campaign::v1::CampaignMetrics& m) {
        return m.sent() + m.delivered() + m.read() + m.replied();
    }
    static std::int64_t sum(const campaign::v1::CampaignMetrics& m);

    // Every recipient has one disposition, their sum is the audience, and the sandbox accepted one
    // message for each who is said to have got one, and none twice. A failure for what is wrong.
    void expect_right(std::int64_t audience) const;

private:
    stack::ShopSpec shop_;
    std::string name_;
};

}  // namespace flowstack::e2e
