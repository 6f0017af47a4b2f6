#include "services/conversation/adapters/codec.h"

#include <functional>
#include <map>
#include <stdexcept>

#include "common/core/corrupt_stream.h"
#include "common/core/overloaded.h"
#include "common/eventlog/payload.h"
#include "flowstack/common/v1/message_content.pb.h"
#include "flowstack/conversation/v1/content_events.pb.h"
#include "flowstack/conversation/v1/conversation_events.pb.h"
#include "flowstack/conversation/v1/customer_events.pb.h"

namespace flowstack::conversation {
namespace {

using eventlog::is;
using eventlog::parsed;
using eventlog::stored;

[[noreturn]] void unknown(const std::string& stream, const std::string& type) {
    throw CorruptStream(stream + ": unknown event " + type);
}

std::int64_t micros(Time at) { return unix_micros(at); }

template <class Lines, class Out>
void set_cart(const Lines& lines, Out* out) {
    for (const auto& line : lines) {
        auto* l = out->Add();
        l->set_product_id(line.product_id);
        l->set_product_name(line.product_name);
        l->set_quantity(line.quantity);
        set(l->mutable_unit_price(), line.unit_price);
    }
}
std::vector<CartLine> cart_of(const google::protobuf::RepeatedPtrField<v1::CartLine>& in) {
    std::vector<CartLine> lines;
    for (const auto& l : in)
        lines.push_back({l.product_id(), l.product_name(), l.quantity(), money_of(l.unit_price())});
    return lines;
}

void set_reserved(const std::vector<ReservedLine>& lines,
                  google::protobuf::RepeatedPtrField<v1::ReservedLine>* out) {
    for (const auto& line : lines) {
        auto* l = out->Add();
        l->set_product_id(line.product_id);
        l->set_quantity(line.quantity);
    }
}
std::vector<ReservedLine> reserved_of(
    const google::protobuf::RepeatedPtrField<v1::ReservedLine>& in) {
    std::vector<ReservedLine> lines;
    for (const auto& l : in) lines.push_back({l.product_id(), l.quantity()});
    return lines;
}

v1::PaymentNews wire(PaymentNews news) {
    switch (news) {
        case PaymentNews::started:
            return v1::PAYMENT_NEWS_STARTED;
        case PaymentNews::unclear:
            return v1::PAYMENT_NEWS_UNCLEAR;
        case PaymentNews::let_go:
            return v1::PAYMENT_NEWS_LET_GO;
        case PaymentNews::paid:
            return v1::PAYMENT_NEWS_PAID;
        case PaymentNews::failed:
            return v1::PAYMENT_NEWS_FAILED;
        case PaymentNews::expired:
            return v1::PAYMENT_NEWS_EXPIRED;
    }
    throw std::invalid_argument("unknown news of a payment");
}
PaymentNews news_of(v1::PaymentNews news) {
    for (const auto known : {PaymentNews::started, PaymentNews::unclear, PaymentNews::let_go,
                             PaymentNews::paid, PaymentNews::failed, PaymentNews::expired})
        if (wire(known) == news) return known;
    throw std::invalid_argument("unknown news of a payment");
}

// --- Conversation, out

v1::ConversationOpened message_of(const Opened& e) {
    v1::ConversationOpened m;
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    m.set_channel_id(e.channel_id);
    m.set_flow_key(e.flow_key);
    m.set_flow_version(e.flow_version);
    m.set_language(e.language);
    m.set_previous_conversation_id(e.previous_conversation_id);
    return m;
}
v1::CustomerSpoke message_of(const Spoke& e) {
    v1::CustomerSpoke m;
    m.set_inbound_id(e.inbound_id);
    m.set_kind(e.kind);
    m.set_tap_id(e.tap_id);
    m.set_outcome(e.outcome);
    m.set_sent_at_us(micros(e.sent_at));
    m.set_bucket_full_at_us(micros(e.bucket_full_at));
    m.mutable_personal()->set_text(e.text);
    return m;
}
v1::ConversationAdvanced message_of(const Advanced& e) {
    v1::ConversationAdvanced m;
    m.set_from_state(std::string(text_of(e.from)));
    m.set_to_state(std::string(text_of(e.to)));
    m.set_reason(e.reason);
    return m;
}
v1::NodeEntered message_of(const NodeEntered& e) {
    v1::NodeEntered m;
    m.set_node(e.node);
    m.set_retries(e.retries);
    return m;
}
v1::HintGiven message_of(const HintGiven& e) {
    v1::HintGiven m;
    m.set_node(e.node);
    return m;
}
v1::UnclearItemsChanged message_of(const UnclearItemsChanged& e) {
    v1::UnclearItemsChanged m;
    for (const auto& item : e.items) {
        auto* i = m.add_items();
        i->set_quantity(item.quantity);
        i->mutable_personal()->set_words(item.words);
    }
    return m;
}
v1::PaymentNoted message_of(const PaymentNoted& e) {
    v1::PaymentNoted m;
    m.set_intent_id(e.intent_id);
    m.set_order_id(e.order_id);
    m.set_news(wire(e.news));
    set(m.mutable_amount(), e.amount);
    m.set_order_number(e.order_number);
    return m;
}
v1::VariableCaptured message_of(const VariableCaptured& e) {
    v1::VariableCaptured m;
    m.set_name(e.name);
    m.mutable_personal()->set_value(e.value);
    return m;
}
v1::CartChanged message_of(const CartChanged& e) {
    v1::CartChanged m;
    set_cart(e.lines, m.mutable_lines());
    return m;
}
v1::ReplyRequested message_of(const ReplyRequested& e) {
    v1::ReplyRequested m;
    m.set_message_id(e.message_id);
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    m.set_channel_id(e.channel_id);
    m.set_idempotency_key(e.idempotency_key);
    m.set_template_key(e.template_key);
    m.set_template_version(e.template_version);
    m.set_kind(e.kind);
    m.set_purpose(e.purpose);
    m.set_window_evidence_us(micros(e.window_evidence));
    m.set_expects_answer(e.expects_answer);
    for (const auto& tap : e.taps) {
        auto* t = m.add_taps();
        t->set_n(tap.n);
        t->set_action(tap.action);
        t->set_argument(tap.argument);
        t->set_title(tap.title);
    }
    m.set_nothing_inbound_since_us(micros(e.nothing_inbound_since));
    m.set_task_id(e.task_id);
    m.set_agent(e.agent);
    set(m.mutable_personal()->mutable_content(), e.content);
    m.mutable_personal()->set_to(e.to);
    return m;
}
v1::StockRequested message_of(const StockRequested& e) {
    v1::StockRequested m;
    m.set_reservation_id(e.reservation_id);
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    set_cart(e.lines, m.mutable_lines());
    m.set_paid_order_id(e.paid_order_id);
    m.set_order_id(e.order_id);
    return m;
}
v1::CheckoutRequested message_of(const CheckoutRequested& e) {
    v1::CheckoutRequested m;
    m.set_order_id(e.order_id);
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    m.set_channel_id(e.channel_id);
    m.set_reservation_id(e.reservation_id);
    set_cart(e.lines, m.mutable_lines());
    m.set_currency_code(e.currency_code);
    m.set_provider(e.provider);
    m.set_language(e.language);
    m.set_retry_of_order_id(e.retry_of_order_id);
    m.mutable_personal()->set_name(e.name);
    m.mutable_personal()->set_address(e.address);
    m.mutable_personal()->set_phone(e.phone);
    m.set_pay_later(e.pay_later);
    return m;
}
v1::OrderTaken message_of(const OrderTaken& e) {
    v1::OrderTaken m;
    m.set_order_id(e.order_id);
    set(m.mutable_total(), e.total);
    m.set_window_closes_at_us(micros(e.window_closes_at));
    return m;
}
v1::OrderOffered message_of(const OrderOffered& e) {
    v1::OrderOffered m;
    m.set_order_id(e.order_id);
    m.set_order_number(e.order_number);
    return m;
}
v1::OrderWaitEnded message_of(const OrderWaitEnded& e) {
    v1::OrderWaitEnded m;
    m.set_order_id(e.order_id);
    m.set_reason(e.reason);
    return m;
}
v1::ConversationEscalated message_of(const Escalated& e) {
    v1::ConversationEscalated m;
    m.set_reason(e.reason);
    return m;
}
v1::FollowUpRequested message_of(const FollowUpRequested& e) {
    v1::FollowUpRequested m;
    m.set_task_id(e.task_id);
    m.set_conversation_id(e.conversation_id);
    m.set_customer_id(e.customer_id);
    m.set_channel_id(e.channel_id);
    m.set_kind(e.kind);
    m.set_due_at_us(micros(e.due_at));
    m.set_language(e.language);
    m.mutable_personal()->set_text(e.text);
    return m;
}
v1::ReservationEndRequested message_of(const ReservationEndRequested& e) {
    v1::ReservationEndRequested m;
    m.set_reservation_id(e.reservation_id);
    m.set_sold(e.sold);
    m.set_reason(e.reason);
    return m;
}

// --- Conversation, in

Lifecycle lifecycle_of(const std::string& text) {
    const auto state = parse_lifecycle(text);
    if (!state) throw std::invalid_argument("unknown state " + text);
    return *state;
}

Event event_of(const v1::ConversationOpened& m) {
    return Opened{m.conversation_id(),
                  m.customer_id(),
                  m.channel_id(),
                  m.flow_key(),
                  m.flow_version(),
                  m.language(),
                  m.previous_conversation_id()};
}
Event event_of(const v1::CustomerSpoke& m) {
    return Spoke{m.inbound_id(),
                 m.kind(),
                 m.tap_id(),
                 m.outcome(),
                 from_unix_micros(m.sent_at_us()),
                 from_unix_micros(m.bucket_full_at_us()),
                 m.personal().text()};
}
Event event_of(const v1::ConversationAdvanced& m) {
    return Advanced{lifecycle_of(m.from_state()), lifecycle_of(m.to_state()), m.reason()};
}
Event event_of(const v1::NodeEntered& m) { return NodeEntered{m.node(), m.retries()}; }
Event event_of(const v1::VariableCaptured& m) {
    return VariableCaptured{m.name(), m.personal().value()};
}
Event event_of(const v1::HintGiven& m) { return HintGiven{m.node()}; }
Event event_of(const v1::UnclearItemsChanged& m) {
    UnclearItemsChanged e;
    for (const auto& item : m.items()) e.items.push_back({item.personal().words(), item.quantity()});
    return e;
}
Event event_of(const v1::PaymentNoted& m) {
    return PaymentNoted{m.intent_id(), m.order_id(), news_of(m.news()), money_of(m.amount()),
                        m.order_number()};
}
Event event_of(const v1::CartChanged& m) { return CartChanged{cart_of(m.lines())}; }
Event event_of(const v1::ReplyRequested& m) {
    ReplyRequested e;
    e.message_id = m.message_id();
    e.conversation_id = m.conversation_id();
    e.customer_id = m.customer_id();
    e.channel_id = m.channel_id();
    e.idempotency_key = m.idempotency_key();
    e.template_key = m.template_key();
    e.template_version = m.template_version();
    e.kind = m.kind();
    e.purpose = m.purpose();
    e.window_evidence = from_unix_micros(m.window_evidence_us());
    e.expects_answer = m.expects_answer();
    for (const auto& t : m.taps()) e.taps.push_back({t.n(), t.action(), t.argument(), t.title()});
    e.nothing_inbound_since = from_unix_micros(m.nothing_inbound_since_us());
    e.task_id = m.task_id();
    e.agent = m.agent();
    e.content = content_of(m.personal().content());
    e.to = m.personal().to();
    return e;
}
Event event_of(const v1::StockRequested& m) {
    return StockRequested{m.reservation_id(), m.conversation_id(), m.customer_id(),
                          cart_of(m.lines()), m.paid_order_id(),   m.order_id()};
}
Event event_of(const v1::CheckoutRequested& m) {
    return CheckoutRequested{m.order_id(),          m.conversation_id(), m.customer_id(),
                             m.channel_id(),        m.reservation_id(),  cart_of(m.lines()),
                             m.currency_code(),     m.provider(),        m.language(),
                             m.retry_of_order_id(), m.personal().name(), m.personal().address(),
                             m.personal().phone(),  m.pay_later()};
}
Event event_of(const v1::OrderTaken& m) {
    return OrderTaken{m.order_id(), money_of(m.total()), from_unix_micros(m.window_closes_at_us())};
}
Event event_of(const v1::OrderOffered& m) { return OrderOffered{m.order_id(), m.order_number()}; }
Event event_of(const v1::OrderWaitEnded& m) { return OrderWaitEnded{m.order_id(), m.reason()}; }
Event event_of(const v1::ConversationEscalated& m) { return Escalated{m.reason()}; }
Event event_of(const v1::FollowUpRequested& m) {
    return FollowUpRequested{m.task_id(),     m.conversation_id(),
                             m.customer_id(), m.channel_id(),
                             m.kind(),        from_unix_micros(m.due_at_us()),
                             m.language(),    m.personal().text()};
}
Event event_of(const v1::ReservationEndRequested& m) {
    return ReservationEndRequested{m.reservation_id(), m.sold(), m.reason()};
}

template <class... Messages>
std::map<std::string, std::function<Event(const std::string&)>> decoders() {
    return {{Messages::descriptor()->full_name(),
             [](const std::string& payload) { return event_of(parsed<Messages>(payload)); }}...};
}

void set_choice(const Choice& choice, v1::TemplateButton* out) {
    out->set_title(choice.title);
    out->set_action(choice.action);
    out->set_argument(choice.argument);
    out->set_next_template_key(choice.next_template_key);
    out->set_next_state(choice.next_state);
    out->set_id(choice.id);
}
void set_choice(const Choice& choice, v1::TemplateRow* out) {
    out->set_title(choice.title);
    out->set_description(choice.description);
    out->set_action(choice.action);
    out->set_argument(choice.argument);
    out->set_next_template_key(choice.next_template_key);
    out->set_next_state(choice.next_state);
    out->set_id(choice.id);
}
template <class Message>
Choice choice_of(const Message& m) {
    Choice c;
    c.title = m.title();
    if constexpr (std::is_same_v<Message, v1::TemplateRow>) c.description = m.description();
    c.action = m.action();
    c.argument = m.argument();
    c.next_template_key = m.next_template_key();
    c.next_state = m.next_state();
    c.id = m.id();
    return c;
}

}  // namespace

void set(common::v1::Money* out, Money money) {
    out->set_minor_units(money.minor_units);
    out->set_currency_code(std::string(currency_code(money.currency)));
}

Money money_of(const common::v1::Money& in) {
    const auto currency = parse_currency(in.currency_code());
    if (!currency) throw std::invalid_argument("unknown currency " + in.currency_code());
    return {in.minor_units(), *currency};
}

void set(common::v1::MessageContent* out, const Content& content) {
    switch (content.kind) {
        case TemplateKind::text:
            out->mutable_text()->set_body(content.body);
            return;
        case TemplateKind::interactive_button: {
            auto* b = out->mutable_buttons();
            b->set_body(content.body);
            for (const auto& title : content.titles) b->add_titles(title);
            return;
        }
        case TemplateKind::interactive_list: {
            auto* l = out->mutable_list();
            l->set_body(content.body);
            l->set_button(content.list_button);
            for (const auto& row : content.rows) {
                auto* r = l->add_rows();
                r->set_title(row.title);
                r->set_description(row.description);
            }
            return;
        }
        case TemplateKind::media: {
            auto* m = out->mutable_media();
            m->set_kind(content.media_kind.empty() ? "image" : content.media_kind);
            m->set_link(content.media_link);
            m->set_caption(content.body);
            return;
        }
        case TemplateKind::whatsapp_template: {
            auto* t = out->mutable_template_();
            t->set_name(content.whatsapp_template);
            t->set_language_code(content.whatsapp_language_code);
            for (const auto& parameter : content.parameters) t->add_body_parameters(parameter);
            return;
        }
    }
}

Content content_of(const common::v1::MessageContent& in) {
    Content c;
    if (in.has_text()) {
        c.body = in.text().body();
    } else if (in.has_buttons()) {
        c.kind = TemplateKind::interactive_button;
        c.body = in.buttons().body();
        c.titles.assign(in.buttons().titles().begin(), in.buttons().titles().end());
    } else if (in.has_list()) {
        c.kind = TemplateKind::interactive_list;
        c.body = in.list().body();
        c.list_button = in.list().button();
        for (const auto& row : in.list().rows()) c.rows.push_back({row.title(), row.description()});
    } else if (in.has_media()) {
        c.kind = TemplateKind::media;
        c.media_kind = in.media().kind();
        c.media_link = in.media().link();
        c.body = in.media().caption();
    } else if (in.has_template_()) {
        c.kind = TemplateKind::whatsapp_template;
        c.whatsapp_template = in.template_().name();
        c.whatsapp_language_code = in.template_().language_code();
        c.parameters.assign(in.template_().body_parameters().begin(),
                            in.template_().body_parameters().end());
    }
    return c;
}

v1::TemplateVariant variant_message(const std::string& language, const Variant& variant) {
    v1::TemplateVariant v;
    v.set_language(language);
    v.set_body(variant.body);
    v.set_list_button(variant.list_button);
    v.set_media_kind(variant.media_kind);
    v.set_media_link(variant.media_link);
    v.set_whatsapp_template(variant.whatsapp_template);
    v.set_whatsapp_language_code(variant.whatsapp_language_code);
    for (const auto& button : variant.buttons) set_choice(button, v.add_buttons());
    for (const auto& row : variant.rows) set_choice(row, v.add_rows());
    return v;
}

Variant variant_of(const v1::TemplateVariant& in) {
    Variant v;
    v.body = in.body();
    v.list_button = in.list_button();
    v.media_kind = in.media_kind();
    v.media_link = in.media_link();
    v.whatsapp_template = in.whatsapp_template();
    v.whatsapp_language_code = in.whatsapp_language_code();
    for (const auto& button : in.buttons()) v.buttons.push_back(choice_of(button));
    for (const auto& row : in.rows()) v.rows.push_back(choice_of(row));
    return v;
}

eventlog::NewEvent encode(const Event& event, Time at) {
    return std::visit([&](const auto& e) { return stored(message_of(e), at); }, event);
}

Event decode_event(const std::string& type, const std::string& payload) {
    static const auto kDecoders =
        decoders<v1::ConversationOpened, v1::CustomerSpoke, v1::ConversationAdvanced,
                 v1::NodeEntered, v1::VariableCaptured, v1::CartChanged, v1::ReplyRequested,
                 v1::StockRequested, v1::CheckoutRequested, v1::ConversationEscalated,
                 v1::FollowUpRequested, v1::ReservationEndRequested, v1::OrderTaken,
                 v1::OrderOffered, v1::OrderWaitEnded, v1::HintGiven, v1::PaymentNoted,
                 v1::UnclearItemsChanged>();
    const auto found = kDecoders.find(type);
    if (found == kDecoders.end()) unknown("conversation", type);
    return found->second(payload);
}

Conversation ConversationCodec::evolve(Conversation state, const std::string& type,
                                       const std::string& payload, Time) {
    return conversation::evolve(std::move(state), decode_event(type, payload));
}

eventlog::NewEvent encode(const CustomerEvent& event, Time at) {
    return std::visit(Overloaded{
                          [&](const CustomerSeen& e) {
                              v1::CustomerSeen m;
                              m.set_customer_id(e.customer_id);
                              m.set_language(e.language);
                              m.mutable_personal()->set_name(e.name);
                              m.mutable_personal()->set_phone(e.phone);
                              return stored(m, at);
                          },
                          [&](const CustomerChanged& e) {
                              v1::CustomerChanged m;
                              m.set_customer_id(e.customer_id);
                              if (e.language) m.set_language(*e.language);
                              if (e.name) m.mutable_personal()->set_name(*e.name);
                              if (e.phone) m.mutable_personal()->set_phone(*e.phone);
                              if (e.address) m.mutable_personal()->set_address(*e.address);
                              return stored(m, at);
                          },
                          [&](const CustomerTagged& e) {
                              v1::CustomerTagged m;
                              m.set_customer_id(e.customer_id);
                              for (const auto& tag : e.added) m.add_added(tag);
                              for (const auto& tag : e.removed) m.add_removed(tag);
                              return stored(m, at);
                          },
                          [&](const CustomerConversationStarted& e) {
                              v1::CustomerConversationStarted m;
                              m.set_customer_id(e.customer_id);
                              m.set_conversation_id(e.conversation_id);
                              return stored(m, at);
                          },
                      },
                      event);
}

Customer CustomerCodec::evolve(Customer state, const std::string& type, const std::string& payload,
                               Time) {
    if (is<v1::CustomerSeen>(type)) {
        const auto m = parsed<v1::CustomerSeen>(payload);
        return conversation::evolve(
            std::move(state),
            CustomerSeen{m.customer_id(), m.language(), m.personal().name(), m.personal().phone()});
    }
    if (is<v1::CustomerChanged>(type)) {
        const auto m = parsed<v1::CustomerChanged>(payload);
        CustomerChanged e;
        e.customer_id = m.customer_id();
        if (m.has_language()) e.language = m.language();
        if (m.personal().has_name()) e.name = m.personal().name();
        if (m.personal().has_phone()) e.phone = m.personal().phone();
        if (m.personal().has_address()) e.address = m.personal().address();
        return conversation::evolve(std::move(state), e);
    }
    if (is<v1::CustomerTagged>(type)) {
        const auto m = parsed<v1::CustomerTagged>(payload);
        return conversation::evolve(std::move(state),
                                    CustomerTagged{m.customer_id(),
                                                   {m.added().begin(), m.added().end()},
                                                   {m.removed().begin(), m.removed().end()}});
    }
    if (is<v1::CustomerConversationStarted>(type)) {
        const auto m = parsed<v1::CustomerConversationStarted>(payload);
        return conversation::evolve(
            std::move(state), CustomerConversationStarted{m.customer_id(), m.conversation_id()});
    }
    unknown("customer", type);
}

eventlog::NewEvent encode(const ProductEvent& event, Time at) {
    return std::visit(Overloaded{
                          [&](const ProductSaved& e) {
                              v1::ProductSaved m;
                              m.set_product_id(e.product_id);
                              m.set_name(e.name);
                              for (const auto& alias : e.aliases) m.add_aliases(alias);
                              set(m.mutable_price(), e.price);
                              m.set_description(e.description);
                              m.set_image_url(e.image_url);
                              m.set_active(e.active);
                              return stored(m, at);
                          },
                          [&](const StockSet& e) {
                              v1::StockSet m;
                              m.set_product_id(e.product_id);
                              if (e.on_hand) m.set_on_hand(*e.on_hand);
                              return stored(m, at);
                          },
                          [&](const StockHeld& e) {
                              v1::StockHeld m;
                              m.set_reservation_id(e.reservation_id);
                              m.set_quantity(e.quantity);
                              return stored(m, at);
                          },
                          [&](const StockFreed& e) {
                              v1::StockFreed m;
                              m.set_reservation_id(e.reservation_id);
                              m.set_quantity(e.quantity);
                              return stored(m, at);
                          },
                          [&](const StockTaken& e) {
                              v1::StockTaken m;
                              m.set_reservation_id(e.reservation_id);
                              m.set_quantity(e.quantity);
                              return stored(m, at);
                          },
                      },
                      event);
}

ProductCodec::State ProductCodec::evolve(State state, const std::string& type,
                                         const std::string& payload, Time at) {
    const auto next = [&](ProductEvent event) -> State {
        return {conversation::evolve(std::move(state.product), event), at};
    };
    if (is<v1::ProductSaved>(type)) {
        const auto m = parsed<v1::ProductSaved>(payload);
        return next(ProductSaved{m.product_id(),
                                 m.name(),
                                 {m.aliases().begin(), m.aliases().end()},
                                 money_of(m.price()),
                                 m.description(),
                                 m.image_url(),
                                 m.active()});
    }
    if (is<v1::StockSet>(type)) {
        const auto m = parsed<v1::StockSet>(payload);
        return next(StockSet{m.product_id(), m.has_on_hand()
                                                 ? std::optional<std::int64_t>{m.on_hand()}
                                                 : std::nullopt});
    }
    if (is<v1::StockHeld>(type)) {
        const auto m = parsed<v1::StockHeld>(payload);
        return next(StockHeld{m.reservation_id(), m.quantity()});
    }
    if (is<v1::StockFreed>(type)) {
        const auto m = parsed<v1::StockFreed>(payload);
        return next(StockFreed{m.reservation_id(), m.quantity()});
    }
    if (is<v1::StockTaken>(type)) {
        const auto m = parsed<v1::StockTaken>(payload);
        return next(StockTaken{m.reservation_id(), m.quantity()});
    }
    unknown("product", type);
}

eventlog::NewEvent encode(const ReservationEvent& event, Time at) {
    return std::visit(Overloaded{
                          [&](const StockReserved& e) {
                              v1::StockReserved m;
                              m.set_reservation_id(e.reservation_id);
                              m.set_conversation_id(e.conversation_id);
                              m.set_customer_id(e.customer_id);
                              set_reserved(e.lines, m.mutable_lines());
                              return stored(m, at);
                          },
                          [&](const StockRefused& e) {
                              v1::StockRefused m;
                              m.set_reservation_id(e.reservation_id);
                              m.set_conversation_id(e.conversation_id);
                              m.set_customer_id(e.customer_id);
                              m.set_product_id(e.product_id);
                              m.set_available(e.available);
                              return stored(m, at);
                          },
                          [&](const StockReleased& e) {
                              v1::StockReleased m;
                              m.set_reservation_id(e.reservation_id);
                              set_reserved(e.lines, m.mutable_lines());
                              m.set_reason(e.reason);
                              return stored(m, at);
                          },
                          [&](const StockSold& e) {
                              v1::StockSold m;
                              m.set_reservation_id(e.reservation_id);
                              set_reserved(e.lines, m.mutable_lines());
                              return stored(m, at);
                          },
                      },
                      event);
}

Reservation ReservationCodec::evolve(Reservation state, const std::string& type,
                                     const std::string& payload, Time) {
    const auto next = [&](ReservationEvent event) {
        return conversation::evolve(std::move(state), event);
    };
    if (is<v1::StockReserved>(type)) {
        const auto m = parsed<v1::StockReserved>(payload);
        return next(StockReserved{m.reservation_id(), m.conversation_id(), m.customer_id(),
                                  reserved_of(m.lines())});
    }
    if (is<v1::StockRefused>(type)) {
        const auto m = parsed<v1::StockRefused>(payload);
        return next(StockRefused{m.reservation_id(), m.conversation_id(), m.customer_id(),
                                 m.product_id(), m.available()});
    }
    if (is<v1::StockReleased>(type)) {
        const auto m = parsed<v1::StockReleased>(payload);
        return next(StockReleased{m.reservation_id(), reserved_of(m.lines()), m.reason()});
    }
    if (is<v1::StockSold>(type)) {
        const auto m = parsed<v1::StockSold>(payload);
        return next(StockSold{m.reservation_id(), reserved_of(m.lines())});
    }
    unknown("reservation", type);
}

eventlog::NewEvent encode(const PromotionSaved& event, Time at) {
    v1::PromotionSaved m;
    m.set_promotion_id(event.promotion_id);
    for (const auto& [language, text] : event.text) (*m.mutable_text())[language] = text;
    m.set_active(event.active);
    return stored(m, at);
}

PromotionCodec::State PromotionCodec::evolve(State, const std::string& type,
                                             const std::string& payload, Time) {
    if (!is<v1::PromotionSaved>(type)) unknown("promotion", type);
    const auto m = parsed<v1::PromotionSaved>(payload);
    return Promotion{m.promotion_id(), {m.text().begin(), m.text().end()}, m.active()};
}

eventlog::NewEvent encode(const Template& saved, Time at) {
    v1::TemplateSaved m;
    m.set_template_key(saved.key);
    m.set_kind(std::string(text_of(saved.kind)));
    for (const auto& [language, variant] : saved.variants)
        *m.add_variants() = variant_message(language, variant);
    m.set_description(saved.description);
    m.set_active(saved.active);
    return stored(m, at);
}

eventlog::NewEvent encode(const TemplateDeleted& event, Time at) {
    v1::TemplateDeleted m;
    m.set_template_key(event.key);
    return stored(m, at);
}

TemplateCodec::State TemplateCodec::evolve(State state, const std::string& type,
                                           const std::string& payload, Time at) {
    const auto version = state.current.version + 1;
    if (is<v1::TemplateSaved>(type)) {
        const auto m = parsed<v1::TemplateSaved>(payload);
        StoredTemplate next;
        next.deleted = false;
        next.saved_at = at;
        next.current.key = m.template_key();
        if (!parse(m.kind(), next.current.kind))
            throw std::invalid_argument("unknown kind " + m.kind());
        for (const auto& variant : m.variants())
            next.current.variants[variant.language()] = variant_of(variant);
        next.current.description = m.description();
        next.current.active = m.active();
        next.current.version = version;
        return next;
    }
    if (is<v1::TemplateDeleted>(type)) {
        state.deleted = true;
        state.current.version = version;
        return state;
    }
    unknown("template", type);
}

eventlog::NewEvent encode(const FlowPublished& event, Time at) {
    v1::FlowPublished m;
    m.set_flow_key(event.key);
    m.set_document_json(event.document_json);
    return stored(m, at);
}

FlowPublished decode_flow(const std::string& type, const std::string& payload) {
    if (!is<v1::FlowPublished>(type)) unknown("flow", type);
    const auto m = parsed<v1::FlowPublished>(payload);
    return {m.flow_key(), m.document_json()};
}

FlowCodec::State FlowCodec::evolve(State state, const std::string& type, const std::string& payload,
                                   Time at) {
    return {state.version + 1, decode_flow(type, payload).document_json, at};
}

}  // namespace flowstack::conversation
