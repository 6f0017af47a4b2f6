#include "common/rpc/access.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "common/rpc/error.h"
#include "flowstack/common/v1/method.pb.h"
#include "google/api/annotations.pb.h"

namespace flowstack::rpc {
namespace {

namespace pb = google::protobuf;
using common::v1::Access;
using identity::Role;

// "tenants/demo/orders/7" → "demo"; empty for any other name.
std::string_view tenant_of(std::string_view resource) {
    constexpr std::string_view kTenants = "tenants/";
    if (!resource.starts_with(kTenants)) return {};
    resource.remove_prefix(kTenants.size());
    return resource.substr(0, resource.find('/'));
}

// Empty when there is no such field. Valid while the message is.
std::string_view text_in(const pb::Message& message, const char* name) {
    const auto* field = message.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->cpp_type() != pb::FieldDescriptor::CPPTYPE_STRING ||
        field->is_repeated())
        return {};
    std::string unused;  // filled for fields that are no std::string in memory; ours are
    return message.GetReflection()->GetStringReference(message, field, &unused);
}

// Methods with a body that change nothing.
constexpr std::array<std::string_view, 1> kOnlyRead{
    "flowstack.conversation.v1.TemplateService.RenderTemplate"};

// What ends or settles something that was begun. Money that is under way must find its place, with
// new credentials of the provider where the old ones are gone.
constexpr std::array<std::string_view, 15> kEnd{
    "flowstack.campaign.v1.CampaignService.CancelCampaign",
    "flowstack.conversation.v1.ConversationService.CloseConversation",
    "flowstack.followup.v1.TaskService.CancelTask",
    "flowstack.gateway.v1.MessageService.CancelMessages",
    "flowstack.gateway.v1.MessageService.DiscardMessage",
    "flowstack.gateway.v1.TenantService.CloseTenant",
    "flowstack.gateway.v1.TenantService.RevokeApiKey",
    "flowstack.gateway.v1.WebhookService.RereadWebhooks",
    "flowstack.payment.v1.OrderService.CancelOrder",
    "flowstack.payment.v1.PaymentService.CancelPayment",
    "flowstack.payment.v1.PaymentService.ResolvePayment",
    "flowstack.payment.v1.RefundService.CreateRefund",
    "flowstack.payment.v1.RefundService.RecordRefund",
    "flowstack.payment.v1.RefundService.CancelRefund",
    "flowstack.payment.v1.ProviderAccountService.ConnectProviderAccount"};

std::string who_may(Access access) {
    switch (access) {
        case common::v1::ACCESS_ADMINS:
            return "Only an admin of the tenant may do this.";
        case common::v1::ACCESS_AGENTS:
            return "Only an agent or admin of the tenant may do this.";
        case common::v1::ACCESS_AUDITORS:
            return "Only an auditor or admin of the tenant may do this.";
        default:
            return "Only the platform's operators may do this.";
    }
}

}  // namespace

bool open_to(Access access, const std::set<Role>& roles) {
    const auto any = [&](std::initializer_list<Role> enough) {
        return std::ranges::any_of(enough, [&](Role role) { return roles.contains(role); });
    };
    switch (access) {
        case common::v1::ACCESS_ADMINS:
            return any({Role::admin});
        case common::v1::ACCESS_AGENTS:
            return any({Role::agent, Role::admin});
        case common::v1::ACCESS_AUDITORS:
            return any({Role::auditor, Role::admin});
        case common::v1::ACCESS_VIEWERS:
            return any({Role::viewer, Role::auditor, Role::agent, Role::admin});
        default:  // ACCESS_UNSPECIFIED, ACCESS_OPERATORS, and what an older build does not know
            return false;
    }
}

void check_access(const identity::Grants& grants, const pb::MethodDescriptor& method,
                  std::string_view resource) {
    if (grants.platform_admin) return;
    const auto access = method.options().GetExtension(common::v1::access);
    if (resource.empty()) throw permission_denied(who_may(common::v1::ACCESS_OPERATORS));
    const auto own = grants.tenants.find(tenant_of(resource));
    if (own == grants.tenants.end()) throw not_found(resource);
    if (!open_to(access, own->second)) throw permission_denied(who_may(access));
}

void check_access(const identity::Grants& grants, const pb::MethodDescriptor& method,
                  const pb::Message& request) {
    if (grants.platform_admin) return;
    const auto name = text_in(request, "name"), parent = text_in(request, "parent");
    // Whoever names both must be allowed for both.
    if (!name.empty() && !parent.empty()) check_access(grants, method, parent);
    check_access(grants, method, name.empty() ? parent : name);
}

bool open_when_closed(const pb::MethodDescriptor& method, bool for_operators) {
    // Methods without a route are our services' own and the operators': they read.
    if (!method.options().HasExtension(google::api::http)) return true;
    if (!method.options().GetExtension(google::api::http).get().empty()) return true;
    if (std::ranges::find(kOnlyRead, method.full_name()) != kOnlyRead.end()) return true;
    return for_operators && std::ranges::find(kEnd, method.full_name()) != kEnd.end();
}

std::string_view tenant_in(const pb::Message& request) {
    const auto name = text_in(request, "name");
    return tenant_of(name.empty() ? text_in(request, "parent") : name);
}

std::string_view reason_in(const pb::Message& request) { return text_in(request, "reason"); }

}  // namespace flowstack::rpc
