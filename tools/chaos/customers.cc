#include "tools/chaos/customers.h"

#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <thread>

#include "common/rpc/resource_name.h"
#include "flowstack/campaign/v1/campaign_service.pb.h"
#include "tools/stack/api.h"
#include "tools/stack/journey.h"
#include "tools/stack/phone.h"
#include "tools/stack/sandbox.h"
#include "tools/stack/shop.h"

namespace flowstack::chaos {
namespace {

namespace json = boost::json;
using namespace stack;
using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr const char* kLongChat = "long chat";
constexpr std::string_view kReceipt = "✅";
// A shop's first customers make its audience.
constexpr int kAudienceMin = 8;
constexpr milliseconds kBroadcastEvery{8000};
constexpr milliseconds kBroadcastPatience{180'000};
constexpr milliseconds kAgain{500};
constexpr milliseconds kLookAgain{200};
constexpr milliseconds kPromptTimeout{15'000};
constexpr int kQuestionsToSummaryMax = 40;  // five are enough on a quiet day

struct Shop {
    ShopSpec spec;
    std::atomic<int> customers{0};
};

}  // namespace

struct Customers::State {
    State(const Environment& where, Shared& page, CustomerOptions wanted)
        : environment(where), shared(page), options(std::move(wanted)) {}

    const Environment environment;
    Shared& shared;
    const CustomerOptions options;
    std::atomic<bool> stop{false};
    std::atomic<int> begun{0};
    std::atomic<int> over{0};
    std::vector<std::thread> threads;

    mutable std::mutex mutex;
    std::vector<std::shared_ptr<Shop>> shops;
    std::map<std::string, Tally> tallies;
    std::ofstream chats;

    using Random = std::mt19937_64;
    static std::int64_t below(Random& random, std::int64_t n) {
        return std::uniform_int_distribution<std::int64_t>(0, n - 1)(random);
    }
    void sleep(milliseconds time) const {
        const auto until = Steady::now() + time;
        while (!stop && Steady::now() < until) std::this_thread::sleep_for(milliseconds(50));
    }

    // Tries until it works or everything stops: a shop opens in the middle of an outage too.
    template <class Function>
    bool again(const Function& function) {
        while (true) {
            try {
                function();
                return true;
            } catch (const std::exception&) {
                if (stop) return false;
                std::this_thread::sleep_for(kAgain);
            }
        }
    }

    std::shared_ptr<Shop> open_shop(Api& api, Sandbox& sandbox, int number, bool must) {
        auto shop = std::make_shared<Shop>();
        shop->spec =
            shop_for("chaos-" + std::to_string(options.seed) + "-" + std::to_string(number));
        shop->spec.unknown_text_policy = options.unknown_text_policy;
        for (auto& product : shop->spec.products = demo_products()) product.stock = -1;
        const auto make = [&] {
            make_shop(shop->spec, environment, api, sandbox);
            // Prompts that nobody answers end early, while the journey still looks at them.
            sandbox.put("/control/shortcodes",
                        json::object{{"shortcode", shop->spec.shortcode},
                                     {"prompt_timeout_ms", kPromptTimeout.count()}});
        };
        if (must)
            make();
        else if (!again(make))
            return nullptr;
        const std::lock_guard lock(mutex);
        shops.push_back(shop);
        return shop;
    }
    std::shared_ptr<Shop> newest() const {
        const std::lock_guard lock(mutex);
        return shops.back();
    }

    // Plays one of the customers who are there at the same time: journey after journey, each with a
    // phone of its own.
    void be_customers(int thread) {
        Random random(options.seed * 1'000'003 + static_cast<std::uint64_t>(thread));
        Sandbox sandbox(environment);
        while (!stop) {
            const int n = begun++;
            if (options.journeys_max != 0 && n >= options.journeys_max) return;
            const auto shop = newest();
            ++shop->customers;
            play(sandbox, shop->spec, n, random);
            ++over;
            sleep(milliseconds(below(random, 400)));
        }
    }

    void play(Sandbox& sandbox, const ShopSpec& shop, int n, Random& random) {
        static const std::vector<std::pair<const char*, int>> kKinds{{"buy", 28},
                                                                     {"buy in Swahili", 14},
                                                                     {"cancel, then pay", 10},
                                                                     {"too poor, then pay", 8},
                                                                     {"free text", 14},
                                                                     {"STOP and START", 8},
                                                                     {"leave and be asked", 6},
                                                                     {"several at once", 8},
                                                                     {"never enters the PIN", 4}};
        std::vector<double> weights;
        for (const auto& [name, weight] : kKinds) weights.push_back(weight);
        const std::string kind = options.chat_messages > 0
                                     ? kLongChat
                                     : kKinds[std::discrete_distribution<std::size_t>(
                                                  weights.begin(), weights.end())(random)]
                                           .first;
        // Numbers of their own in every run: the sandbox and the logs remember people.
        const auto digits = "2541" + std::to_string(10'000'000 + n);
        Phone phone(sandbox, shop.phone_number_id, "+" + digits, n % 5 == 0 ? "" : "Amina",
                    milliseconds(options.patience_ms));
        bool ended = false;
        std::string expected;
        {
            const std::lock_guard lock(mutex);
            ++tallies[kind].begun;
        }
        try {
            const InFlight waits(shared.waiting);
            walk(kind, sandbox, phone, random);
            ended = true;
        } catch (const std::exception& error) {
            expected = error.what();
        }
        const std::lock_guard lock(mutex);
        ++(ended ? tallies[kind].ended : tallies[kind].short_of_end);
        chats << json::serialize(json::object{{"phone", digits},
                                              {"phone_number_id", shop.phone_number_id},
                                              {"kind", kind},
                                              {"ended", ended},
                                              {"expected", expected}})
              << "\n"
              << std::flush;
    }

    // The fault `before_answer` enters the PIN before the customer can: a prompt may have ended
    // when it is seen first, or end under the customer's hands, paid.
    struct Prompt {
        std::string id;
        bool open = false;
    };
    static std::vector<Prompt> prompts_of(Sandbox& sandbox, const Phone& phone) {
        std::vector<Prompt> prompts;
        const auto listed =
            sandbox.get("/control/prompts?all=true&phone=" + phone.number().substr(1));
        for (const auto& prompt : listed.at("prompts").as_array())
            prompts.push_back({text_at(prompt, "id"), prompt.at("open").as_bool()});
        return prompts;
    }
    // The shop says so when a payment failed: its first button starts another one.
    static bool offers_a_retry(const ChatMessage& message) {
        static const std::set<std::string> kTryAgain{"Try again", "Jaribu tena"};
        return !message.buttons.empty() && kTryAgain.contains(message.buttons.front());
    }
    // Taps the button that asks for a payment and waits for the prompt on the phone. When the
    // provider refuses the push, the shop offers "try again", and the customer taps it.
    Prompt ask_prompt(Sandbox& sandbox, Phone& phone, const std::string& button) const {
        const auto known = prompts_of(sandbox, phone).size();
        std::int64_t heard = 0;
        for (const auto& message : phone.chat()) heard = message.seq;
        phone.tap(button);
        const auto until = Steady::now() + milliseconds(options.patience_ms);
        while (Steady::now() < until) {
            const auto prompts = prompts_of(sandbox, phone);
            if (prompts.size() > known) return prompts.back();
            for (const auto& message : phone.chat()) {
                if (message.seq <= heard) continue;
                heard = message.seq;
                if (offers_a_retry(message)) phone.tap(message.buttons.front());
            }
            sleep(kLookAgain);
        }
        throw NoReply(phone.number() + " waited for an M-Pesa prompt and none came");
    }
    static void answer(const Prompt& prompt, const std::function<void(const std::string&)>& how) {
        if (!prompt.open) return;
        try {
            how(prompt.id);
        } catch (const std::exception& error) {
            if (std::string_view(error.what()).find("has ended") == std::string_view::npos) throw;
        }
    }
    // The receipt says what the shop knows: M-Pesa's number, or its own while a callback is lost.
    static void enter_pin(Phone& phone, const Prompt& prompt) {
        answer(prompt, [&](const std::string& id) { phone.answer_prompt(id, "1234"); });
        phone.wait_text(std::string(kReceipt));
    }
    void pay(Sandbox& sandbox, Phone& phone) {
        const InFlight money(shared.paying);
        enter_pin(phone, ask_prompt(sandbox, phone, "M-Pesa"));
    }
    // Answers what the shop asks, as often as it asks: webhooks come late and out of order, so an
    // answer may have met another question, and a broadcast may come in between.
    static void shop_to_summary(Phone& phone, const PurchaseSpec& spec) {
        const auto asks_for = [](const ChatMessage& m, const auto&... words) {
            return ((m.text.find(words) != std::string::npos) || ...);
        };
        const auto wants_quantity = [&](const ChatMessage& m) {
            return asks_for(m, "quantity", "idadi");
        };
        const auto wants_address = [&](const ChatMessage& m) {
            return asks_for(m, "delivery address", "anwani");
        };
        phone.say(spec.greeting);
        for (int asked = 0; asked < kQuestionsToSummaryMax; ++asked) {
            const auto question = phone.wait_for(
                [&](const ChatMessage& m) {
                    return !m.buttons.empty() || !m.rows.empty() || wants_quantity(m) ||
                           wants_address(m);
                },
                "a question");
            if (!question.buttons.empty()) {
                if (std::ranges::find(question.buttons, "M-Pesa") != question.buttons.end()) return;
                // Nobody here wants to talk to a person, who would never answer.
                static const std::set<std::string> kPerson{"Talk to a person", "Ongea na mtu"};
                const auto button = std::ranges::find_if(
                    question.buttons, [](const auto& title) { return !kPerson.contains(title); });
                if (button != question.buttons.end()) phone.tap(*button);
            } else if (!question.rows.empty()) {
                phone.pick(spec.product);
            } else {
                phone.say(wants_quantity(question) ? std::to_string(spec.quantity) : spec.address);
            }
        }
        throw NoReply(phone.number() + " was asked and asked, and saw no summary");
    }
    // What the shop says when a payment has failed; nothing when it was paid all the same.
    static std::optional<ChatMessage> failure(Phone& phone) {
        auto said = phone.wait_for(
            [](const ChatMessage& m) {
                return offers_a_retry(m) || m.text.find(kReceipt) != std::string::npos;
            },
            "\"try again\"");
        if (said.text.find(kReceipt) != std::string::npos) return std::nullopt;
        return said;
    }
    // The first attempt fails, the second one pays.
    void pay_again(Sandbox& sandbox, Phone& phone, bool cancel) {
        const InFlight money(shared.paying);
        if (!cancel)
            sandbox.put(
                "/control/payers/" + phone.number().substr(1),
                json::object{{"behaviour", "manual"}, {"script", json::array{"insufficient"}}});
        if (cancel)
            answer(ask_prompt(sandbox, phone, "M-Pesa"),
                   [&](const std::string& id) { phone.cancel_prompt(id); });
        else
            phone.tap("M-Pesa");
        const auto failed = failure(phone);
        if (!failed) return;
        enter_pin(phone, ask_prompt(sandbox, phone, failed->buttons.at(0)));
    }

    void walk(const std::string& kind, Sandbox& sandbox, Phone& phone, Random& random) {
        static const std::vector<std::string> kProducts{"Premium Coffee", "Kericho Gold Tea",
                                                        "Wild Honey", "Shea Soap"};
        PurchaseSpec spec;
        spec.product = kProducts[below(random, static_cast<std::int64_t>(kProducts.size()))];
        spec.quantity = 1 + static_cast<int>(below(random, 4));
        if (kind == "buy in Swahili") spec.greeting = "Habari";
        if (kind == kLongChat) {
            for (int i = 0; i < options.chat_messages; ++i)
                phone.send({{"text", "Hi"}, {"copies", 2}});
            for (int i = 0; i < options.chat_messages; ++i)
                phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; },
                               "greeting " + std::to_string(i + 1));
        } else if (kind == "buy" || kind == "buy in Swahili") {
            shop_to_summary(phone, spec);
            pay(sandbox, phone);
        } else if (kind == "cancel, then pay") {
            shop_to_summary(phone, spec);
            pay_again(sandbox, phone, true);
        } else if (kind == "too poor, then pay") {
            shop_to_summary(phone, spec);
            pay_again(sandbox, phone, false);
        } else if (kind == "free text") {
            phone.say("Coffee x " + std::to_string(spec.quantity));
            phone.wait_text("Confirm? 1=Yes, 2=No");
            phone.say("1");
            phone.wait_for([](const ChatMessage& m) { return !m.buttons.empty(); }, "a way to pay");
            pay(sandbox, phone);
        } else if (kind == "STOP and START") {
            greet(phone, "Hi");
            phone.say("STOP");
            sleep(milliseconds(below(random, 3000)));
            if (below(random, 2) == 0) phone.say("START");
            greet(phone, "Hi");
        } else if (kind == "leave and be asked") {
            view_products(phone, greet(phone, "Hi"));
            phone.wait_text("are you still there");
        } else if (kind == "several at once") {
            // Messages that arrive in any order, some of them delivered twice.
            for (const auto* words : {"Hi", "what?", "Hi", "hello"})
                phone.send({{"text", words}, {"copies", 1 + below(random, 3)}});
            for (int i = 0; i < 2; ++i)
                phone.wait_for([](const ChatMessage& m) { return m.buttons.size() >= 2; },
                               "a greeting");
        } else {
            shop_to_summary(phone, spec);
            const InFlight money(shared.paying);
            sandbox.put("/control/payers/" + phone.number().substr(1),
                        json::object{{"behaviour", "no_answer"}});
            phone.tap("M-Pesa");
            failure(phone);
        }
    }

    // Opens shops as they fill up, and broadcasts to everybody they know.
    void keep_shops() {
        Api api(environment);
        Sandbox sandbox(environment);
        int broadcasts = 0;
        while (!stop) {
            const auto shop = newest();
            if (shop->customers >= options.customers_per_shop) {
                int number = 0;
                {
                    const std::lock_guard lock(mutex);
                    number = static_cast<int>(shops.size());
                }
                open_shop(api, sandbox, number, false);
            } else if (shop->customers >= kAudienceMin) {
                broadcast(api, shop->spec, ++broadcasts);
            }
            sleep(kBroadcastEvery);
        }
    }

    void broadcast(Api& api, const ShopSpec& shop, int number) {
        const InFlight sends(shared.broadcasting);
        {
            const std::lock_guard lock(mutex);
            ++tallies["broadcast"].begun;
        }
        campaign::v1::CreateCampaignRequest request;
        request.set_parent(rpc::tenant_name(shop.tenant));
        request.set_display_name("News " + std::to_string(number));
        request.set_body("Good news no. " + std::to_string(number) + ", {{name}}!");
        request.set_type("PROMOTIONAL");
        request.mutable_audience()->set_kind("all");
        request.set_per_second(20);
        request.set_start_immediately(true);
        request.set_request_id("chaos-" + std::to_string(number));
        campaign::v1::Campaign made;
        bool ended = again([&] {
            made = api.call<campaign::v1::Campaign>("campaign", "CampaignService/CreateCampaign",
                                                    request);
        });
        campaign::v1::GetCampaignRequest ask;
        ask.set_name(made.name());
        const auto until = Steady::now() + kBroadcastPatience;
        while (ended && made.state() != "COMPLETED") {
            if (Steady::now() > until) ended = false;
            std::this_thread::sleep_for(kAgain);
            try {
                made = api.call<campaign::v1::Campaign>("campaign", "CampaignService/GetCampaign",
                                                        ask);
            } catch (const std::exception&) {  // it is being killed; ask again
            }
        }
        const std::lock_guard lock(mutex);
        ++(ended ? tallies["broadcast"].ended : tallies["broadcast"].short_of_end);
    }
};

Customers::Customers(const Environment& environment, Shared& shared, CustomerOptions options)
    : state_(std::make_unique<State>(environment, shared, std::move(options))) {
    state_->chats.open(chats_file(), std::ios::trunc);
}
Customers::~Customers() { finish(); }

void Customers::open() {
    Api api(state_->environment);
    Sandbox sandbox(state_->environment);
    state_->open_shop(api, sandbox, 0, true);
}

void Customers::start() {
    for (int i = 0; i < state_->options.customers; ++i)
        state_->threads.emplace_back([this, i] { state_->be_customers(i); });
    state_->threads.emplace_back([this] { state_->keep_shops(); });
}

void Customers::finish() {
    state_->stop = true;
    for (auto& thread : state_->threads) thread.join();
    state_->threads.clear();
}

bool Customers::done() const {
    return state_->options.journeys_max != 0 && state_->over >= state_->options.journeys_max;
}

std::map<std::string, Tally> Customers::tallies() const {
    const std::lock_guard lock(state_->mutex);
    return state_->tallies;
}

std::string Customers::chats_file() const { return state_->options.run_dir + "/chaos/chats.jsonl"; }

}  // namespace flowstack::chaos
