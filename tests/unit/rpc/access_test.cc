#include "common/rpc/access.h"

#include <gmock/gmock.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "common/rpc/error.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "flowstack/common/v1/data_key_service.pb.h"
#include "flowstack/common/v1/error_reason.pb.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "flowstack/common/v1/method.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/conversation/v1/catalog_service.pb.h"
#include "flowstack/conversation/v1/conversation_service.pb.h"
#include "flowstack/conversation/v1/customer_service.pb.h"
#include "flowstack/conversation/v1/flow_service.pb.h"
#include "flowstack/conversation/v1/support_service.pb.h"
#include "flowstack/conversation/v1/template_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/gateway/v1/channel_service.pb.h"
#include "flowstack/gateway/v1/contact_service.pb.h"
#include "flowstack/gateway/v1/media_service.pb.h"
#include "flowstack/gateway/v1/message_log_service.pb.h"
#include "flowstack/gateway/v1/message_service.pb.h"
#include "flowstack/gateway/v1/notice_service.pb.h"
#include "flowstack/gateway/v1/provider_template_service.pb.h"
#include "flowstack/gateway/v1/tenant_service.pb.h"
#include "flowstack/gateway/v1/webhook_endpoint_service.pb.h"
#include "flowstack/gateway/v1/webhook_service.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "flowstack/payment/v1/provider_account_service.pb.h"
#include "flowstack/payment/v1/refund_service.pb.h"

// Role by method by own or other tenant, for every method that there is. What a method says in its
// proto file is compared with these lists, so a method that is opened to more people is opened
// twice.
namespace flowstack::rpc {
namespace {

namespace pb = google::protobuf;
using identity::Grants;
using identity::Role;

// Everybody who is something in the tenant.
const std::set<std::string> kViewers{"CampaignService/GetCampaign",
                                     "CampaignService/ListCampaigns",
                                     "CampaignService/GetCampaignMetrics",
                                     "CampaignService/ListRecipients",
                                     "BookingService/GetBookableService",
                                     "BookingService/ListBookableServices",
                                     "BookingService/GetBookingSettings",
                                     "BookingService/ListFreeSlots",
                                     "BookingService/GetBooking",
                                     "BookingService/ListBookings",
                                     "CatalogService/GetProduct",
                                     "CatalogService/ListProducts",
                                     "CatalogService/ListPromotions",
                                     "ConversationService/GetConversation",
                                     "ConversationService/ListConversations",
                                     "ConversationService/ListHistory",
                                     "CustomerService/GetCustomer",
                                     "CustomerService/ListCustomers",
                                     "FlowService/GetFlow",
                                     "FlowService/DescribeVerbs",
                                     "FlowService/ListFlows",
                                     "SupportService/GetTopic",
                                     "SupportService/ListTopics",
                                     "SupportService/FindTopic",
                                     "TemplateService/GetTemplate",
                                     "TemplateService/ListTemplates",
                                     "TemplateService/RenderTemplate",
                                     "TaskService/GetTask",
                                     "TaskService/ListTasks",
                                     "ChannelService/GetChannel",
                                     "ChannelService/ListChannels",
                                     "ContactService/GetContact",
                                     "ContactService/ListContacts",
                                     "MessageService/GetMessage",
                                     "MessageService/ListMessages",
                                     "MessageService/ListDeadLetters",
                                     "MessageService/SummarizeCharges",
                                     "MediaService/GetMedia",
                                     "MediaService/ListMedia",
                                     "NoticeService/ListNotices",
                                     "ProviderTemplateService/GetProviderTemplate",
                                     "ProviderTemplateService/ListProviderTemplates",
                                     "WebhookEndpointService/GetWebhookEndpoint",
                                     "WebhookEndpointService/ListWebhookEndpoints",
                                     "TenantService/GetTenant",
                                     "InvoiceService/GetInvoice",
                                     "InvoiceService/ListInvoices",
                                     "OrderService/GetOrder",
                                     "OrderService/ListOrders",
                                     "RefundService/GetRefund",
                                     "RefundService/ListRefunds",
                                     "PaymentService/GetPayment",
                                     "PaymentService/ListPayments"};
// Auditors and admins.
const std::set<std::string> kAuditors{"MessageLogService/ListMessageLog",
                                      "LedgerService/GetTrialBalance",
                                      "LedgerService/ListJournalEntries",
                                      "ProviderAccountService/GetProviderAccount",
                                      "WebhookEndpointService/ListWebhookDeliveries",
                                      "WebhookEndpointService/GetWebhookDelivery"};
// Agents and admins.
const std::set<std::string> kAgents{"BookingService/CreateBooking",
                                    "BookingService/MoveBooking",
                                    "BookingService/CancelBooking",
                                    "BookingService/MarkArrived",
                                    "BookingService/MarkNoShow",
                                    "CatalogService/SetStock",
                                    "ConversationService/EscalateConversation",
                                    "ConversationService/HandBackConversation",
                                    "ConversationService/CloseConversation",
                                    "ConversationService/ReplyToConversation",
                                    "ConversationService/PlaceOrder",
                                    "CustomerService/TagCustomer",
                                    "TaskService/CreateTask",
                                    "TaskService/CancelTask",
                                    "ContactService/ResolveContact",
                                    "MessageService/SendMessage",
                                    "MessageService/SendMessages",
                                    "MessageService/CancelMessages",
                                    "MessageService/RetryMessage",
                                    "MessageService/DiscardMessage",
                                    "MessageService/MarkMessageRead",
                                    "MediaService/UploadMedia",
                                    "OrderService/AdvanceOrder",
                                    "OrderService/CancelOrder",
                                    "PaymentService/CreatePaymentIntent",
                                    "PaymentService/InitiateStkPush",
                                    "PaymentService/CancelPayment"};
// Admins alone.
const std::set<std::string> kAdmins{"CampaignService/CreateCampaign",
                                    "CampaignService/StartCampaign",
                                    "CampaignService/PauseCampaign",
                                    "CampaignService/ResumeCampaign",
                                    "CampaignService/CancelCampaign",
                                    "BookingService/SaveBookableService",
                                    "BookingService/SaveBookingSettings",
                                    "CatalogService/SaveProduct",
                                    "CatalogService/SavePromotion",
                                    "FlowService/PublishFlow",
                                    "SupportService/SaveTopic",
                                    "TemplateService/CreateTemplate",
                                    "TemplateService/UpdateTemplate",
                                    "TemplateService/DeleteTemplate",
                                    "ChannelService/ConnectChannel",
                                    "ChannelService/RotateCredentials",
                                    "ChannelService/UpdateLimits",
                                    "ChannelService/PauseChannel",
                                    "ChannelService/ResumeChannel",
                                    "TenantService/UpdateTenantSettings",
                                    "TenantService/CreateApiKey",
                                    "TenantService/RevokeApiKey",
                                    "TenantService/GetApiKey",
                                    "TenantService/ListApiKeys",
                                    "PaymentService/ResolvePayment",
                                    "RefundService/CreateRefund",
                                    "RefundService/RecordRefund",
                                    "RefundService/CancelRefund",
                                    "ProviderAccountService/ConnectProviderAccount",
                                    "ProviderTemplateService/CreateProviderTemplate",
                                    "ProviderTemplateService/EditProviderTemplate",
                                    "ProviderTemplateService/DeleteProviderTemplate",
                                    "ProviderTemplateService/SyncProviderTemplates",
                                    "WebhookEndpointService/CreateWebhookEndpoint",
                                    "WebhookEndpointService/UpdateWebhookEndpoint",
                                    "WebhookEndpointService/DeleteWebhookEndpoint",
                                    "WebhookEndpointService/RotateWebhookSecret",
                                    "WebhookEndpointService/PauseWebhookEndpoint",
                                    "WebhookEndpointService/ResumeWebhookEndpoint",
                                    "WebhookEndpointService/SendTestWebhook",
                                    "WebhookEndpointService/ReplayWebhookDelivery",
                                    "WebhookEndpointService/ReplayWebhookDeliveries"};
// The platform's operators alone.
const std::set<std::string> kOperators{
    "TenantService/RegisterTenant", "TenantService/ListTenants",    "TenantService/SuspendTenant",
    "TenantService/ResumeTenant",   "TenantService/CloseTenant",    "WebhookService/ListWebhooks",
    "WebhookService/GetWebhook",    "WebhookService/RereadWebhooks"};
// Our own services, and the platform's operators: they say nothing about access.
const std::set<std::string> kServices{"EventLog/Heads",
                                      "EventLog/Read",
                                      "EventLog/Subscribe",
                                      "EventLog/Follow",
                                      "EventLog/ReadStream",
                                      "EventLog/Verify",
                                      "EventLog/VerifyDerived",
                                      "EventLog/LaneStatus",
                                      "EventLog/ListParked",
                                      "EventLog/ReleaseParked",
                                      "EventLog/RecoverTails",
                                      "EventLog/DeclareTailsLost",
                                      "EventLog/ListHeldWork",
                                      "EventLog/ReleaseHeldWork",
                                      "ChannelService/GetChannelDispatch",
                                      "DataKeyService/GetDataKeyStatus",
                                      "DataKeyService/RewrapDataKeys",
                                      "TenantService/FindApiKey"};

// One message of every file with a service: it pulls the file into the program.
std::vector<const pb::MethodDescriptor*> all_methods() {
    std::vector<const pb::MethodDescriptor*> all;
    for (const auto* file : {campaign::v1::Campaign::descriptor()->file(),
                             common::v1::HeadsRequest::descriptor()->file(),
                             common::v1::DataKeyStatus::descriptor()->file(),
                             conversation::v1::Product::descriptor()->file(),
                             conversation::v1::Conversation::descriptor()->file(),
                             conversation::v1::Customer::descriptor()->file(),
                             conversation::v1::Flow::descriptor()->file(),
                             conversation::v1::Template::descriptor()->file(),
                             conversation::v1::Topic::descriptor()->file(),
                             conversation::v1::BookableService::descriptor()->file(),
                             followup::v1::Task::descriptor()->file(),
                             gateway::v1::Channel::descriptor()->file(),
                             gateway::v1::Contact::descriptor()->file(),
                             gateway::v1::LoggedMessage::descriptor()->file(),
                             gateway::v1::Media::descriptor()->file(),
                             gateway::v1::Message::descriptor()->file(),
                             gateway::v1::Notice::descriptor()->file(),
                             gateway::v1::ProviderTemplate::descriptor()->file(),
                             gateway::v1::Tenant::descriptor()->file(),
                             gateway::v1::Webhook::descriptor()->file(),
                             gateway::v1::WebhookEndpoint::descriptor()->file(),
                             payment::v1::Invoice::descriptor()->file(),
                             payment::v1::ListJournalEntriesRequest::descriptor()->file(),
                             payment::v1::Order::descriptor()->file(),
                             payment::v1::Payment::descriptor()->file(),
                             payment::v1::Refund::descriptor()->file(),
                             payment::v1::ProviderAccount::descriptor()->file()})
        for (int s = 0; s < file->service_count(); ++s)
            for (int m = 0; m < file->service(s)->method_count(); ++m)
                all.push_back(file->service(s)->method(m));
    return all;
}

std::string name_of(const pb::MethodDescriptor& method) {
    return method.service()->name() + "/" + method.name();
}

// A request of the method for something in this tenant; for its operators' methods that name none,
// an empty one.
std::unique_ptr<pb::Message> request_for(const pb::MethodDescriptor& method,
                                         const std::string& tenant) {
    std::unique_ptr<pb::Message> request(
        pb::MessageFactory::generated_factory()->GetPrototype(method.input_type())->New());
    for (const auto* field : {"name", "parent"})
        if (const auto* found = method.input_type()->FindFieldByName(field))
            request->GetReflection()->SetString(request.get(), found,
                                                "tenants/" + tenant + "/things/1");
    return request;
}

// "" when the call may be made.
std::string reason_of(const Grants& grants, const pb::MethodDescriptor& method,
                      const std::string& tenant) {
    try {
        check_access(grants, method, *request_for(method, tenant));
        return "";
    } catch (const Failure& failure) {
        return reason_text(failure.reason);
    }
}

bool names_a_tenant(const pb::MethodDescriptor& method) {
    return method.input_type()->FindFieldByName("name") != nullptr ||
           method.input_type()->FindFieldByName("parent") != nullptr;
}

TEST(Access, RoleByMethodByTenant) {
    const std::map<Role, std::vector<const std::set<std::string>*>> opened{
        {Role::viewer, {&kViewers}},
        {Role::auditor, {&kViewers, &kAuditors}},
        {Role::agent, {&kViewers, &kAgents}},
        {Role::admin, {&kViewers, &kAuditors, &kAgents, &kAdmins}}};
    int asked = 0;
    for (const auto* method : all_methods())
        for (const auto& [role, lists] : opened) {
            const auto name = name_of(*method);
            const Grants grants{.tenants = {{"own", {role}}}};
            bool open = false;
            for (const auto* list : lists) open = open || list->contains(name);
            const auto words = std::string(identity::name_of(role)) + " " + name;
            EXPECT_EQ(reason_of(grants, *method, "own"), open ? "" : "PERMISSION_DENIED") << words;
            // What is another tenant's is not there, also where the method is closed to everybody.
            EXPECT_EQ(reason_of(grants, *method, "other"),
                      names_a_tenant(*method) ? "NOT_FOUND" : "PERMISSION_DENIED")
                << words;
            EXPECT_EQ(reason_of(grants, *method, "own2"), reason_of(grants, *method, "other"));
            asked += 2;
        }
    EXPECT_GE(asked, 700);
}

TEST(Access, OperatorsMayEverythingAndWhoIsNothingMayNothing) {
    for (const auto* method : all_methods()) {
        EXPECT_EQ(reason_of({.platform_admin = true}, *method, "any"), "") << name_of(*method);
        EXPECT_NE(reason_of({}, *method, "any"), "") << name_of(*method);
        EXPECT_NE(reason_of({.tenants = {{"any", {}}}}, *method, "any"), "") << name_of(*method);
    }
}

TEST(Access, EveryMethodStandsInOneOfTheLists) {
    std::map<std::string, int> times;
    for (const auto* list : {&kViewers, &kAuditors, &kAgents, &kAdmins, &kOperators, &kServices})
        for (const auto& name : *list) ++times[name];
    for (const auto* method : all_methods())
        EXPECT_EQ(times[name_of(*method)], 1) << name_of(*method);
    EXPECT_EQ(times.size(), all_methods().size()) << "a method of the lists does not exist";
    using namespace common::v1;
    const std::map<Access, const std::set<std::string>*> said{
        {ACCESS_OPERATORS, &kOperators}, {ACCESS_ADMINS, &kAdmins},
        {ACCESS_AGENTS, &kAgents},       {ACCESS_AUDITORS, &kAuditors},
        {ACCESS_VIEWERS, &kViewers},     {ACCESS_UNSPECIFIED, &kServices}};
    for (const auto* method : all_methods())
        EXPECT_TRUE(said.at(method->options().GetExtension(access))->contains(name_of(*method)))
            << name_of(*method);
}

// What only reads, and what ends or settles something: everything else is over with the tenant.
TEST(Access, AClosedTenantIsReadAndWhatItHasBegunIsEndedByOperators) {
    const std::set<std::string> ends{"CampaignService/CancelCampaign",
                                     "ConversationService/CloseConversation",
                                     "TaskService/CancelTask",
                                     "MessageService/CancelMessages",
                                     "MessageService/DiscardMessage",
                                     "TenantService/CloseTenant",
                                     "TenantService/RevokeApiKey",
                                     "WebhookService/RereadWebhooks",
                                     "OrderService/CancelOrder",
                                     "PaymentService/CancelPayment",
                                     "PaymentService/ResolvePayment",
                                     "RefundService/CreateRefund",
                                     "RefundService/RecordRefund",
                                     "RefundService/CancelRefund",
                                     "ProviderAccountService/ConnectProviderAccount"};
    int read = 0, ended = 0;
    for (const auto* method : all_methods()) {
        const auto name = name_of(*method);
        const auto verb = method->name();
        // Every method of ours that reads is called so.
        const bool reads = kServices.contains(name) || verb.starts_with("Get") ||
                           verb.starts_with("List") || verb.starts_with("Find") ||
                           verb.starts_with("Describe") || verb.starts_with("Render") ||
                           verb.starts_with("Summarize");
        EXPECT_EQ(open_when_closed(*method, false), reads) << name;
        EXPECT_EQ(open_when_closed(*method, true), reads || ends.contains(name)) << name;
        read += reads ? 1 : 0;
        ended += ends.contains(name) ? 1 : 0;
    }
    EXPECT_GE(read, 50);
    EXPECT_EQ(ended, static_cast<int>(ends.size()));
}

TEST(Access, RolesAddUpAndEveryNameThatIsGivenMustBeOnesOwn) {
    const auto& list = *gateway::v1::ListMessageLogRequest::descriptor();
    const auto* log = list.file()->service(0)->method(0);
    EXPECT_EQ(reason_of({.tenants = {{"own", {Role::agent}}}}, *log, "own"), "PERMISSION_DENIED");
    EXPECT_EQ(reason_of({.tenants = {{"own", {Role::agent, Role::auditor}}}}, *log, "own"), "");
    for (const auto* resource : {"tenants/other", "tenants/", "tenants", "other/own",
                                 "tenants/own2/x", "tenants//own", "TENANTS/own", " tenants/own"}) {
        try {
            check_access({.tenants = {{"own", {Role::admin}}}}, *log, std::string_view(resource));
            ADD_FAILURE() << resource << " is let in";
        } catch (const Failure& failure) {
            EXPECT_EQ(failure.reason, common::v1::ERROR_REASON_NOT_FOUND) << resource;
        }
    }
    EXPECT_FALSE(open_to(static_cast<common::v1::Access>(99), {Role::admin}));
}

}  // namespace
}  // namespace flowstack::rpc
