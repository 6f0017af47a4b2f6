#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "common/eventlog/payload.h"
#include "common/rpc/server.h"
#include "common/rpc/timestamp.h"
#include "common/service/pages.h"
#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "flowstack/conversation/v1/booking_events.pb.h"
#include "flowstack/conversation/v1/booking_service.grpc.pb.h"
#include "services/conversation/adapters/bookings.h"
#include "services/conversation/adapters/projections.h"
#include "services/conversation/adapters/rpc_content.h"

namespace flowstack::conversation {
namespace {

using grpc::CallbackServerContext;
using grpc::ServerUnaryReactor;

constexpr std::size_t kNoteMax = 500;
constexpr std::size_t kReasonMax = 200;
constexpr std::size_t kBookingNameMax = 100;
constexpr int kDaysMax = 31;
constexpr const char* kDayWanted = "must be a day such as 2026-12-04";

// "08:00" to minutes after midnight; -1 for anything else, which the rule refuses.
int minutes_of(const std::string& text) {
    if (text.size() != 5 || text[2] != ':') return -1;
    for (const std::size_t i : {0, 1, 3, 4})
        if (text[i] < '0' || text[i] > '9') return -1;
    const int hours = (text[0] - '0') * 10 + (text[1] - '0');
    const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
    return minutes > 59 ? -1 : hours * 60 + minutes;
}
std::string clock_of(int minutes) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%02d:%02d", minutes / 60, minutes % 60);
    return text.data();
}

void show(const std::string& tenant, const StoredService& stored, std::int64_t version,
          v1::BookableService& out) {
    const auto& service = stored.service;
    out.set_name(rpc::resource_name(tenant, "services", service.service_id));
    out.set_service_id(service.service_id.text());
    for (const auto& [language, text] : service.text) {
        auto& shown = (*out.mutable_text())[language];
        shown.set_name(text.name);
        shown.set_description(text.description);
    }
    for (const auto& alias : service.aliases) out.add_aliases(alias);
    out.set_duration_minutes(service.duration_minutes);
    out.set_capacity(service.capacity);
    set(out.mutable_price(), service.price);
    out.set_place(service.place);
    out.set_active(service.active);
    rpc::set_time(*out.mutable_update_time(), stored.saved_at);
    out.set_etag(std::to_string(version));
}

void show(const std::string& tenant, const StoredBookingSettings& stored, std::int64_t version,
          v1::BookingSettings& out) {
    const auto& settings = stored.settings;
    out.set_name(rpc::tenant_name(tenant) + "/bookingSettings");
    for (const auto& hours : settings.hours) {
        auto& shown = *out.add_hours();
        shown.set_weekday(hours.weekday);
        shown.set_opens(clock_of(hours.opens));
        shown.set_closes(clock_of(hours.closes));
    }
    for (const auto& day : settings.days_off) out.add_days_off(day);
    out.set_address(settings.address);
    out.set_phone(settings.phone);
    out.set_slot_minutes(settings.slot_minutes);
    out.set_reminder_minutes(settings.reminder_minutes);
    out.set_reminder_template_key(settings.reminder_template_key);
    if (version > 0) rpc::set_time(*out.mutable_update_time(), stored.saved_at);
    out.set_etag(std::to_string(version));
}

std::string why(v1::BookingRefusal reason) {
    switch (reason) {
        case v1::BOOKING_REFUSAL_NO_SERVICE:
            return "The service cannot be booked: it is gone or not active.";
        case v1::BOOKING_REFUSAL_NOT_OPEN:
            return "No booking begins at this time: ask for the free slots.";
        case v1::BOOKING_REFUSAL_PAST:
            return "This time is over.";
        default:
            return "All places at this time are taken: ask for the free slots.";
    }
}

rpc::Failure refused(const std::string& subject, BookingRejection rejection) {
    switch (rejection) {
        case BookingRejection::absent:
            return rpc::not_found(subject);
        case BookingRejection::over:
            return rpc::wrong_state(subject, "The booking was cancelled, or its time is over.");
        case BookingRejection::not_begun:
            return rpc::wrong_state(subject, "The booking has not begun yet.");
    }
    return rpc::internal();
}

class BookingRpc final : public v1::BookingService::CallbackService {
public:
    explicit BookingRpc(const Doors& doors) : doors_(doors) {}

    ServerUnaryReactor* SaveBookableService(CallbackServerContext* context,
                                            const v1::SaveBookableServiceRequest* request,
                                            v1::BookableService* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { save(*request, *response); });
    }
    ServerUnaryReactor* GetBookableService(CallbackServerContext* context,
                                           const v1::GetBookableServiceRequest* request,
                                           v1::BookableService* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "services");
            show_service(name.tenant, name.id, *response);
        });
    }
    ServerUnaryReactor* ListBookableServices(CallbackServerContext* context,
                                             const v1::ListBookableServicesRequest* request,
                                             v1::ListBookableServicesResponse* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            const auto content = doors_.content.of(tenant);
            const auto ids = keys_of(content->stored_services);
            const auto page = page_of(doors_, request->parent() + "/services", ids,
                                      request->page_size(), request->page_token());
            for (auto i = page.begin; i < page.end; ++i) {
                const auto& stored = content->stored_services.at(ids[i]);
                show(tenant, stored.value, stored.version, *response->add_services());
            }
            response->set_next_page_token(page.next_page_token);
        });
    }
    ServerUnaryReactor* SaveBookingSettings(CallbackServerContext* context,
                                            const v1::SaveBookingSettingsRequest* request,
                                            v1::BookingSettings* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { save(*request, *response); });
    }
    ServerUnaryReactor* GetBookingSettings(CallbackServerContext* context,
                                           const v1::GetBookingSettingsRequest* request,
                                           v1::BookingSettings* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto tenant = parse_parent(request->parent());
            tenant_facts(doors_, tenant);
            show_settings(tenant, *response);
        });
    }
    ServerUnaryReactor* ListFreeSlots(CallbackServerContext* context,
                                      const v1::ListFreeSlotsRequest* request,
                                      v1::ListFreeSlotsResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { list(*request, *response); });
    }
    ServerUnaryReactor* CreateBooking(CallbackServerContext* context,
                                      const v1::CreateBookingRequest* request,
                                      v1::Booking* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { create(*request, *response); });
    }
    ServerUnaryReactor* GetBooking(CallbackServerContext* context,
                                   const v1::GetBookingRequest* request,
                                   v1::Booking* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            const auto name = parse_name(request->name(), "bookings");
            show_booking(name.tenant, name.id, *response);
        });
    }
    ServerUnaryReactor* ListBookings(CallbackServerContext* context,
                                     const v1::ListBookingsRequest* request,
                                     v1::ListBookingsResponse* response) override {
        return doors_.rpc.unary(context, *request,
                                [=, this](rpc::Call&) { list(*request, *response); });
    }
    ServerUnaryReactor* MoveBooking(CallbackServerContext* context,
                                    const v1::MoveBookingRequest* request,
                                    v1::Booking* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (!request->has_start_time())
                throw rpc::invalid_field("start_time", "must be a free time");
            change("move_booking", *request, *response, [&](const Booking& booking) {
                const auto customer = customer_of(parse_name(request->name(), "bookings").tenant,
                                                  booking.made.customer_id);
                return BookingCommand(
                    conversation::MoveBooking{.starts_at = rpc::time_of(request->start_time()),
                                              .reminder_task_id = TaskId(doors_.ids.next().text()),
                                              .conversation_id = customer.conversation_id,
                                              .channel_id = booking.made.channel_id});
            });
        });
    }
    ServerUnaryReactor* CancelBooking(CallbackServerContext* context,
                                      const v1::CancelBookingRequest* request,
                                      v1::Booking* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            if (text::code_points(request->reason()) > kReasonMax)
                throw rpc::invalid_field("reason", "must have at most 200 characters");
            change("cancel_booking", *request, *response, [&](const Booking&) {
                return BookingCommand(conversation::CancelBooking{.by = CancelledBy::business,
                                                                  .reason = request->reason()});
            });
        });
    }
    ServerUnaryReactor* MarkArrived(CallbackServerContext* context,
                                    const v1::MarkArrivedRequest* request,
                                    v1::Booking* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("mark_arrived", *request, *response,
                   [](const Booking&) { return BookingCommand(AttendBooking{.arrived = true}); });
        });
    }
    ServerUnaryReactor* MarkNoShow(CallbackServerContext* context,
                                   const v1::MarkNoShowRequest* request,
                                   v1::Booking* response) override {
        return doors_.rpc.unary(context, *request, [=, this](rpc::Call&) {
            change("mark_no_show", *request, *response,
                   [](const Booking&) { return BookingCommand(AttendBooking{.arrived = false}); });
        });
    }

private:
    // --- Services and settings

    void show_service(const std::string& tenant, const std::string& id,
                      v1::BookableService& response) {
        const auto folded = doors_.books.services.load(stream(tenant, category::kService, id));
        if (folded.version == 0) throw rpc::not_found(rpc::resource_name(tenant, "services", id));
        response.Clear();
        show(tenant, folded.state, folded.version, response);
    }

    void save(const v1::SaveBookableServiceRequest& request, v1::BookableService& response) {
        const auto tenant = parse_parent(request.parent());
        const auto& in = request.service();
        const auto id =
            given_or_made_id(doors_, "service", tenant, in.service_id(), request.request_id());
        const auto facts = tenant_facts(doors_, tenant);
        ServiceSaved saved{.service_id = ServiceId(id),
                           .text = {},
                           .aliases = {in.aliases().begin(), in.aliases().end()},
                           .duration_minutes = in.duration_minutes(),
                           .capacity = in.capacity() == 0 ? 1 : in.capacity(),
                           .price = {0, facts.currency},
                           .place = in.place(),
                           .active = !in.has_active() || in.active()};
        for (const auto& [language, text] : in.text())
            saved.text[language] = {.name = text.name(), .description = text.description()};
        if (in.has_price()) {
            if (in.price().currency_code() != currency_code(facts.currency))
                throw rpc::invalid_field(
                    "service.price.currency_code",
                    "must be the tenant's: " + std::string(currency_code(facts.currency)));
            saved.price.minor_units = in.price().minor_units();
        }
        const auto where = stream(tenant, category::kService, id);
        change_once(doors_, "save_service", tenant, request.request_id(), request,
                    [&]() -> std::optional<eventlog::Command> {
                        if (const auto problems = check(saved); !problems.empty())
                            refuse(problems, "service.");
                        const auto folded = doors_.books.services.load(where);
                        // Not exact when several are made at the same moment: the limit protects
                        // the search, which some more do not hurt.
                        if (folded.version == 0 &&
                            doors_.content.of(tenant)->services.size() >= kServicesMax)
                            throw rpc::invalid_field(
                                "service", "must not be one more: a tenant has at most " +
                                               std::to_string(kServicesMax) +
                                               " services; change one that is not active");
                        return one<ServiceSaved>(doors_, tenant, where, folded.expected(), {saved});
                    });
        show_service(tenant, id, response);
    }

    void show_settings(const std::string& tenant, v1::BookingSettings& response) {
        const auto folded = doors_.books.booking_settings.load(
            stream(tenant, category::kBookingSettings, kBookingSettingsKey));
        response.Clear();
        show(tenant, folded.state, folded.version, response);
    }

    void save(const v1::SaveBookingSettingsRequest& request, v1::BookingSettings& response) {
        const auto tenant = parse_parent(request.parent());
        tenant_facts(doors_, tenant);
        const auto& in = request.settings();
        BookingSettingsSaved saved;
        for (const auto& hours : in.hours())
            saved.hours.push_back({.weekday = hours.weekday(),
                                   .opens = minutes_of(hours.opens()),
                                   .closes = minutes_of(hours.closes())});
        saved.days_off.assign(in.days_off().begin(), in.days_off().end());
        saved.address = in.address();
        saved.phone = in.phone();
        if (in.slot_minutes() != 0) saved.slot_minutes = in.slot_minutes();
        if (in.has_reminder_minutes()) saved.reminder_minutes = in.reminder_minutes();
        saved.reminder_template_key = in.reminder_template_key();
        const auto where = stream(tenant, category::kBookingSettings, kBookingSettingsKey);
        change_once(
            doors_, "save_booking_settings", tenant, request.request_id(), request,
            [&]() -> std::optional<eventlog::Command> {
                auto problems = check(saved);
                if (!saved.reminder_template_key.empty() &&
                    !doors_.content.of(tenant)->stored_templates.contains(
                        saved.reminder_template_key))
                    problems.push_back(
                        {"reminder_template_key", "must be the key of a template of the tenant"});
                if (!problems.empty()) refuse(problems, "settings.");
                const auto folded = doors_.books.booking_settings.load(where);
                return one<BookingSettingsSaved>(doors_, tenant, where, folded.expected(), {saved});
            });
        show_settings(tenant, response);
    }

    void list(const v1::ListFreeSlotsRequest& request, v1::ListFreeSlotsResponse& response) {
        const auto name = parse_name(request.name(), "services");
        const auto facts = tenant_facts(doors_, name.tenant);
        const auto service =
            doors_.books.services.load(stream(name.tenant, category::kService, name.id));
        if (service.version == 0) throw rpc::not_found(request.name());
        if (request.days() < 0 || request.days() > kDaysMax)
            throw rpc::invalid_field("days", "must be from 1 to 31, or left out for one");
        const auto zone = zone_of(facts.time_zone);
        const auto now = doors_.clock.now();
        auto day = std::chrono::floor<std::chrono::days>(zone.wall(now));
        if (!request.day().empty()) {
            const auto given = parse_day(request.day());
            if (!given) throw rpc::invalid_field("day", kDayWanted);
            day = *given;
        }
        if (!service.state.service.active) return;
        const auto calendar =
            doors_.books.calendars.load(stream(name.tenant, category::kCalendar, name.id)).state;
        const auto settings =
            doors_.books.booking_settings
                .load(stream(name.tenant, category::kBookingSettings, kBookingSettingsKey))
                .state.settings;
        for (int i = 0; i < std::max(request.days(), 1); ++i)
            for (const auto& slot : free_slots(service.state.service, settings, calendar,
                                               day + std::chrono::days{i}, zone, now)) {
                auto& shown = *response.add_slots();
                rpc::set_time(*shown.mutable_start_time(), slot.starts_at);
                rpc::set_time(*shown.mutable_end_time(), slot.ends_at);
                shown.set_free(slot.free);
                const auto wall = zone.wall(slot.starts_at);
                const auto on = std::chrono::floor<std::chrono::days>(wall);
                shown.set_local_time(text_of(on) + " " +
                                     clock_of(static_cast<int>((wall - on).count())));
            }
    }

    // --- Bookings

    void show_booking(const std::string& tenant, const std::string& id, v1::Booking& response) {
        const auto events = doors_.store.read_stream(stream(tenant, category::kBooking, id));
        response.Clear();
        for (const auto& event : events) apply(response, event);
        // What was refused is no booking.
        if (response.state().empty())
            throw rpc::not_found(rpc::resource_name(tenant, "bookings", id));
    }

    Customer customer_of(const std::string& tenant, const std::string& customer_id) {
        return doors_.books.customers.load(stream(tenant, category::kCustomer, customer_id)).state;
    }

    // The append for a command of a person, or the refusal.
    std::optional<eventlog::Command> decided(const TenantFacts& facts, const BookingId& id,
                                             const ServiceId& service_id,
                                             const BookingCommand& command) {
        const auto& tenant = facts.id;
        const auto subject = rpc::resource_name(tenant, "bookings", id);
        const auto content = doors_.content.of(tenant);
        const Reminder words{.content = *content, .packs = doors_.content.packs(), .tenant = facts};
        auto result =
            booking_parts({.books = doors_.books, .words = words, .now = doors_.clock.now()}, id,
                          service_id, command);
        if (const auto* rejection = std::get_if<BookingRejection>(&result))
            throw refused(subject, *rejection);
        auto& parts = std::get<std::vector<eventlog::Part>>(result);
        if (parts.empty()) return {};
        const auto& first = parts.front().events.front();
        if (eventlog::is<v1::BookingRefused>(first.type))
            throw rpc::wrong_state(
                subject, why(eventlog::parsed<v1::BookingRefused>(first.payload).reason()));
        eventlog::Command made;
        made.meta.routing = tenant_routing(tenant);
        made.meta.settings_version = facts.settings_version;
        made.parts = std::move(parts);
        return made;
    }

    void create(const v1::CreateBookingRequest& request, v1::Booking& response) {
        const auto tenant = parse_parent(request.parent());
        if (!request.has_start_time())
            throw rpc::invalid_field("start_time", "must be a free time");
        if (text::code_points(request.customer_name()) > kBookingNameMax)
            throw rpc::invalid_field("customer_name", "must have at most 100 characters");
        if (text::code_points(request.note()) > kNoteMax)
            throw rpc::invalid_field("note", "must have at most 500 characters");
        const auto id = made_id(doors_, "create_booking", tenant, request.request_id());
        std::optional<KnownContact> contact;
        change_once(
            doors_, "create_booking", tenant, request.request_id(), request,
            [&]() -> std::optional<eventlog::Command> {
                const auto facts = tenant_facts(doors_, tenant, kNewestSettings);
                if (facts.status == "CLOSED") throw rpc::tenant_closed(rpc::tenant_name(tenant));
                if (facts.status != "ACTIVE")
                    throw rpc::tenant_not_active(
                        rpc::tenant_name(tenant),
                        "The tenant is " + facts.status + ": it takes no bookings.");
                const auto phone = text::e164(request.phone(), facts.country);
                if (!phone)
                    throw rpc::invalid_field("phone", "must be a telephone number, +254712345678");
                if (!contact)
                    contact = doors_.contacts.of_phone(tenant, *phone, request.channel_id());
                const auto customer = customer_of(tenant, contact->customer_id);
                BookingMade wish;
                wish.booking_id = BookingId(id);
                wish.number = number_of(doors_.ids.next(), false);
                wish.service_id = ServiceId(request.service_id());
                wish.customer_id = CustomerId(contact->customer_id);
                wish.conversation_id = customer.conversation_id;
                wish.channel_id = ChannelId(contact->channel_id);
                wish.starts_at = rpc::time_of(request.start_time());
                wish.language =
                    customer.language.empty() ? facts.languages.front() : customer.language;
                wish.reminder_task_id = TaskId(doors_.ids.next().text());
                wish.name =
                    request.customer_name().empty() ? customer.name : request.customer_name();
                wish.phone = *phone;
                wish.note = request.note();
                return decided(facts, wish.booking_id, wish.service_id, MakeBooking{.wish = wish});
            });
        show_booking(tenant, id, response);
    }

    template <class Request, class Ask>
    void change(const std::string& method, const Request& request, v1::Booking& response,
                const Ask& ask) {
        const auto name = parse_name(request.name(), "bookings");
        change_once(
            doors_, method, name.tenant, request.request_id(), request,
            [&]() -> std::optional<eventlog::Command> {
                const auto facts = tenant_facts(doors_, name.tenant);
                const auto booking =
                    doors_.books.bookings.load(stream(name.tenant, category::kBooking, name.id))
                        .state;
                return decided(facts, BookingId(name.id), booking.made.service_id, ask(booking));
            });
        show_booking(name.tenant, name.id, response);
    }

    void list(const v1::ListBookingsRequest& request, v1::ListBookingsResponse& response) {
        const auto tenant = parse_parent(request.parent());
        const auto stage = parse_booking_stage(request.state());
        if (!request.state().empty() && (!stage || *stage == BookingStage::refused))
            throw rpc::invalid_field("state", "must be BOOKED, ARRIVED, NO_SHOW or CANCELLED");
        const auto day = parse_day(request.day());
        if (!request.day().empty() && !day) throw rpc::invalid_field("day", kDayWanted);
        const auto zone = zone_of(tenant_facts(doors_, tenant).time_zone);
        response.set_next_page_token(
            service::list<v1::Booking>(doors_.read_model, request,
                                       {.tenant = tenant,
                                        .kind = document::kBooking,
                                        .parent = request.service_id(),
                                        .state = request.state()},
                                       [&](v1::Booking booking) {
                                           const auto on = std::chrono::floor<std::chrono::days>(
                                               zone.wall(rpc::time_of(booking.start_time())));
                                           if (!day || *day == on)
                                               *response.add_bookings() = std::move(booking);
                                       }));
    }

    Doors doors_;
};

}  // namespace

NamedService make_booking_service(const Doors& doors) {
    return {std::make_unique<BookingRpc>(doors), v1::BookingService::service_full_name()};
}

}  // namespace flowstack::conversation
