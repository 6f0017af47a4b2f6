#include <algorithm>
#include <sstream>

#include "common/core/money.h"
#include "services/conversation/domain/flow/text.h"
#include "services/conversation/domain/trades/booking/booking.h"
#include "services/conversation/domain/trades/booking/draft.h"

// The words of bookings: what a flow can do with services and times. A verb is its function and its
// entry in the table below; nothing else names it.
namespace flowstack::conversation {
namespace {

using Booked = BookingTrade;  // shorter, for the functions below

// The actions of rows: a service by its id, a time by service and seconds, a booking by its id.
constexpr std::string_view kServiceAction = "booking_service";
constexpr std::string_view kSlotAction = "booking_slot";
constexpr std::string_view kPickAction = "booking_pick";

// Of a long list only so many are offered; any other can be written.
constexpr std::size_t kSlotsOffered = kRowsMax;
constexpr int kDaysLookedMax = 21;

std::vector<std::string> words_in(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> words;
    for (std::string word; in >> word;) words.push_back(std::move(word));
    return words;
}

// The n-th of a list of ids, as a customer counts it; empty: none.
std::string numbered(const std::string& ids, const std::string& said) {
    const auto all = words_in(ids);
    const auto n = parse_count(said, 1, static_cast<std::int64_t>(all.size()));
    return n ? all[static_cast<std::size_t>(*n) - 1] : std::string{};
}

// --- What there is

Go tell_services(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& language = flow.dialogue().language;
    const auto shown = shown_services(trade.services(), language);
    if (shown.empty() && action.with.contains("empty")) return flow.go(action, "empty");
    const auto minutes = flow.speech().phrase("booking_minutes");
    std::string services, prices;
    for (const auto* service : shown) {
        const auto& text = text_in(*service, language);
        services += (services.empty() ? "• " : "\n• ") + text.name + " (" +
                    std::to_string(service->duration_minutes) + " " +
                    (minutes.empty() ? "min" : minutes) + ")";
        if (!text.description.empty()) services += ": " + text.description;
        prices += (prices.empty() ? "• " : "\n• ") + text.name + ": " +
                  (service->price.minor_units > 0 ? format_money(service->price)
                                                  : flow.speech().phrase("booking_no_price"));
    }
    const auto& settings = trade.settings();
    flow.speech().reply(action.target, {{"services", services},
                                        {"prices", prices},
                                        {"opening_hours", hours_text(settings, language)},
                                        {"contact_address", settings.address},
                                        {"contact_phone", settings.phone}});
    return Go::on;
}

Go show_services(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& language = flow.dialogue().language;
    auto shown = shown_services(trade.services(), language);
    if (shown.empty()) return flow.go(action, "empty");
    // Whoever has more writes which one; the words name all of them.
    if (shown.size() > kRowsMax) shown.resize(kRowsMax);
    std::vector<Choice> rows;
    for (const auto* service : shown)
        rows.push_back(
            {.title = text_in(*service, language).name,
             .description = service->price.minor_units > 0 ? format_money(service->price) : "",
             .action = std::string(kServiceAction),
             .argument = service->service_id.text()});
    const auto tomorrow = std::chrono::floor<std::chrono::days>(trade.wall_now());
    flow.speech().reply(action.target,
                        {{"example_service", text_in(*shown.front(), language).name},
                         {"example_day", day_text(tomorrow + std::chrono::days{1}, language)}},
                        &rows);
    return Go::on;
}

// --- What the customer wants

Go new_booking(Interpreter&, Booked& trade, const Action&) {
    trade.forget_draft();
    return Go::on;
}

// Keeps what was understood; what is understood only in part is asked again whole.
void keep(Booked& trade, const DateReading& reading) {
    trade.set_draft(kDraftProblem, reading.standing == DateReading::Standing::past      ? "past"
                                   : reading.standing == DateReading::Standing::unclear ? "unclear"
                                                                                        : "");
    if (reading.standing != DateReading::Standing::understood) return;
    if (reading.day) trade.set_draft(kDraftDay, text_of(*reading.day));
    if (reading.clock) trade.set_draft(kDraftClock, std::to_string(reading.clock->count()));
}

// A time that was put together of two messages may be over.
bool is_past(Booked& trade) {
    const auto day = parse_day(trade.draft(kDraftDay));
    const auto clock = parse_count(trade.draft(kDraftClock), 0, 24 * 60);
    if (!day || !clock) return false;
    if (WallTime(*day) + std::chrono::minutes{*clock} > trade.wall_now()) return false;
    trade.set_draft(kDraftDay, "");
    trade.set_draft(kDraftClock, "");
    trade.set_draft(kDraftProblem, "past");
    return true;
}

Go read_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& spoken = flow.spoken();
    DateReading reading;
    if (spoken.tap_action == kServiceAction) {
        if (trade.service(spoken.tap_argument)) trade.set_draft(kDraftService, spoken.tap_argument);
        trade.set_draft(kDraftProblem, "");
    } else {
        const auto match = match_service(spoken.text, trade.services());
        const BookableService* named = match.service;
        const auto shown = shown_services(trade.services(), flow.dialogue().language);
        const bool open = trade.draft(kDraftService).empty();
        if (const auto n = parse_count(spoken.text, 1, static_cast<std::int64_t>(shown.size()));
            !named && open && n)
            named = shown[static_cast<std::size_t>(*n) - 1];
        reading = read_date(match.rest, trade.wall_now());
        // Where there is only one, its name may be left out.
        if (!named && open && shown.size() == 1 &&
            reading.standing == DateReading::Standing::understood)
            named = shown.front();
        // A booking that moves stays what it is.
        if (named && trade.draft(kDraftMoving).empty())
            trade.set_draft(kDraftService, named->service_id.text());
        keep(trade, reading);
    }
    if (!trade.service(trade.draft(kDraftService))) return flow.go(action, "service");
    if (!trade.draft(kDraftProblem).empty() || is_past(trade)) return flow.go(action, "unclear");
    return flow.go(action, trade.draft(kDraftDay).empty() ? "date" : "ready");
}

// --- When there is room

Go show_slots(Interpreter& flow, Booked& trade, const Action& action) {
    const auto* service = trade.service(trade.draft(kDraftService));
    const auto day = parse_day(trade.draft(kDraftDay));
    if (!service || !day) return flow.go(action, "none");
    const auto clock = parse_count(trade.draft(kDraftClock), 0, 24 * 60);
    const auto& calendar = trade.calendar(service->service_id);
    const auto now = flow.context().now;
    const BookingId without(trade.draft(kDraftMoving));
    const auto free_on = [&](WallDay on) {
        return free_slots(*service, trade.settings(), calendar, on, trade.zone(), now, without);
    };
    auto slots = free_on(*day);
    if (clock) {
        const auto wanted = WallTime(*day) + std::chrono::minutes{*clock};
        const auto away = [&](const Slot& slot) {
            const auto distance = trade.zone().wall(slot.starts_at) - wanted;
            return distance < distance.zero() ? -distance : distance;
        };
        std::ranges::stable_sort(slots, {}, away);
        if (!slots.empty() && away(slots.front()).count() == 0) {
            trade.set_draft(kDraftAt, std::to_string(unix_seconds(slots.front().starts_at)));
            return flow.go(action, "exact");
        }
    }
    const bool another_day = slots.empty();
    if (slots.size() > kSlotsOffered) slots.resize(kSlotsOffered);
    std::ranges::sort(slots, {}, &Slot::starts_at);
    for (int ahead = 1; another_day && ahead <= kDaysLookedMax; ++ahead)
        for (const auto& slot : free_on(*day + std::chrono::days{ahead}))
            if (slots.size() < kSlotsOffered) slots.push_back(slot);
    if (slots.empty()) return flow.go(action, "none");

    const auto& language = flow.dialogue().language;
    std::vector<Choice> rows;
    std::string offered;
    for (const auto& slot : slots) {
        const auto seconds = std::to_string(unix_seconds(slot.starts_at));
        offered += (offered.empty() ? "" : " ") + seconds;
        rows.push_back({.title = short_moment_text(trade.zone().wall(slot.starts_at), language),
                        .action = std::string(kSlotAction),
                        .argument = service->service_id + "|" + seconds});
    }
    trade.set_draft(kDraftSlots, offered);
    flow.speech().reply(action.target,
                        {{"booking_taken", another_day || clock ? "yes" : ""},
                         {"booking_service", text_in(*service, language).name}},
                        &rows);
    return Go::on;
}

Go choose_slot(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& spoken = flow.spoken();
    if (spoken.tap_action == kSlotAction) {
        const auto bar = spoken.tap_argument.rfind('|');
        const auto at = bar == std::string::npos
                            ? std::nullopt
                            : drafted_moment(spoken.tap_argument.substr(bar + 1));
        const auto* service = trade.service(spoken.tap_argument.substr(0, bar));
        if (!at || !service) return flow.go(action, "unclear");
        trade.set_draft(kDraftService, service->service_id.text());
        trade.set_draft(kDraftDay,
                        text_of(std::chrono::floor<std::chrono::days>(trade.zone().wall(*at))));
        trade.set_draft(kDraftAt, std::to_string(unix_seconds(*at)));
        return flow.go(action, "found");
    }
    if (const auto chosen = numbered(trade.draft(kDraftSlots), spoken.text); !chosen.empty()) {
        trade.set_draft(kDraftAt, chosen);
        return flow.go(action, "found");
    }
    const auto reading = read_date(spoken.text, trade.wall_now());
    keep(trade, reading);
    if (reading.standing != DateReading::Standing::understood || is_past(trade))
        return flow.go(action, "unclear");
    return flow.go(action, "again");
}

Go request_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto at = drafted_moment(trade.draft(kDraftAt));
    const auto* service = trade.service(trade.draft(kDraftService));
    if (!at || !service) return flow.go(action, "empty");
    const auto& dialogue = flow.dialogue();
    const auto moving = trade.draft(kDraftMoving);
    trade.emit(BookingRequested{
        .booking_id = BookingId(moving.empty() ? flow.context().make_id("booking", 1) : moving),
        .conversation_id = dialogue.id,
        .customer_id = dialogue.customer_id,
        .channel_id = dialogue.channel_id,
        .service_id = service->service_id,
        .starts_at = *at,
        .language = dialogue.language,
        .moving = !moving.empty(),
        .name = flow.customer().name,
        .phone = flow.customer().phone});
    return Go::left;
}

// --- What the customer has

Go show_bookings(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& language = flow.dialogue().language;
    auto coming = trade.coming();
    if (coming.empty()) return flow.go(action, "empty");
    if (coming.size() == 1) {
        trade.set_draft(kDraftChosen, coming.front().booking_id.text());
        return flow.go(action, "one");
    }
    if (coming.size() > kRowsMax) coming.resize(kRowsMax);
    std::vector<Choice> rows;
    std::string ids;
    for (const auto& booking : coming) {
        ids += (ids.empty() ? "" : " ") + booking.booking_id.text();
        rows.push_back({.title = short_moment_text(trade.zone().wall(booking.starts_at), language),
                        .description = booking.service_name + ", " + booking.number,
                        .action = std::string(kPickAction),
                        .argument = booking.booking_id.text()});
    }
    trade.set_draft(kDraftChoices, ids);
    flow.speech().reply(action.target, {}, &rows);
    return Go::on;
}

Go choose_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto& spoken = flow.spoken();
    const auto wanted = spoken.tap_action == kPickAction
                            ? spoken.tap_argument
                            : numbered(trade.draft(kDraftChoices), spoken.text);
    for (const auto& booking : trade.coming())
        if (booking.booking_id == wanted) {
            trade.set_draft(kDraftChosen, wanted);
            return flow.go(action, "found");
        }
    return flow.go(action, "unknown");
}

std::optional<BookingNoted> chosen(Booked& trade) {
    for (auto& booking : trade.coming())
        if (booking.booking_id == trade.draft(kDraftChosen)) return std::move(booking);
    return {};
}

Go tell_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto booking = chosen(trade);
    if (!booking) return flow.go(action, "empty");
    flow.speech().reply(action.target, values_of(*booking, trade.zone(), flow.dialogue().language));
    return Go::on;
}

Go move_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto booking = chosen(trade);
    if (!booking) return flow.go(action, "empty");
    trade.forget_draft();
    trade.set_draft(kDraftMoving, booking->booking_id.text());
    trade.set_draft(kDraftService, booking->service_id.text());
    return Go::on;
}

Go cancel_booking(Interpreter& flow, Booked& trade, const Action& action) {
    const auto booking = chosen(trade);
    if (!booking) return flow.go(action, "empty");
    trade.emit(BookingCancelRequested{.booking_id = booking->booking_id,
                                      .conversation_id = flow.dialogue().id,
                                      .customer_id = flow.dialogue().customer_id});
    return Go::left;
}

// A service and a day in one message: somebody books.
bool names_booking(const Trade& trade, const std::string& words) {
    const auto& booked = static_cast<const Booked&>(trade);
    const auto match = match_service(words, booked.services());
    if (!match.service) return false;
    const auto reading = read_date(match.rest, booked.wall_now());
    return reading.standing == DateReading::Standing::understood && reading.day;
}

// --- The table

// The interpreter runs a verb with the trade whose table has it: here that is always a
// BookingTrade.
template <Go (*run)(Interpreter&, Booked&, const Action&)>
Go in_booking(Interpreter& flow, Trade* trade, const Action& action) {
    return run(flow, static_cast<Booked&>(*trade), action);
}

using enum ValueKind;

// clang-format off
constexpr VerbSpec kVerbs[]{
    {.name = "tell_services", .target = template_key, .target_required = true,
     .meaning = "one message that may say `{{services}}`, `{{prices}}`, `{{opening_hours}}`, `{{contact_address}}` and "
                "`{{contact_phone}}`",
     .options = {{{"empty", node, false, "there is no service"}}},
     .run = in_booking<tell_services>},
    {.name = "show_services", .target = template_key, .target_required = true,
     .meaning = "a list of the services that can be booked, at most ten; a row's tap has the action `booking_service` "
                "and the service's id",
     .options = {{{"empty", node, true, "there is none"}}},
     .run = in_booking<show_services>},
    {.name = "new_booking",
     .meaning = "forgets what was said of a booking that was not made",
     .run = in_booking<new_booking>},
    {.name = "read_booking", .always_leaves = true,
     .meaning = "the words, or a tap on a service, say what is to be booked and when; what they say is kept",
     .options = {{{"ready", node, true, "service and day are known: `show_slots`"},
                  {"service", node, true, "no service is known"},
                  {"date", node, true, "the service is known and no day is"},
                  {"unclear", node, true, "the day or time may mean several, or is over (`{{booking_problem}}`)"}}},
     .run = in_booking<read_booking>},
    {.name = "show_slots", .target = template_key, .target_required = true,
     .meaning = "a list of free times of the day, those next to the time that was said; of the next days when that "
                "one has none (`{{booking_taken}}`); a row's tap has the action `booking_slot`",
     .options = {{{"exact", node, true, "the time that was said is free: it is chosen without a list"},
                  {"none", node, true, "nothing is free for three weeks"}}},
     .run = in_booking<show_slots>},
    {.name = "choose_slot", .always_leaves = true,
     .meaning = "by the tap, the number in the list, or another day or time in words",
     .options = {{{"found", node, true, "one is chosen"},
                  {"again", node, true, "another day or time was said: `show_slots`"},
                  {"unclear", node, true, "not understood (`{{booking_problem}}`)"}}},
     .run = in_booking<choose_slot>},
    {.name = "request_booking", .always_leaves = true,
     .meaning = "asks for a place at the chosen time; the answer is an occasion: `booking_made`, `booking_refused`, or "
                "for one that moves `booking_moved`, `booking_move_refused`",
     .options = {{{"empty", node, true, "no time is chosen"}}},
     .run = in_booking<request_booking>},
    {.name = "show_bookings", .target = template_key, .target_required = true,
     .meaning = "a list of what the customer has booked and is to come; a row's tap has the action `booking_pick`",
     .options = {{{"one", node, true, "there is exactly one: it is chosen without a list"},
                  {"empty", node, true, "there is none"}}},
     .run = in_booking<show_bookings>},
    {.name = "choose_booking", .always_leaves = true,
     .meaning = "by the tap or the number in the list",
     .options = {{{"found", node, true, "one is chosen"},
                  {"unknown", node, true, "it names none of them"}}},
     .run = in_booking<choose_booking>},
    {.name = "tell_booking", .target = template_key, .target_required = true,
     .meaning = "one message about the chosen booking: `{{booking_number}}`, `{{booking_service}}`, `{{booking_time}}`",
     .options = {{{"empty", node, true, "none is chosen, or it is over"}}},
     .run = in_booking<tell_booking>},
    {.name = "move_booking",
     .meaning = "the next `request_booking` moves the chosen booking",
     .options = {{{"empty", node, true, "none is chosen, or it is over"}}},
     .run = in_booking<move_booking>},
    {.name = "cancel_booking", .always_leaves = true,
     .meaning = "takes the chosen booking back; the answer is the occasion `booking_cancelled`",
     .options = {{{"empty", node, true, "none is chosen, or it is over"}}},
     .run = in_booking<cancel_booking>},
};
// clang-format on

constexpr MatchSpec kMatches[]{{.name = "booking", .fits = names_booking}};

constexpr std::string_view kOwnVariables[]{
    kDraftService,     kDraftDay,      kDraftClock,      kDraftAt,      kDraftSlots,
    kDraftMoving,      kDraftChosen,   kDraftChoices,    kDraftProblem, "booking_number",
    "booking_service", "booking_time", "booking_refusal"};

}  // namespace

const Words& booking_words() {
    static constexpr Words kWords{
        .trade = "booking", .verbs = kVerbs, .matches = kMatches, .own_variables = kOwnVariables};
    return kWords;
}

}  // namespace flowstack::conversation
