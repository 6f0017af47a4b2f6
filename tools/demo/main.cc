#include <unistd.h>

#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <ctime>
#include <iomanip>
#include <iostream>
#include <map>
#include <random>
#include <sstream>

#include "common/core/money.h"
#include "common/rpc/error.h"
#include "common/rpc/resource_name.h"
#include "common/text/width.h"
#include "flowstack/common/v1/event_log.pb.h"
#include "flowstack/conversation/v1/booking_service.pb.h"
#include "flowstack/followup/v1/task_service.pb.h"
#include "flowstack/payment/v1/intent_events.pb.h"
#include "flowstack/payment/v1/invoice_service.pb.h"
#include "flowstack/payment/v1/ledger_service.pb.h"
#include "flowstack/payment/v1/order_service.pb.h"
#include "flowstack/payment/v1/payment_service.pb.h"
#include "tools/stack/journey.h"
#include "tools/stack/logs.h"
#include "tools/stack/shop.h"

// flowstack-demo: one customer, one purchase or one booking, through the running stack's real
// doors; then the proof.
//
// Exit 0 only if every step was right: the money on the prompt, the order, the invoice, the
// receipt, the ledger and the logs must agree with each other and with the sandbox's own record;
// of a booking: its time, its place, its reminder and the logs.
namespace flowstack::demo {
namespace {

using namespace stack;
constexpr std::chrono::seconds kSettleS{30};

const bool kColours = isatty(STDOUT_FILENO) != 0;
std::string paint(const char* code, const std::string& text) {
    return kColours ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
}
void heading(const std::string& text) { std::cout << "\n" << paint("1", text) << "\n"; }

struct WrongStep : std::runtime_error {
    using std::runtime_error::runtime_error;
};
void expect(bool right, const std::string& what) {
    if (!right) throw WrongStep(what);
}

std::string clock_of(std::int64_t us, bool millis = false) {
    const std::time_t seconds = us / 1'000'000;
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::ostringstream out;
    out << std::put_time(&utc, "%H:%M:%S");
    if (millis) out << "." << std::setw(3) << std::setfill('0') << us / 1000 % 1000;
    return out.str();
}

std::string money_text(const common::v1::Money& money) {
    const auto currency = parse_currency(money.currency_code());
    return currency ? format_money({money.minor_units(), *currency})
                    : std::to_string(money.minor_units());
}

// What is drawn from the seed.
struct Draw {
    std::string phone, name, address;
    PurchaseSpec spec;
    std::string language;
    ProductSpec product;
};

Draw draw(std::uint64_t seed, const ShopSpec& shop) {
    std::mt19937_64 random(seed);
    const auto pick = [&](const auto& list) { return list[random() % list.size()]; };
    Draw d;
    d.phone = "+2547" + std::to_string(10'000'000 + random() % 90'000'000);
    d.name = pick(std::vector<std::string>{"Amina", "Wanjiku", "Otieno", "Baraka", "Njeri", "Juma",
                                           "Akinyi", "Kamau"});
    d.address =
        pick(std::vector<std::string>{"Kilimani, Argwings Kodhek Rd 12", "Westlands, Mpaka Rd 4",
                                      "Nyali, Links Rd 7", "Kisumu, Oginga Odinga St 21"});
    d.product = pick(shop.products.empty() ? demo_products() : shop.products);
    d.language = pick(std::vector<std::string>{"en", "sw"});
    d.spec.greeting = d.language == "sw" ? "Habari" : "Hi";
    d.spec.product = d.product.name;
    d.spec.quantity = 1 + static_cast<int>(random() % 5);
    d.spec.address = d.address;
    return d;
}

void print_bubble(const ChatMessage& message, const std::string& customer,
                  const std::string& shop) {
    const std::string indent(message.from_business ? 2 : 34, ' ');
    std::cout << indent
              << paint(message.from_business ? "32" : "36", message.from_business ? shop : customer)
              << " " << paint("2", clock_of(message.at_us)) << "\n";
    std::istringstream lines(message.text);
    for (std::string line; std::getline(lines, line);) std::cout << indent << "│ " << line << "\n";
    std::string choices;
    // A menu's choices are words of its text.
    if (message.is_menu) return;
    for (const auto& button : message.buttons)
        choices += (choices.empty() ? "" : " ") + ("[" + button + "]");
    if (!choices.empty()) std::cout << indent << "│ " << paint("33", choices) << "\n";
    for (const auto& row : message.rows)
        std::cout << indent << "│ " << paint("33", "• " + row) << "\n";
    std::cout.flush();
}

// Prints what the sandbox has recorded and was not yet printed.
class Transcript {
public:
    Transcript(Phone& phone, std::string shop) : phone_(phone), shop_(std::move(shop)) {}
    void catch_up() {
        for (const auto& message : phone_.chat()) {
            if (message.seq <= printed_) continue;
            print_bubble(message, phone_.name(), shop_);
            printed_ = message.seq;
        }
    }

private:
    Phone& phone_;
    std::string shop_;
    std::int64_t printed_ = 0;
};

payment::v1::Order order_of(Api& api, const std::string& tenant, const std::string& order_id) {
    payment::v1::GetOrderRequest request;
    request.set_name(rpc::resource_name(tenant, "orders", order_id));
    return api.call<payment::v1::Order>("payment", "OrderService/GetOrder", request);
}

void print_money_line(const std::string& label, const std::string& amount) {
    // Names and addresses are typed by people, so columns are counted as a terminal shows them.
    std::cout << "  " << label;
    if (!amount.empty()) {
        const auto width = text::columns(label);
        std::cout << std::string(width < 34 ? 34 - width : 1, ' ') << std::right << std::setw(18)
                  << amount;
    }
    std::cout << "\n";
}

void print_trail(const std::vector<RecordedEvent>& events) {
    std::size_t type_width = std::string("event").size();
    for (const auto& event : events)
        type_width = std::max(type_width, short_type(event.type()).size());
    const auto padded = [&](std::string text) {
        text.resize(std::max(text.size(), type_width), ' ');
        return text + "  ";
    };
    std::cout << paint("2", "  time          service        lane  position  " + padded("event") +
                                "caused by")
              << "\n";
    for (const auto& event : events) {
        std::string cause = "outside";
        if (event.meta().has_causation())
            cause = event.meta().causation().service() + " " +
                    std::to_string(event.meta().causation().lane()) + ":" +
                    std::to_string(event.meta().causation().position());
        std::cout << "  " << clock_of(event.recorded_at_us(), true) << "  " << std::left
                  << std::setw(13) << event.service() << std::right << std::setw(6) << event.lane()
                  << std::setw(10) << event.position() << "  " << padded(short_type(event.type()))
                  << paint("2", cause) << "\n";
    }
}

// Reads every lane of every service again, as an outsider: gapless positions, versions in order,
// claims and digests as the service itself sees them.
void check_logs(Api& api) {
    std::cout << paint("2", "  service       lanes    events   digest over all lanes") << "\n";
    for (const auto& service : kServices) {
        const auto heads = heads_of(api, service);
        std::int64_t total = 0;
        std::map<std::string, std::int64_t> versions;
        for (int lane = 0; lane < static_cast<int>(heads.size()); ++lane) {
            std::int64_t next = 1, last_us = 0;
            read_lane(api, service, lane, 1, [&](const RecordedEvent& event) {
                expect(event.position() == next, service + " lane " + std::to_string(lane) +
                                                     ": a gap before " +
                                                     std::to_string(event.position()));
                ++next;
                expect(event.recorded_at_us() > last_us,
                       service + ": recorded time does not climb");
                last_us = event.recorded_at_us();
                const auto stream = event.tenant() + '\0' + event.category() + '\0' + event.key();
                expect(event.version() == versions[stream] + 1,
                       service + ": a version of " + event.category() + " " + event.key() +
                           " is missing or doubled");
                versions[stream] = event.version();
                ++total;
            });
            expect(next - 1 >= heads[static_cast<std::size_t>(lane)],
                   service + ": events at the head are missing");
        }
        std::cout << "  " << std::left << std::setw(12) << service << std::right << std::setw(7)
                  << heads.size() << std::setw(10) << total << "   gapless, versions in order\n";
    }
}

// `channel` is meta or twilio, `pay` mpesa or card.
constexpr std::chrono::seconds kOpenPatience{15};

int run(std::uint64_t seed, const std::string& channel, const std::string& pay) {
    const Environment environment;
    Api api(environment);
    Sandbox sandbox(environment);
    ShopSpec shop;
    // The shop keeps its number at Meta; the sandbox's phone page lets people choose.
    if (channel == "twilio") shop.twilio_number = kDemoSender;
    const bool by_card = pay == "card";
    if (by_card) {
        // The demo's shop keeps the settings that it was made with: cards have one of their own.
        shop = shop_for("demo-cards");
        shop.name = "Duka la Asha";
        shop.cards = true;
        if (channel == "twilio") shop.twilio_number = sender_for("demo-cards");
    }
    once_let_through(kOpenPatience, [&] { make_shop(shop, environment, api, sandbox); });
    auto d = draw(seed, shop);
    d.spec.pay = pay;
    std::cout << paint("1", "FlowStack demo") << "  seed " << seed << ", " << d.name << " "
              << d.phone << " buys " << d.spec.quantity << " × " << d.product.name << " in "
              << (d.language == "sw" ? "Swahili" : "English")
              << (channel == "twilio" ? " over Twilio" : "") << (by_card ? ", by card" : "")
              << "\n";

    heading("The chat, as the sandbox's phone recorded it");
    Phone phone(sandbox, channel == "twilio" ? shop.twilio_number : shop.phone_number_id, d.phone,
                d.name);
    Transcript transcript(phone, shop.name);
    const auto purchase =
        buy(phone, sandbox, d.spec, [&](const std::string&) { transcript.catch_up(); });
    // The invoice and the last ticks may still be on their way.
    const auto until = std::chrono::steady_clock::now() + kSettleS;
    auto invoice_text = purchase.invoice.text;
    while (invoice_text.empty() && std::chrono::steady_clock::now() < until) {
        for (const auto& message : phone.chat())
            if (message.from_business && message.text.find("INV-") != std::string::npos)
                invoice_text = message.text;
        if (invoice_text.empty()) usleep(50'000);
    }
    expect(!invoice_text.empty(), "no invoice came in the chat");
    transcript.catch_up();

    // The order that this phone paid.
    std::string order_id, intent_id, conversation_id;
    std::vector<RecordedEvent> events;
    while (true) {
        events = events_of_all(api, shop.tenant);
        for (const auto& event : events) {
            if (event.type() != "flowstack.payment.v1.IntentPaid") continue;
            payment::v1::IntentPaid paid;
            expect(paid.ParseFromString(event.payload()), "IntentPaid does not decode");
            if (paid.receipt() != purchase.receipt) continue;
            order_id = paid.order_id();
            intent_id = paid.intent_id();
            conversation_id = paid.conversation_id();
        }
        if (!order_id.empty() || std::chrono::steady_clock::now() > until) break;
        usleep(100'000);
    }
    expect(!order_id.empty(), "no payment with receipt " + purchase.receipt + " is in the log");
    const auto order = order_of(api, shop.tenant, order_id);

    heading("The order");
    print_money_line(order.number() + "  for " + order.customer_name(), "");
    for (const auto& line : order.lines())
        print_money_line(std::to_string(line.quantity()) + " × " + line.product_name() + " at " +
                             money_text(line.unit_price()),
                         money_text(line.line_total()));
    print_money_line("tax", money_text(order.tax()));
    if (order.rounding().minor_units() != 0)
        print_money_line("rounding to whole shillings", money_text(order.rounding()));
    print_money_line("total", money_text(order.total()));
    print_money_line("deliver to " + order.delivery_address(), "");
    expect(order.subtotal().minor_units() == d.product.price_minor * d.spec.quantity,
           "the order's subtotal is not price × quantity");
    expect(order.subtotal().minor_units() + order.tax().minor_units() +
                   order.rounding().minor_units() ==
               order.total().minor_units(),
           "subtotal + tax + rounding is not the total");
    expect(purchase.amount_on_prompt ==
                   std::to_string(order.total().minor_units() / (by_card ? 1 : 100)) &&
               order.total().minor_units() % 100 == 0,
           "the payer was asked for " + purchase.amount_on_prompt + ", the order's total is " +
               money_text(order.total()));
    expect(order.payment_state() == payment::v1::ORDER_PAYMENT_STATE_PAID, "the order is not paid");

    heading("The invoice");
    payment::v1::GetInvoiceRequest invoice_request;
    invoice_request.set_name(order.invoice());
    const auto invoice =
        api.call<payment::v1::Invoice>("payment", "InvoiceService/GetInvoice", invoice_request);
    print_money_line(invoice.number(), money_text(invoice.total()));
    expect(invoice.state() == payment::v1::INVOICE_STATE_PAID, "the invoice is not paid");
    expect(invoice.total().minor_units() == order.total().minor_units(),
           "invoice and order differ");
    expect(invoice_text.find(invoice.number()) != std::string::npos,
           "the chat shows another invoice number");

    heading("The receipt");
    payment::v1::GetPaymentRequest payment_request;
    payment_request.set_name(rpc::resource_name(shop.tenant, "payments", intent_id));
    const auto payment =
        api.call<payment::v1::Payment>("payment", "PaymentService/GetPayment", payment_request);
    print_money_line((by_card ? "Card " : "M-Pesa ") + payment.receipt(),
                     money_text(payment.amount()));
    expect(payment.state() == payment::v1::PAYMENT_STATE_PAID, "the payment is not PAID");
    // A page knows no phone: its payment is found by its receipt.
    auto made = record_of(sandbox, "payment_made", by_card ? "" : d.phone);
    if (by_card)
        std::erase_if(
            made, [&](const auto& one) { return text_at(one, "receipt") != payment.receipt(); });
    expect(made.size() == 1, "the sandbox's record has " + std::to_string(made.size()) +
                                 " payments of this purchase");

    heading("The ledger's trial balance");
    payment::v1::GetTrialBalanceRequest balance_request;
    balance_request.set_parent(rpc::tenant_name(shop.tenant));
    const auto balance = api.call<payment::v1::TrialBalance>(
        "payment", "LedgerService/GetTrialBalance", balance_request);
    std::int64_t sum = 0;
    for (const auto& line : balance.lines()) {
        print_money_line(line.account(), money_text(line.balance()));
        sum += line.balance().minor_units();
    }
    print_money_line("sum", std::to_string(sum));
    expect(sum == 0 && balance.balanced(), "the ledger does not sum to zero");

    heading("The trail of events");
    // Everything that the customer's messages caused, in all services.
    std::map<std::string, bool> correlations;
    for (const auto& event : events_of_all(api, shop.tenant))
        if (event.payload().find(conversation_id) != std::string::npos ||
            event.key() == conversation_id)
            correlations[event.meta().correlation_id()] = true;
    std::vector<RecordedEvent> trail;
    for (auto& event : events_of_all(api, shop.tenant))
        if (correlations.contains(event.meta().correlation_id())) trail.push_back(std::move(event));
    print_trail(trail);
    expect(trail.size() > 20, "the trail is too short to be a purchase");

    heading("The logs, read again by an outsider");
    check_logs(api);
    std::cout << "\n" << paint("32;1", "Every step was right.") << " seed " << seed << "\n";
    return 0;
}

// --- A booking

// What a salon's customer meets, in one language.
struct BookingWords {
    std::string greeting, menu, ask, service, when, asks, yes, number, cancel, sure, cancelled;
};
const BookingWords kEnglish{"Hi",          "1) Booking",      "tell us the service",
                            "Haircut",     "tomorrow 10am",   "1=Yes",
                            "Yes",         "Your number is ", "cancel",
                            "Yes, cancel", "is cancelled"};
const BookingWords kSwahili{
    "Habari",     "1) Booking", "taja huduma",      "Kunyoa", "kesho saa nne asubuhi",
    "1=Ndiyo",    "Ndiyo",      "Nambari yako ni ", "ghairi", "Ndiyo, ghairi",
    "imeghairiwa"};

void make_salon(const ShopSpec& shop, Api& api) {
    conversation::v1::SaveBookableServiceRequest save;
    save.set_parent(rpc::tenant_name(shop.tenant));
    auto& service = *save.mutable_service();
    service.set_service_id("haircut");
    (*service.mutable_text())["en"].set_name(kEnglish.service);
    (*service.mutable_text())["sw"].set_name(kSwahili.service);
    service.set_duration_minutes(60);
    // As many as demos are played in a day.
    service.set_capacity(500);
    service.mutable_price()->set_minor_units(50'000);
    service.mutable_price()->set_currency_code(shop.currency);
    api.call<conversation::v1::BookableService>("conversation",
                                                "BookingService/SaveBookableService", save);
    conversation::v1::SaveBookingSettingsRequest settings;
    settings.set_parent(rpc::tenant_name(shop.tenant));
    auto& hours = *settings.mutable_settings();
    hours.set_address("Moi Avenue 12, Nairobi");
    hours.set_slot_minutes(60);
    for (int weekday = 1; weekday <= 7; ++weekday) {
        auto& day = *hours.add_hours();
        day.set_weekday(weekday);
        day.set_opens("08:00");
        day.set_closes("18:00");
    }
    api.call<conversation::v1::BookingSettings>("conversation",
                                                "BookingService/SaveBookingSettings", settings);
}

// The booking of that number, once it is in that state.
conversation::v1::Booking booking_of(Api& api, const std::string& tenant, const std::string& number,
                                     const std::string& state) {
    conversation::v1::ListBookingsRequest list;
    list.set_parent(rpc::tenant_name(tenant));
    list.set_page_size(500);
    const auto until = std::chrono::steady_clock::now() + kSettleS;
    do {
        const auto page = api.call<conversation::v1::ListBookingsResponse>(
            "conversation", "BookingService/ListBookings", list);
        for (const auto& booking : page.bookings())
            if (booking.number() == number && booking.state() == state) return booking;
        usleep(100'000);
    } while (std::chrono::steady_clock::now() < until);
    throw WrongStep("booking " + number + " is not " + state);
}

// The reminder that is due at that moment, once it is in that state.
void expect_reminder(Api& api, const std::string& tenant, const conversation::v1::Booking& booking,
                     const std::string& state) {
    followup::v1::ListTasksRequest list;
    list.set_parent(rpc::tenant_name(tenant));
    const auto until = std::chrono::steady_clock::now() + kSettleS;
    do {
        const auto page =
            api.call<followup::v1::ListTasksResponse>("followup", "TaskService/ListTasks", list);
        for (const auto& task : page.tasks())
            if (task.kind() == "booking" && task.customer_id() == booking.customer_id() &&
                task.state() == state) {
                print_money_line("reminder, two hours before", state);
                return;
            }
        usleep(100'000);
    } while (std::chrono::steady_clock::now() < until);
    throw WrongStep("the reminder is not " + state);
}

int book(std::uint64_t seed, const std::string& channel) {
    const Environment environment;
    Api api(environment);
    Sandbox sandbox(environment);
    ShopSpec shop;
    shop.tenant = "demo-salon";
    shop.name = "Saluni ya Asha";
    shop.pack = "BOOKING";
    shop.phone_number_id = "106540352242955";
    shop.display_phone_number = "+254700000055";
    shop.shortcode = "174355";
    if (channel == "twilio") shop.twilio_number = sender_for(shop.tenant);
    once_let_through(kOpenPatience, [&] { make_shop(shop, environment, api, sandbox); });
    make_salon(shop, api);
    const auto d = draw(seed, shop);
    const auto& words = d.language == "sw" ? kSwahili : kEnglish;
    std::cout << paint("1", "FlowStack demo") << "  seed " << seed << ", " << d.name << " "
              << d.phone << " books a haircut in " << (d.language == "sw" ? "Swahili" : "English")
              << (channel == "twilio" ? " over Twilio" : "") << "\n";

    heading("The chat, as the sandbox's phone recorded it");
    Phone phone(sandbox, channel == "twilio" ? shop.twilio_number : shop.phone_number_id, d.phone,
                d.name);
    Transcript transcript(phone, shop.name);
    const auto hear = [&](const std::string& part) {
        const auto heard = phone.wait_text(part);
        transcript.catch_up();
        return heard;
    };
    phone.say(words.greeting);
    hear(words.menu);
    phone.say("booking");
    hear(words.ask);
    phone.say(words.service + " " + words.when);
    hear(words.asks);
    phone.tap(words.yes);
    const auto confirmed = hear(words.number).text;
    const auto begin = confirmed.find(words.number) + words.number.size();
    const auto number = confirmed.substr(begin, confirmed.find('.', begin) - begin);

    heading("The booking");
    const auto booking = booking_of(api, shop.tenant, number, "BOOKED");
    print_money_line(booking.number() + "  " + booking.service_name() + " for " +
                         booking.customer_name() + ", place " + std::to_string(booking.place()),
                     money_text(booking.price()));
    const auto start = booking.start_time().seconds();
    expect(start > std::time(nullptr), "the booking begins in the past");
    expect((start + 3 * 3600) % 86'400 == 10 * 3600,
           "the booking does not begin at ten in Nairobi");
    expect(booking.end_time().seconds() - start == 3600, "the booking does not last an hour");
    expect_reminder(api, shop.tenant, booking, "SCHEDULED");

    heading("The customer cannot come");
    phone.say(words.cancel);
    hear(number);
    phone.tap(words.sure);
    hear(words.cancelled);
    booking_of(api, shop.tenant, number, "CANCELLED");
    print_money_line(number, "CANCELLED");
    expect_reminder(api, shop.tenant, booking, "CANCELLED");
    int held = 0, freed = 0;
    std::vector<RecordedEvent> trail;
    for (auto& event : events_of_all(api, shop.tenant)) {
        if (event.payload().find(booking.booking_id()) == std::string::npos) continue;
        held += short_type(event.type()) == "PlaceHeld";
        freed += short_type(event.type()) == "PlaceFreed";
        trail.push_back(std::move(event));
    }
    expect(held == 1 && freed == 1, "the place was not taken and given back exactly once");

    heading("The trail of events");
    print_trail(trail);
    expect(trail.size() > 5, "the trail is too short to be a booking");

    heading("The logs, read again by an outsider");
    check_logs(api);
    std::cout << "\n" << paint("32;1", "Every step was right.") << " seed " << seed << "\n";
    return 0;
}

}  // namespace
}  // namespace flowstack::demo

int main(int argc, char** argv) {
    std::uint64_t seed = std::random_device{}();
    std::string channel = "meta", pack = "ecommerce", pay = "mpesa";
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--seed" && i + 1 < argc) {
            const std::string text = argv[++i];
            if (std::from_chars(text.data(), text.data() + text.size(), seed).ptr !=
                text.data() + text.size()) {
                std::cerr << "--seed wants a number, not '" << text << "'\n";
                return 2;
            }
        } else if (argument == "--channel" && i + 1 < argc) {
            channel = argv[++i];
            if (channel != "meta" && channel != "twilio") {
                std::cerr << "--channel wants meta or twilio, not '" << channel << "'\n";
                return 2;
            }
        } else if (argument == "--pay" && i + 1 < argc) {
            pay = argv[++i];
            if (pay != "mpesa" && pay != "card") {
                std::cerr << "--pay wants mpesa or card, not '" << pay << "'\n";
                return 2;
            }
        } else if (argument == "--pack" && i + 1 < argc) {
            pack = argv[++i];
            if (pack != "ecommerce" && pack != "booking") {
                std::cerr << "--pack wants ecommerce or booking, not '" << pack << "'\n";
                return 2;
            }
        } else {
            std::cerr << "usage: flowstack-demo [--seed N] [--channel meta|twilio] "
                         "[--pack ecommerce|booking] [--pay mpesa|card]\n";
            return 2;
        }
    }
    try {
        return pack == "booking" ? flowstack::demo::book(seed, channel)
                                 : flowstack::demo::run(seed, channel, pay);
    } catch (const flowstack::demo::WrongStep& wrong) {
        std::cerr << "\nWRONG: " << wrong.what() << "\n";
    } catch (const flowstack::rpc::Failure& failure) {
        std::cerr << "\nFAILED: " << failure.what() << "\n";
    } catch (const std::exception& error) {
        std::cerr << "\nFAILED: " << error.what() << "\n";
    }
    std::cerr << "seed " << seed << "\n";
    return 1;
}
