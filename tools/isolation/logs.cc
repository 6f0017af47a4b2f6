#include "tools/isolation/logs.h"

#include <boost/json.hpp>
#include <chrono>
#include <set>
#include <thread>

#include "tools/isolation/tenants.h"
#include "tools/stack/journey.h"
#include "tools/stack/logs.h"

namespace flowstack::isolation {
namespace {

using namespace stack;
using Steady = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kQuiet{1500};

std::string foreign_word(const std::string& bytes, const Tenant& own,
                         const std::vector<Tenant>& all) {
    for (const auto& other : all)
        if (other.id != own.id && bytes.find(other.word) != std::string::npos) return other.word;
    return {};
}

void check_log(Api& api, const Tenant& t, const std::vector<Tenant>& all, Report& report) {
    int received = 0, own = 0, events = 0;
    std::string leak;
    std::set<std::string> customers, conversations;
    for (const auto& event : events_of_all(api, t.id)) {
        ++events;
        const auto type = short_type(event.type());
        if (type == "MessageReceived") {
            ++received;
            if (event.payload().find(t.phone_number_id) != std::string::npos ||
                event.payload().find(t.ids.at("channel")) != std::string::npos)
                ++own;
        }
        if (event.category() == "customer") customers.insert(event.key());
        if (event.category() == "conversation") conversations.insert(event.key());
        if (const auto word = foreign_word(event.payload() + event.key(), t, all); !word.empty())
            leak = event.type() + " holds " + word;
    }
    if (received == kMessagesEach && own == kMessagesEach)
        report.good(t.id + ": its log has its " + std::to_string(received) + " messages");
    else
        report.bad(t.id + ": its log has " + std::to_string(received) + " messages, " +
                   std::to_string(own) + " of its own channel, instead of " +
                   std::to_string(kMessagesEach));
    if (leak.empty())
        report.good(t.id + ": no leakage across tenants in its " + std::to_string(events) +
                    " events");
    else
        report.bad(t.id + ": " + leak);
    bool shared = false;
    for (const auto& other : all)
        if (other.id != t.id)
            shared = shared || customers.contains(other.ids.at("customer")) ||
                     conversations.contains(other.ids.at("conversation"));
    if (customers.size() == 1 && customers.contains(t.ids.at("customer")) &&
        conversations.contains(t.ids.at("conversation")) && !shared)
        report.good(t.id + ": its session is its own customer's");
    else
        report.bad(t.id + ": its sessions are not its own customer's: " +
                   std::to_string(customers.size()) +
                   " customers, shared: " + (shared ? "yes" : "no"));
}

// Compares what the provider took from each number.
void check_record(Sandbox& sandbox, const std::vector<Tenant>& all, Report& report) {
    for (const auto& t : all) {
        std::string leak;
        int sent = 0;
        for (const auto& line : record_of(sandbox, "send_accepted", "", t.phone_number_id)) {
            ++sent;
            const auto text = boost::json::serialize(line);
            if (const auto word = foreign_word(text, t, all); !word.empty()) leak = word;
        }
        if (leak.empty() && sent >= kMessagesEach)
            report.good(t.id + ": the " + std::to_string(sent) +
                        " messages that left by its number are its own");
        else
            report.bad(t.id + ": " + std::to_string(sent) + " messages left by its number" +
                       (leak.empty() ? "" : ", one says " + leak));
    }
}

}  // namespace

std::size_t settled_events(Api& api, const Tenant& tenant) {
    const auto until = Steady::now() + kPatience;
    auto count = events_of_all(api, tenant.id).size();
    auto since = Steady::now();
    while (Steady::now() - since < kQuiet && Steady::now() < until) {
        std::this_thread::sleep_for(kPoll);
        const auto now = events_of_all(api, tenant.id).size();
        if (now != count) since = Steady::now();
        count = now;
    }
    return count;
}

void check_logs(Api& api, Sandbox& sandbox, const std::vector<Tenant>& tenants, Report& report) {
    for (const auto& t : tenants) check_log(api, t, tenants, report);
    check_record(sandbox, tenants, report);
}

}  // namespace flowstack::isolation
