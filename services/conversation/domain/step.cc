#include "services/conversation/domain/step.h"

#include <utility>

#include "services/conversation/domain/flow/answers.h"
#include "services/conversation/domain/trades/shop/shop.h"

namespace flowstack::conversation {
namespace {

// Works on a copy of the state that every fact moves along, so that a later action sees what an
// earlier one did.
class StepRecord final : public Record,
                         public ShopRecord,
                         public SupportRecord,
                         public BookingRecord {
public:
    explicit StepRecord(const Conversation& conversation) : conversation_(conversation) {}

    const Dialogue& dialogue() const override { return conversation_; }
    const ShopState& shop() const override { return conversation_.shop; }
    const BookingState& bookings() const override { return conversation_.booking; }

    void add(DialogueFact fact) override { add_event(std::move(fact)); }
    void add(ShopFact fact) override { add_event(std::move(fact)); }
    void add(SupportFact fact) override { add_event(std::move(fact)); }
    void add(BookingFact fact) override { add_event(std::move(fact)); }
    void add_customer(CustomerEvent fact) override {
        add_joined(step_.customer_events, std::move(fact));
    }

    void expect_answer() override {
        for (auto event = step_.events.rbegin(); event != step_.events.rend(); ++event)
            if (auto* reply = std::get_if<ReplyRequested>(&*event)) {
                reply->expects_answer = true;
                return;
            }
    }

    std::function<void()> checkpoint() override {
        return [this, conversation = conversation_, step = step_] {
            conversation_ = conversation;
            step_ = step;
        };
    }

    Step step() && { return std::move(step_); }

private:
    template <class Facts>
    void add_event(Facts facts) {
        std::visit(
            [&](auto& fact) {
                auto& event = step_.events.emplace_back(std::move(fact));
                conversation::apply(conversation_, event);
            },
            facts);
    }

    Conversation conversation_;
    Step step_;
};

}  // namespace

Step step(const Conversation& conversation, const Customer& customer, const Input& input,
          const Context& context) {
    StepRecord record(conversation);
    Interpreter flow(record, customer, context);
    Shop shop(record, flow, context.shop);
    flow.add(shop);
    Support support(record, context.support);
    flow.add(support);
    BookingTrade booking(record, flow, context.booking);
    flow.add(booking);
    Answers answers(flow);
    std::visit(
        [&](const auto& i) {
            if constexpr (requires { answers.on(i); })
                answers.on(i);
            else if constexpr (requires { flow.on(i); })
                flow.on(i);
            else if constexpr (requires { booking.on(i); })
                booking.on(i);
            else
                shop.on(i);
        },
        input);
    flow.finish();
    auto result = std::move(record).step();
    result.problem = flow.problem();
    result.unsaid = flow.unsaid();
    return result;
}

Step tell(const Conversation& conversation, const std::string& template_key,
          const Context& context) {
    StepRecord record(conversation);
    const Customer nobody;
    Interpreter flow(record, nobody, context);
    flow.speech().reply_simply(template_key);
    return std::move(record).step();
}

}  // namespace flowstack::conversation
