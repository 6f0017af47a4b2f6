#include "tests/e2e/campaigns.h"

#include <algorithm>
#include <boost/json.hpp>
#include <map>

#include "tools/stack/journey.h"

namespace flowstack::e2e {
namespace {

namespace json = boost::json;
namespace v1 = campaign::v1;

constexpr int kWebhookUpdates = 1000;
constexpr const char* kGreeting = "Happy New Year";

}  // namespace

std::string audience_phone(const stack::ShopSpec& shop, int n) {
    // The shop's own number, and five digits more: no other shop's customer.
    return shop.display_phone_number.substr(0, 8) + std::to_string(10'000 + n);
}

void make_audience(const stack::ShopSpec& shop, int count) {
    for (int from = 0; from < count; from += kWebhookUpdates) {
        json::array updates;
        for (int i = from; i < std::min(count, from + kWebhookUpdates); ++i)
            updates.push_back(json::object{{"phone_number_id", shop.phone_number_id},
                                           {"from", audience_phone(shop, i)},
                                           {"text", "START"}});
        const auto answer = Stack::get().sandbox().post(
            "/control/webhooks",
            json::object{{"phone_number_id", shop.phone_number_id}, {"updates", updates}});
        ASSERT_EQ(answer.at("http_statuses").as_array().at(0).to_number<int>(), 200);
    }
}

Broadcast::Broadcast(const stack::ShopSpec& shop, v1::CreateCampaignRequest request) : shop_(shop) {
    request.set_parent("tenants/" + shop.tenant);
    if (request.display_name().empty()) request.set_display_name("New year");
    if (!request.has_template_()) request.set_body(kGreeting + std::string(" {{name}}!"));
    name_ = Stack::get()
                .api()
                .call<v1::Campaign>("campaign", "CampaignService/CreateCampaign", request)
                .name();
}

v1::Campaign Broadcast::now() const {
    v1::GetCampaignRequest request;
    request.set_name(name_);
    return Stack::get().api().call<v1::Campaign>("campaign", "CampaignService/GetCampaign",
                                                 request);
}

v1::CampaignMetrics Broadcast::metrics() const {
    v1::GetCampaignMetricsRequest request;
    request.set_name(name_);
    return Stack::get().api().call<v1::CampaignMetrics>(
        "campaign", "CampaignService/GetCampaignMetrics", request);
}

std::int64_t Broadcast::sum(const v1::CampaignMetrics& m) {
    return m.waiting() + m.queued() + m.sent() + m.delivered() + m.read() + m.replied() +
           m.suppressed() + m.failed() + m.unknown() + m.cancelled();
}

void Broadcast::expect_right(std::int64_t audience) const {
    auto& stack = Stack::get();
    const auto counts = metrics();
    EXPECT_EQ(counts.audience(), audience);
    EXPECT_EQ(sum(counts), audience) << counts.DebugString();
    EXPECT_EQ(counts.waiting() + counts.queued(), 0) << counts.DebugString();

    // By recipient, from the read model, which may be a moment behind.
    std::map<std::string, std::int64_t> listed;
    const auto listing = [&] {
        listed.clear();
        v1::ListRecipientsRequest request;
        request.set_parent(name_);
        request.set_page_size(500);
        do {
            const auto page = stack.api().call<v1::ListRecipientsResponse>(
                "campaign", "CampaignService/ListRecipients", request);
            for (const auto& recipient : page.recipients()) ++listed[recipient.disposition()];
            request.set_page_token(page.next_page_token());
        } while (!request.page_token().empty());
        const auto m = metrics();
        return listed["SENT"] == m.sent() && listed["DELIVERED"] == m.delivered() &&
               listed["READ"] == m.read() && listed["SUPPRESSED"] == m.suppressed() &&
               listed["CANCELLED"] == m.cancelled() && listed["UNKNOWN"] == m.unknown();
    };
    EXPECT_TRUE(eventually(listing)) << metrics().DebugString();

    std::map<std::string, int> accepted;
    for (const auto& line :
         stack::record_of(stack.sandbox(), "send_accepted", "", shop_.phone_number_id))
        if (json::serialize(line).find(kGreeting) != std::string::npos)
            ++accepted[stack::text_at(line, "phone")];
    for (const auto& [phone, times] : accepted)
        EXPECT_EQ(times, 1) << phone << " got it " << times << " times";
    const auto m = metrics();
    EXPECT_GE(static_cast<std::int64_t>(accepted.size()), left(m));
    EXPECT_LE(static_cast<std::int64_t>(accepted.size()), left(m) + m.unknown());
}

}  // namespace flowstack::e2e
