#pragma once

#include <memory>
#include <span>
#include <string>

#include "common/eventlog/turn.h"
#include "services/conversation/adapters/alarms.h"
#include "services/conversation/adapters/content.h"
#include "services/conversation/adapters/streams.h"
#include "services/conversation/adapters/tenants.h"
#include "services/conversation/domain/pipeline.h"

// Decides on the events of all services. There is one handler for each event that matters here; a
// handler appends at most one command.
namespace flowstack::conversation {

class Reactor {
public:
    Reactor(Books& books, Tenants& tenants, ContentCache& content, Alarms& alarms, RateLimit limit)
        : books_(books), tenants_(tenants), content_(content), alarms_(alarms), limit_(limit) {}

    // Reads together the customers who wrote and their conversations.
    void prepare(std::span<const eventlog::Recorded* const> events, eventlog::Pending& pending);
    void react(const eventlog::Recorded& event, eventlog::Turn& turn);

private:
    using Recorded = eventlog::Recorded;
    using LogTurn = eventlog::Turn;

    void on_message(const Recorded& event, LogTurn& turn);          // gateway
    void on_message_echoed(const Recorded& event, LogTurn& turn);   // gateway
    void on_contacts_linked(const Recorded& event, LogTurn& turn);  // gateway
    void on_handed_back(const Recorded& event, LogTurn& turn);
    void on_stock_requested(const Recorded& event, LogTurn& turn);  // own, to the tenant's lane
    void on_reservation_end(const Recorded& event, LogTurn& turn);  // own, to the tenant's lane
    void on_stock_answer(const Recorded& event, LogTurn& turn);  // own, back to the customer's lane
    void on_booking_requested(const Recorded& event, LogTurn& turn);  // own, to the tenant's lane
    void on_booking_cancel(const Recorded& event, LogTurn& turn);     // own, to the tenant's lane
    void on_booking_answer(const Recorded& event, LogTurn& turn);     // own, back to the customer's
    void on_order_placed(const Recorded& event, LogTurn& turn);       // payment
    void on_payment_started(const Recorded& event, LogTurn& turn);    // payment
    void on_payment_link(const Recorded& event, LogTurn& turn);       // payment
    void on_invoice_issued(const Recorded& event, LogTurn& turn);     // payment
    void on_intent_paid(const Recorded& event, LogTurn& turn);        // payment
    void on_receipt_learned(const Recorded& event, LogTurn& turn);    // payment
    void on_checkout_refused(const Recorded& event, LogTurn& turn);   // payment
    void on_payment_needs_person(const Recorded& event, LogTurn& turn);  // payment
    void on_intent_failed(const Recorded& event, LogTurn& turn);         // payment
    void on_intent_expired(const Recorded& event, LogTurn& turn);        // payment
    void on_order_advanced(const Recorded& event, LogTurn& turn);        // payment
    void on_order_cancelled(const Recorded& event, LogTurn& turn);       // payment
    void on_refund_done(const Recorded& event, LogTurn& turn);           // payment
    void on_task_fired(const Recorded& event, LogTurn& turn);            // followup
    void on_task_skipped(const Recorded& event, LogTurn& turn);          // followup

    // The engine's context, and the owners of everything that the context points to.
    struct Scene {
        TenantFacts tenant;
        std::shared_ptr<const Snapshot> content;
        std::vector<Product> products;
        std::vector<std::shared_ptr<const Flow>> flows;
        Context context;
    };
    void set_scene(Scene& scene, const Recorded& event, LogTurn& turn,
                   const std::string& cause_key);

    void gave_up(const std::string& tenant, const std::string& conversation,
                 const std::string& problem);

    // One step of one conversation, appended at the version that it saw.
    void advance(const Recorded& event, LogTurn& turn, const ConversationId& conversation_id,
                 const CustomerId& customer_id, const Input& input);
    void stock(const Recorded& event, LogTurn& turn, const ReservationId& reservation_id,
               const std::vector<ProductId>& products,
               const std::function<StockDecision(const Reservation&,
                                                 const std::map<ProductId, Product>&)>& decide);

    // A dialogue's wish about a booking, decided on the tenant's lane.
    void book(const Recorded& event, LogTurn& turn, const BookingRefused& unless,
              const std::function<BookingCommand(const TenantFacts&, const Snapshot&)>& ask);

    Books& books_;
    Tenants& tenants_;
    ContentCache& content_;
    Alarms& alarms_;
    RateLimit limit_;
};

}  // namespace flowstack::conversation
