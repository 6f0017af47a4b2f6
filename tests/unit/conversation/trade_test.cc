#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "services/conversation/domain/flow/answers.h"
#include "services/conversation/domain/flow/check.h"
#include "services/conversation/domain/flow/interpreter.h"

// A trade that is no shop runs on the same interpreter: a garage that parks cars.
namespace flowstack::conversation {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Garage final : public Trade {
public:
    const Words& words() const override;
    std::string_view busy() const override { return moving ? "moving_car" : ""; }
    void add_values(Values& values) const override { values["cars"] = std::to_string(cars); }
    bool take_tap(const std::string&, const std::string&) override { return false; }
    bool keeps_open() override { return cars > 0; }
    std::string_view said_whatever_happens(std::string_view) const override { return ""; }

    int cars = 0;
    bool moving = false;
};

Go park(Interpreter& flow, Trade* trade, const Action& action) {
    auto& garage = static_cast<Garage&>(*trade);
    if (garage.cars == 2) return flow.go(action, "full");
    ++garage.cars;
    return Go::on;
}

const Words& Garage::words() const {
    static constexpr VerbSpec kVerbs[]{
        {.name = "park",
         .meaning = "a car more",
         .options = {{{"full", ValueKind::node, true, "no place is left"}}},
         .run = park}};
    static constexpr MatchSpec kMatches[]{
        {.name = "plate",
         .fits = [](const Trade&, const std::string& said) { return said.starts_with("KDA"); }}};
    static constexpr std::string_view kOwn[]{"cars"};
    static constexpr Words kWords{
        .trade = "garage", .verbs = kVerbs, .matches = kMatches, .own_variables = kOwn};
    return kWords;
}

class DialogueRecord final : public Record {
public:
    explicit DialogueRecord(Dialogue& dialogue) : dialogue_(dialogue) {}
    const Dialogue& dialogue() const override { return dialogue_; }
    void add(DialogueFact fact) override {
        std::visit(
            [&](const auto& known) {
                conversation::apply(dialogue_, known);
                if constexpr (requires { known.content; }) said.push_back(known.content.body);
            },
            fact);
    }
    void add_customer(CustomerEvent) override {}
    void expect_answer() override {}
    std::function<void()> checkpoint() override {
        return [this, before = dialogue_] { dialogue_ = before; };
    }

    std::vector<std::string> said;

private:
    Dialogue& dialogue_;
};

Template words_of(const std::string& key, const std::string& body) {
    Template t;
    t.key = key;
    t.variants["en"].body = body;
    return t;
}

struct AtTheGarage : testing::Test {
    AtTheGarage() {
        tenant.display_name = "Mama Garage";
        flow.languages = {"en"};
        flow.start = "gate";
        Node gate;
        gate.rules.push_back({.id = "plate",
                              .match = MatchType::trade,
                              .actions = {{"park", "", {{"full", "street"}}}, {"send", "parked"}},
                              .trade_match = "plate"});
        gate.otherwise = {{"close", "done"}};
        flow.nodes["gate"] = gate;
        flow.nodes["street"].enter = {{"send", "full"}};
        flow.nodes["street"].otherwise = {{"goto", "gate"}};
        flow.on["moving_car"] = {{"send", "wait"}};
        for (const auto& [key, body] : std::map<std::string, std::string>{
                 {"parked", "{{cars}} parked"}, {"full", "full"}, {"wait", "one moment"}})
            flow.templates[key] = words_of(key, body);
        apply(dialogue, Opened{.conversation_id = ConversationId("c"),
                               .customer_id = CustomerId("cu"),
                               .language = "en"});
    }

    std::vector<std::string> says(const std::string& text) {
        FlowContext context;
        context.tenant = &tenant;
        context.flow = &flow;
        context.make_id = [](const std::string& kind, int n) { return kind + std::to_string(n); };
        DialogueRecord record(dialogue);
        Interpreter interpreter(record, customer, context);
        interpreter.add(garage);
        Answers(interpreter).on(Said{text});
        interpreter.finish();
        return record.said;
    }

    TenantFacts tenant;
    Flow flow;
    Customer customer;
    Dialogue dialogue;
    Garage garage;
};

TEST_F(AtTheGarage, ATradesVerbsMatchesAndValuesAreThoseOfItsTable) {
    EXPECT_THAT(says("KDA 123X"), ElementsAre("1 parked"));
    EXPECT_THAT(says("KDA 456Y"), ElementsAre("2 parked"));
    EXPECT_THAT(says("KDA 789Z"), ElementsAre("full"));
    EXPECT_EQ(dialogue.node, "street");
}

TEST_F(AtTheGarage, ATradeThatIsBusyIsNotDisturbed) {
    garage.moving = true;
    EXPECT_THAT(says("KDA 123X"), ElementsAre("one moment"));
    EXPECT_EQ(garage.cars, 0);
}

TEST_F(AtTheGarage, ATradeKeepsTheDialogueOpen) {
    garage.cars = 1;
    says("bye");
    EXPECT_EQ(dialogue.state, Lifecycle::engaged);
    garage.cars = 0;
    says("bye");
    EXPECT_EQ(dialogue.state, Lifecycle::closed);
}

TEST_F(AtTheGarage, AFlowIsCheckedByTheWordsOfItsTrades) {
    const Vocabulary with({&dialogue_words(), &garage.words()});
    EXPECT_THAT(check(flow, {nullptr, nullptr}, with), IsEmpty());
    const Vocabulary without({&dialogue_words()});
    const auto problems = check(flow, {nullptr, nullptr}, without);
    const auto names = [&](const std::string& field) {
        return std::ranges::any_of(problems, [&](const auto& p) { return p.field == field; });
    };
    EXPECT_TRUE(names("nodes.gate.rules[0].do[0]"));
    EXPECT_TRUE(names("nodes.gate.rules[0].match.type"));
    flow.nodes["gate"].otherwise = {{"set", "cars", {{"value", "9"}}}};
    EXPECT_FALSE(check(flow, {nullptr, nullptr}, with).empty());
}

TEST(Trades, TheInterpreterIncludesNoneOfThem) {
    const std::filesystem::path flow =
        std::filesystem::path(SOURCE_DIR) / "services/conversation/domain/flow";
    int files = 0;
    for (const auto& file : std::filesystem::directory_iterator(flow)) {
        std::ifstream in(file.path());
        std::stringstream text;
        text << in.rdbuf();
        ++files;
        for (const auto* foreign : {"/domain/trades", "/domain/conversation.h", "/domain/step.h",
                                    "/domain/pipeline.h", "ShopState", "CartLine"})
            EXPECT_EQ(text.str().find(foreign), std::string::npos)
                << file.path() << " speaks of " << foreign;
    }
    EXPECT_GT(files, 10);
}

}  // namespace
}  // namespace flowstack::conversation
