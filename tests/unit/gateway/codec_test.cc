#include "services/gateway/adapters/codec.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "common/core/corrupt_stream.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/gateway/v1/contact_events.pb.h"
#include "flowstack/gateway/v1/message_events.pb.h"
#include "services/gateway/adapters/content.h"
#include "services/gateway/adapters/derive.h"
#include "services/gateway/inbound/customers.h"

namespace flowstack::gateway {
namespace {

constexpr int kLanes = 4;
constexpr Time kNow = from_unix_seconds(1'750'000'000);
const Secret kMaster{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"};
const crypto::RootKey kRoot{kMaster};
const DerivedKeys kKeys{kRoot};

QueueMessage queue() {
    QueueMessage m;
    m.message_id = MessageId("01a1fcc6-e3cd-715f-960d-c8c64ab01822");
    m.channel_id = ChannelId("ch1");
    m.customer_id = CustomerId("01a1fcc6-ee59-781c-b815-4396c7edfd0e");
    m.idempotency_key = "k1";
    m.origin = {.kind = OriginKind::campaign, .id = OriginId("camp1"), .recipient = m.customer_id};
    m.priority = kPriorityCampaign;
    m.preconditions = {.purpose = Purpose::marketing,
                       .nothing_inbound_since = kNow,
                       .needs_open_window = true,
                       .window_evidence = kNow};
    m.not_before = kNow;
    m.to = "+255712345678";
    common::v1::MessageContent content;
    content.mutable_text()->set_body("Hi");
    m.content = content.SerializeAsString();
    return m;
}
Route route() {
    const auto m = queue();
    return {.channel_id = m.channel_id,
            .customer_id = m.customer_id,
            .origin = m.origin,
            .priority = m.priority};
}

SendError error() {
    return {.error_class = ErrorClass::opted_out,
            .code = "131050",
            .title = "Opted out",
            .details = "in the app",
            .retry_after = std::chrono::seconds(5)};
}

SendAttempted attempted() { return {.attempt = 1, .replica = "r1", .route = route()}; }
SendAccepted accepted() {
    return {.attempt = 1, .provider_message_id = ProviderMessageId("wamid.1"), .route = route()};
}
SendFailed failed() {
    return {.attempt = 1, .error = error(), .reason = "down", .retry_at = kNow, .route = route()};
}
StatusReported reported(const std::string& status, const SendError& why) {
    return {.status = status,
            .provider_message_id = ProviderMessageId("wamid.1"),
            .provider_time = kNow,
            .error = why,
            .route = route(),
            .attempt = 1};
}

std::vector<MessageEvent> every_message_event() {
    return {
        MessageQueued{.message = queue()},
        attempted(),
        accepted(),
        failed(),
        SendUnknown{.attempt = 1, .reason = "timeout", .evidence_until = kNow, .route = route()},
        reported("sent", {}),
        reported("failed", error()),
        MessageSuppressed{.reason = Suppression::opted_out, .error = error(), .route = route()},
        MessageCancelled{.reason = "paused", .route = route()},
        MessageRetried{.actor = "asha", .reason = "again", .route = route()},
        MessageDiscarded{.actor = "asha", .reason = "no use", .route = route()}};
}

// None of these is any other, and no text becomes one by itself.
template <class... Ids>
constexpr bool all_different() {
    const auto differs = []<class One>(std::type_identity<One>) {
        return (static_cast<int>(std::is_same_v<One, Ids>) + ...) == 1 &&
               ((std::is_same_v<One, Ids> ||
                 (!std::is_convertible_v<Ids, One> && !std::is_assignable_v<One&, Ids>)) &&
                ...) &&
               !std::is_convertible_v<std::string, One>;
    };
    return (differs(std::type_identity<Ids>()) && ...);
}
static_assert(all_different<ApiKeyId, ChannelId, ConversationId, CustomerId, ExternalChannelId,
                            MessageId, OriginId, ProviderMessageId>());
// So an id of one kind does not compile where another is wanted.
static_assert(std::is_invocable_v<decltype(contact_stream), std::string, CustomerId>);
static_assert(!std::is_invocable_v<decltype(contact_stream), std::string, MessageId>);
static_assert(!std::is_invocable_v<decltype(message_stream), std::string, ProviderMessageId>);
static_assert(!std::is_invocable_v<decltype(channel_claim_key), std::string, ChannelId>);

TEST(Codec, BringsBackWhatItStored) {
    for (const auto& event : every_message_event()) {
        const auto stored = encode(event, kNow);
        const auto again = encode(decode_message(stored.type, stored.payload), kNow);
        EXPECT_EQ(again.type, stored.type);
        EXPECT_EQ(again.payload, stored.payload) << stored.type;
        EXPECT_EQ(decode_message(stored.type, stored.payload).index(), event.index());
    }
    const Identity phone{.kind = IdentityKind::phone, .value = "+255712345678"};
    const Identity bsuid{.kind = IdentityKind::bsuid, .value = "TZ.134"};
    for (const ContactEvent& event : std::vector<ContactEvent>{
             ContactSeen{.customer_id = CustomerId("c1"),
           .channel_id = ChannelId("ch1"),
           .identities = {phone, bsuid},
           .profile_name = "Asha"},
             IdentityAdded{
                 .customer_id = CustomerId("c1"), .identity = bsuid, .profile_name = "Asha"},
             ConsentChanged{.customer_id = CustomerId("c1"),
             .purpose = Purpose::utility,
             .granted = true,
             .source = ConsentSource::template_button,
             .text = "START"},
             ContactsLinked{.customer_id = CustomerId("c1"),
             .merged_customer_id = CustomerId("c2"),
             .identities = {phone}},
             ContactMerged{.customer_id = CustomerId("c2"), .into = CustomerId("c1")}}) {
        const auto stored = encode(event, kNow);
        EXPECT_EQ(decode_contact(stored.type, stored.payload), event) << stored.type;
    }
}

TEST(Codec, KeepsAnErrorWhole) {
    const auto stored = encode(MessageEvent(failed()), kNow);
    EXPECT_EQ(std::get<SendFailed>(decode_message(stored.type, stored.payload)).error, error());
}

// What people type becomes a template parameter that a provider takes; other content stays.
TEST(Content, TemplateParametersAreOneLineWithSingleBlanks) {
    common::v1::MessageContent content;
    for (const auto* typed : {"Ann      Lee", "Ann\tLee", "Ann\nLee", " Ann Lee "})
        content.mutable_template_()->add_body_parameters(typed);
    content.mutable_template_()->add_body_parameters(" \n ");
    const auto plain = with_plain_parameters(content);
    for (int n = 0; n < 4; ++n) EXPECT_EQ(plain.template_().body_parameters(n), "Ann Lee");
    EXPECT_EQ(plain.template_().body_parameters(4), "");
    common::v1::MessageContent text;
    text.mutable_text()->set_body("one\n\ntwo");
    EXPECT_EQ(with_plain_parameters(text).text().body(), "one\n\ntwo");
}

TEST(Codec, EveryTypeThatIsWrittenIsInTheCatalogue) {
    const auto& types = event_types();
    EXPECT_EQ(std::set<std::string>(types.begin(), types.end()).size(), types.size());
    for (const auto& event : every_message_event())
        EXPECT_NE(std::ranges::find(types, encode(event, kNow).type), types.end());
}

// What the log says of a state is the state's own name, so that its readers need no list of words.
TEST(Codec, StatesThatHaveNamesAreEnumsOnTheWire) {
    const auto consent = [](Purpose purpose, ConsentSource source) {
        v1::ConsentChanged m;
        m.ParseFromString(encode(ContactEvent(ConsentChanged{.customer_id = CustomerId("c1"),
                                                             .purpose = purpose,
                                                             .source = source,
                                                             .text = ""}),
                                 kNow)
                              .payload);
        return m;
    };
    for (const auto& [ours, theirs] :
         {std::pair{ConsentSource::keyword, v1::CONSENT_SOURCE_KEYWORD},
          {ConsentSource::template_button, v1::CONSENT_SOURCE_TEMPLATE_BUTTON},
          {ConsentSource::button, v1::CONSENT_SOURCE_BUTTON},
          {ConsentSource::list_row, v1::CONSENT_SOURCE_LIST_ROW},
          {ConsentSource::user_preferences, v1::CONSENT_SOURCE_USER_PREFERENCES},
          {ConsentSource::provider_refusal, v1::CONSENT_SOURCE_PROVIDER_REFUSAL}})
        EXPECT_EQ(consent(Purpose::marketing, ours).source(), theirs);
    EXPECT_EQ(consent(Purpose::marketing, {}).purpose(), v1::MESSAGE_PURPOSE_MARKETING);
    EXPECT_EQ(consent(Purpose::utility, {}).purpose(), v1::MESSAGE_PURPOSE_UTILITY);

    for (const auto& [ours, theirs] : {std::pair{OriginKind::reply, v1::MESSAGE_ORIGIN_KIND_REPLY},
                                       {OriginKind::follow_up, v1::MESSAGE_ORIGIN_KIND_FOLLOW_UP},
                                       {OriginKind::agent, v1::MESSAGE_ORIGIN_KIND_AGENT},
                                       {OriginKind::campaign, v1::MESSAGE_ORIGIN_KIND_CAMPAIGN},
                                       {OriginKind::api, v1::MESSAGE_ORIGIN_KIND_API}}) {
        auto of_this_kind = queue();
        of_this_kind.origin.kind = ours;
        v1::MessageQueued m;
        const auto stored = encode(MessageEvent(MessageQueued{.message = of_this_kind}), kNow);
        ASSERT_TRUE(m.ParseFromString(stored.payload));
        EXPECT_EQ(m.origin().kind(), theirs);
        EXPECT_EQ(m.preconditions().purpose(), v1::MESSAGE_PURPOSE_MARKETING);
    }
    for (const auto& [ours, theirs] :
         {std::pair{Suppression::opted_out, v1::SUPPRESSION_REASON_OPTED_OUT},
          {Suppression::window_closed, v1::SUPPRESSION_REASON_WINDOW_CLOSED},
          {Suppression::answered, v1::SUPPRESSION_REASON_ANSWERED}}) {
        v1::MessageSuppressed m;
        const MessageEvent event = MessageSuppressed{.reason = ours, .error = {}, .route = route()};
        ASSERT_TRUE(m.ParseFromString(encode(event, kNow).payload));
        EXPECT_EQ(m.reason(), theirs);
    }
}

TEST(Codec, RefusesAStateWithoutAName) {
    v1::ConsentChanged m;
    m.set_purpose(v1::MESSAGE_PURPOSE_MARKETING);
    EXPECT_THROW(decode_contact("flowstack.gateway.v1.ConsentChanged", m.SerializeAsString()),
                 std::invalid_argument);
    m.set_source(v1::CONSENT_SOURCE_KEYWORD);
    EXPECT_NO_THROW(decode_contact("flowstack.gateway.v1.ConsentChanged", m.SerializeAsString()));
}

TEST(Codec, StopsAtWhatItDoesNotKnow) {
    EXPECT_THROW(decode_message("flowstack.gateway.v1.Strange", ""), CorruptStream);
    EXPECT_THROW(decode_contact("flowstack.gateway.v1.ContactSeen", "\xFF\xFF"), CorruptStream);
}

eventlog::Derived derived(const MessageEvent& event) {
    eventlog::Derived out;
    make_derive(kLanes, kKeys)(message_stream("duka", queue().message_id), 0, encode(event, kNow),
                               out);
    return out;
}

TEST(Derive, AQueuedMessageIsOneRowOfItsChannelsQueue) {
    const auto out = derived(MessageQueued{.message = queue()});
    ASSERT_EQ(out.work_put.size(), 1U);
    EXPECT_EQ(out.work_put[0].kind, dispatch_kind(ChannelId("ch1"), kPriorityCampaign));
    EXPECT_EQ(out.work_put[0].lane,
              eventlog::lane_of(by_channel(ChannelId("ch1")), "duka", kLanes));
    const auto ref = read_ref(out.work_put[0].ref);
    ASSERT_TRUE(ref);
    EXPECT_EQ(ref->customer_id, queue().customer_id);
    EXPECT_EQ(ref->origin_id, "camp1");
    ASSERT_EQ(out.claims.size(), 1U);
    EXPECT_EQ(out.claims[0].key, "k1");
}

TEST(Derive, ACallIsOpenUntilItsOutcome) {
    const auto out_of_attempt = derived(attempted());
    ASSERT_EQ(out_of_attempt.work_put.size(), 1U);
    EXPECT_EQ(out_of_attempt.work_put[0].kind, kAttemptKind);
    EXPECT_EQ(out_of_attempt.work_del[0].kind, dispatch_kind(ChannelId("ch1"), kPriorityCampaign));
    for (const auto& outcome : every_message_event()) {
        if (outcome.index() < 2) continue;
        const auto out = derived(outcome);
        if (std::holds_alternative<MessageCancelled>(outcome)) continue;  // it never left
        // A failure is judged first; the event that follows from it closes the call.
        const auto* status = std::get_if<StatusReported>(&outcome);
        if (status != nullptr && status->status == "failed") continue;
        EXPECT_TRUE(std::ranges::any_of(out.work_del, [](const auto& row) {
            return row.kind == kAttemptKind;
        })) << outcome.index();
    }
}

TEST(Derive, AnAcceptedMessageIsFoundByTheProvidersId) {
    const auto out = derived(accepted());
    ASSERT_EQ(out.claims.size(), 1U);
    EXPECT_EQ(out.claims[0].key, "wamid.1");
    const auto address = read_claim_value(out.claims[0].value);
    ASSERT_TRUE(address);
    EXPECT_EQ(address->message_id, queue().message_id);
    EXPECT_EQ(address->customer_id, queue().customer_id);
}

TEST(CallbackData, IsOursOrNothing) {
    const DerivedKeys::Callback callback{.message_id = queue().message_id,
                                         .customer_id = queue().customer_id,
                                         .attempt = 3,
                                         .priority = 2,
                                         .origin = queue().origin};
    const auto data = kKeys.callback_data("duka", callback);
    EXPECT_LE(data.size(), 512U);  // Meta's limit
    EXPECT_EQ(kKeys.read_callback("duka", data), callback);
    EXPECT_EQ(kKeys.read_callback("other", data), std::nullopt);
    EXPECT_EQ(kKeys.read_callback("duka", data + "A"), std::nullopt);
    EXPECT_EQ(kKeys.read_callback("duka", "out-42"), std::nullopt);
    EXPECT_EQ(kKeys.read_callback("duka", ""), std::nullopt);
}

TEST(IdentityClaims, ShowNoNumberAndDifferByTenant) {
    const Identity phone{.kind = IdentityKind::phone, .value = "+255712345678"};
    const auto claim = kKeys.identity_claim("duka", phone);
    EXPECT_EQ(claim.size(), 64U);
    EXPECT_NE(claim, kKeys.identity_claim("other", phone));
    EXPECT_NE(claim, kKeys.identity_claim("duka",
                                          {.kind = IdentityKind::bsuid, .value = "+255712345678"}));
}

TEST(Customers, RemembersSoManyAndForgetsAMergedOne) {
    Customers customers(2);
    const auto id = [](int n) {
        return Identity{.kind = IdentityKind::phone, .value = "+25571234567" + std::to_string(n)};
    };
    const auto customer = [](const char* name) {
        return KnownCustomer{.customer_id = CustomerId(name), .phone = ""};
    };
    customers.remember("duka", {id(1)}, customer("c1"));
    customers.remember("duka", {id(2)}, customer("c2"));
    EXPECT_EQ(customers.find("duka", {id(1)})->customer_id, "c1");
    customers.remember("duka", {id(3)}, customer("c3"));
    EXPECT_FALSE(customers.find("duka", {id(2)}));  // the least recently used
    EXPECT_FALSE(customers.find("other", {id(1)}));
    EXPECT_FALSE(customers.find("duka", {id(1), id(3)}));  // two people: somebody must look
    customers.forget("duka", CustomerId("c1"));
    EXPECT_FALSE(customers.find("duka", {id(1)}));
    EXPECT_TRUE(customers.find("duka", {id(3)}));
}

}  // namespace
}  // namespace flowstack::gateway
