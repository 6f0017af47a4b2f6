#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "common/core/broken_world.h"
#include "common/rpc/channel.h"
#include "common/rpc/resource_name.h"
#include "flowstack/gateway/v1/message_service.grpc.pb.h"
#include "services/campaign/adapters/sends.h"

namespace flowstack::campaign {
namespace {

namespace gateway = flowstack::gateway::v1;
constexpr std::chrono::milliseconds kSendsTimeout{5000};

class GatewaySends final : public Sends {
public:
    explicit GatewaySends(std::shared_ptr<grpc::Channel> channel)
        : stub_(gateway::MessageService::NewStub(std::move(channel))) {}

    std::vector<Refused> ask(const SendBatch& batch) override {
        gateway::SendMessagesRequest request;
        request.set_parent(rpc::tenant_name(batch.tenant));
        request.set_channel_id(batch.channel_id);
        request.mutable_origin()->set_kind(gateway::MESSAGE_ORIGIN_KIND_CAMPAIGN);
        request.mutable_origin()->set_id(batch.campaign_id);
        request.set_purpose(batch.purpose);
        // A free text may only go into an open window, a template always. Asking anyway would cost
        // the number its quality.
        request.set_needs_open_window(
            std::ranges::all_of(batch.items, [](const auto& i) { return !i.text.empty(); }));
        request.set_round(batch.round);
        for (const auto& item : batch.items) {
            auto& out = *request.add_items();
            out.set_customer_id(item.customer_id);
            if (item.template_content.empty())
                out.mutable_content()->mutable_text()->set_body(item.text);
            else if (!out.mutable_content()->mutable_template_()->ParseFromString(
                         item.template_content))
                throw SendsRefused("the campaign's template cannot be read");
        }
        grpc::ClientContext context;
        rpc::set_timeout(context, kSendsTimeout);
        gateway::SendMessagesResponse answer;
        check(stub_->SendMessages(&context, request, &answer), "SendMessages");
        std::vector<Refused> refused;
        for (const auto& verdict : answer.verdicts()) {
            if (verdict.verdict() == "QUEUED") continue;
            // No refusal: somebody else was writing. Asked again, nobody is queued twice.
            if (verdict.reason() == "CONTENTION") throw Unavailable("SendMessages: contention");
            refused.push_back(
                {.customer_id = CustomerId(verdict.customer_id()), .reason = verdict.reason()});
        }
        return refused;
    }

    int withdraw(const std::string& tenant, const CampaignId& campaign_id,
                 const std::string& reason) override {
        gateway::CancelMessagesRequest request;
        request.set_parent(rpc::tenant_name(tenant));
        request.mutable_origin()->set_kind(gateway::MESSAGE_ORIGIN_KIND_CAMPAIGN);
        request.mutable_origin()->set_id(campaign_id);
        request.set_reason(reason);
        grpc::ClientContext context;
        rpc::set_timeout(context, kSendsTimeout);
        gateway::CancelMessagesResponse answer;
        check(stub_->CancelMessages(&context, request, &answer), "CancelMessages");
        return answer.cancelled();
    }

private:
    static void check(const grpc::Status& status, const char* what) {
        if (status.ok()) return;
        const auto text = std::string(what) + ": " + status.error_message();
        switch (status.error_code()) {
            case grpc::StatusCode::INVALID_ARGUMENT:
            case grpc::StatusCode::FAILED_PRECONDITION:
            case grpc::StatusCode::NOT_FOUND:
            case grpc::StatusCode::PERMISSION_DENIED:
                throw SendsRefused(text);
            default:
                throw Unavailable(text);
        }
    }

    std::unique_ptr<gateway::MessageService::Stub> stub_;
};

}  // namespace

std::unique_ptr<Sends> make_gateway_sends(std::shared_ptr<grpc::Channel> channel) {
    return std::make_unique<GatewaySends>(std::move(channel));
}

}  // namespace flowstack::campaign
