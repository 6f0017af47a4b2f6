#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "services/conversation/adapters/flow_json.h"
#include "services/conversation/domain/flow/document.h"
#include "tests/unit/conversation/chat.h"

namespace flowstack::conversation {
namespace {

using ::testing::HasSubstr;

std::vector<Problem> problems_of(const std::string& json) {
    try {
        const auto flow = with_base(parse_flow(json), read_packs(PACKS_DIR).base);
        return check(flow, {.known_template = nullptr, .good_regex = regex_is_good});
    } catch (const BadDocument& bad) {
        return bad.problems;
    }
}

bool names(const std::vector<Problem>& problems, const std::string& field,
           const std::string& text) {
    return std::any_of(problems.begin(), problems.end(),
                       [&](const Problem& p) { return p.field == field && has(p.text, text); });
}

std::string with_nodes(const std::string& nodes) {
    return R"({"key":"own","languages":["en"],"start":"s","nodes":{)" + nodes +
           R"(},"templates":{"hello":{"kind":"text","variants":{"en":"Hello"}}}})";
}

TEST(FlowDocument, ThePacksArePublishable) {
    const auto packs = read_packs(PACKS_DIR);
    EXPECT_TRUE(packs.flows.contains("ECOMMERCE"));
}

TEST(FlowDocument, AMissingPackIsAnErrorThatNamesTheFile) {
    try {
        read_packs("/nonexistent");
        FAIL();
    } catch (const std::runtime_error& e) {
        EXPECT_THAT(e.what(), HasSubstr("/nonexistent/base"));
    }
}

TEST(FlowDocument, ATenantsOwnFlowRunsOnTheSameEngine) {
    Chat chat;
    chat.own_flows[{"own", 1}] = with_base(parse_flow(R"({
        "key": "own", "languages": ["en", "sw"], "start": "start",
        "nodes": {
            "start": {"rules": [
                {"match": {"type": "regex", "values": ["^order (\\d+)$"]}, "do": [{"set": "ref", "value": "{{text}}"}, {"send": "noted"}, {"escalate": "order question"}]},
                {"match": {"type": "contains", "values": ["price", "bei"]}, "do": [{"send": "prices"}]}],
              "otherwise": [{"goto": "name"}]},
            "name": {"enter": [{"send": "ask_name"}],
                "ask": {"variable": "customer_name", "min": 2, "max": 40, "attempts": 1, "again": "ask_name",
                        "then": [{"schedule_follow_up": "custom", "template": "later", "after_s": 3600}, {"send": "thanks"}, {"close": "named"}],
                        "give_up": [{"close": "gave up"}]}}},
        "templates": {
            "noted": {"kind": "text", "variants": {"en": "Noted: {{ref}}", "sw": "Sawa: {{ref}}"}},
            "prices": {"kind": "text", "variants": {"en": "All is 10 bob", "sw": "Kila kitu shilingi 10"}},
            "ask_name": {"kind": "text", "variants": {"en": "Your name?", "sw": "Jina lako?"}},
            "thanks": {"kind": "text", "variants": {"en": "Thanks {{customer_name}}", "sw": "Asante {{customer_name}}"}},
            "later": {"kind": "text", "variants": {"en": "Still there, {{customer_name}}?", "sw": "Upo, {{customer_name}}?"}}}})"),
                                           read_packs(PACKS_DIR).base);
    chat.flow_key = "own";
    chat.flow_version = 1;
    const auto problems = check(chat.own_flows.at({"own", 1}),
                                {.known_template = nullptr, .good_regex = regex_is_good});
    EXPECT_TRUE(problems.empty()) << problems.front().field << " " << problems.front().text;
    EXPECT_THAT(chat.says("what is the PRICE?"), ::testing::ElementsAre("All is 10 bob"));
    EXPECT_THAT(chat.says("anything"), ::testing::ElementsAre("Your name?"));
    EXPECT_THAT(chat.says("Wanjiru"), ::testing::ElementsAre("Thanks Wanjiru"));
    EXPECT_EQ(chat.last<FollowUpRequested>().text, "Still there, Wanjiru?");
    EXPECT_EQ(chat.last<FollowUpRequested>().due_at, chat.now + std::chrono::hours(1));
    EXPECT_EQ(chat.state(), "CLOSED");
    EXPECT_THAT(chat.says("Order 77"), ::testing::ElementsAre("Noted: Order 77"));
    EXPECT_EQ(chat.state(), "ESCALATED");
}

TEST(FlowDocument, TheShortFormSendsTemplates) {
    Chat chat;
    auto flow =
        with_base(parse_flow(R"({"flows":[{"id":"a","match":{"type":"contains","values":["hours"]},
        "action":{"type":"send_template","templateKey":"tmpl_1"}}],"fallbackTemplateKey":"tmpl_2"})"),
                  read_packs(PACKS_DIR).base);
    Template t;
    t.kind = TemplateKind::interactive_button;
    t.variants["en"].body = "We open at 8";
    t.variants["en"].buttons = {
        {.title = "More", .next_template_key = "tmpl_2", .next_state = "asked"}};
    chat.own_templates["tmpl_1"] = t;
    t.kind = TemplateKind::text;
    t.variants["en"].buttons.clear();
    t.variants["en"].body = "Ask us anything";
    chat.own_templates["tmpl_2"] = t;
    const auto known = [&](const std::string& key) { return chat.own_templates.contains(key); };
    EXPECT_TRUE(check(flow, {known, regex_is_good}).empty());
    EXPECT_FALSE(check(flow, {nullptr, regex_is_good}).empty());
    chat.own_flows[{"own", 1}] = flow;
    chat.flow_key = "own";
    chat.flow_version = 1;
    EXPECT_THAT(chat.says("opening HOURS?"), ::testing::ElementsAre("We open at 8"));
    EXPECT_THAT(chat.taps("More"), ::testing::ElementsAre("Ask us anything"));
    EXPECT_EQ(chat.now_in().value("state"), "asked");
    EXPECT_THAT(chat.says("bla"), ::testing::ElementsAre("Ask us anything"));
}

TEST(FlowDocument, WhatIsWrongIsNamed) {
    EXPECT_TRUE(names(problems_of("{"), "document", "no JSON"));
    EXPECT_TRUE(names(problems_of("[]"), "document", "object"));
    EXPECT_TRUE(names(problems_of(R"({"nodez":{}})"), "nodez", "not known"));
    EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"otherwise":[{"jump":"x"}]})")),
                      "nodes.s.otherwise[0]", "no verb"));
    EXPECT_TRUE(names(problems_of(with_nodes(R"("t":{"otherwise":[{"send":"hello"}]})")), "start",
                      "name of a node"));
    EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"otherwise":[{"goto":"nowhere"}]})")),
                      "nodes.s.otherwise[0]", "no node"));
    EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"otherwise":[{"send":"nothing"}]})")),
                      "nodes.s.otherwise[0]", "no template"));
    EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"enter":[{"send":"hello"}]})")), "nodes.s",
                      "dead end"));
    EXPECT_TRUE(
        names(problems_of(with_nodes(
                  R"("s":{"otherwise":[{"send":"hello"}]},"t":{"otherwise":[{"send":"hello"}]})")),
              "nodes.t", "nothing leads"));
    EXPECT_TRUE(names(
        problems_of(with_nodes(R"("s":{"enter":[{"goto":"t"}]},"t":{"enter":[{"goto":"s"}]})")),
        "nodes.s", "loop"));
    EXPECT_TRUE(names(
        problems_of(with_nodes(
            R"("s":{"rules":[{"match":{"type":"regex","values":["("]},"do":[{"send":"hello"}]}]})")),
        "nodes.s.rules[0].match.values", "RE2"));
    EXPECT_TRUE(names(problems_of(with_nodes(
                          R"("s":{"rules":[{"match":{"type":"guess"},"do":[{"send":"hello"}]}]})")),
                      "nodes.s.rules[0].match.type", "must be"));
    EXPECT_TRUE(names(
        problems_of(
            R"({"key":"own","languages":["en","sw"],"start":"s","nodes":{"s":{"otherwise":[{"send":"hello"}]}},
        "templates":{"hello":{"variants":{"en":"Hello"}}}})"),
        "templates.hello", "no words in sw"));
}

TEST(FlowDocument, TheShortFormSetsAndMatchesAState) {
    Chat chat;
    const auto flow = with_base(parse_flow(R"({"flows":[
        {"id":"yes","match":{"type":"equals","values":["yes"],"state":["asked"]},
         "action":{"type":"send_template","templateKey":"tmpl_2"}},
        {"id":"ask","match":{"type":"contains","values":["hours"]},
         "action":{"type":"set_state","state":"asked","templateKey":"tmpl_1"}}],
        "fallbackTemplateKey":"tmpl_3"})"),
                                read_packs(PACKS_DIR).base);
    for (const auto& [key, words] : std::map<std::string, std::string>{
             {"tmpl_1", "Which day?"}, {"tmpl_2", "Every day"}, {"tmpl_3", "Ask us anything"}}) {
        Template t;
        t.variants["en"].body = words;
        chat.own_templates[key] = t;
    }
    chat.own_flows[{"own", 1}] = flow;
    chat.flow_key = "own";
    chat.flow_version = 1;
    EXPECT_THAT(chat.says("yes"), ::testing::ElementsAre("Ask us anything"));
    EXPECT_THAT(chat.says("opening hours"), ::testing::ElementsAre("Which day?"));
    EXPECT_EQ(chat.now_in().value("state"), "asked");
    EXPECT_THAT(chat.says("yes"), ::testing::ElementsAre("Every day"));
    EXPECT_TRUE(names(problems_of(R"({"flows":[{"match":{"type":"any"},
        "action":{"type":"set_state"}}]})"),
                      "flows[0].action.state", "must be given"));
}

// Positions on a builder's canvas and the like.
TEST(FlowDocument, AUiMemberOfANodeMeansNothing) {
    const std::string with = R"("s":{"otherwise":[{"send":"hello"}],"ui":{"x":12,"y":[1,2]}})";
    const std::string without = R"("s":{"otherwise":[{"send":"hello"}]})";
    EXPECT_TRUE(problems_of(with_nodes(with)).empty());
    EXPECT_EQ(parse_flow(with_nodes(with)), parse_flow(with_nodes(without)));
}

TEST(FlowDocument, WritesNoVariableOfTheEngine) {
    for (const auto variable : vocabulary().own_variables()) {
        const std::string name(variable);
        EXPECT_TRUE(names(
            problems_of(with_nodes(R"("s":{"otherwise":[{"set":")" + name + R"(","value":"x"}]})")),
            "nodes.s.otherwise[0]", "filled by the engine"))
            << name;
        EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"ask":{"variable":")" + name +
                                                 R"(","again":"hello","then":[{"close":"a"}],
                                                 "give_up":[{"close":"b"}]}})")),
                          "nodes.s.ask.variable", "filled by the engine"))
            << name;
    }
    EXPECT_TRUE(
        problems_of(with_nodes(R"("s":{"otherwise":[{"set":"state","value":"asked"}]})")).empty());
}

// --- The table of verbs

std::string json_of(ValueKind kind) {
    return kind == ValueKind::node ? "\"s\"" : kind == ValueKind::seconds ? "60" : "\"hello\"";
}

// An action with this verb and every required option but one.
std::string action_of(const VerbSpec& spec, std::string_view left_out = {}) {
    std::string target = "true";
    if (spec.target != ValueKind::none) target = json_of(spec.target);
    if (spec.target == ValueKind::language) target = "\"en\"";
    std::string text = "{\"" + std::string(spec.name) + "\":" + target;
    for (const auto& option : spec.given_options())
        if (option.required && option.name != left_out)
            text += ",\"" + std::string(option.name) + "\":" + json_of(option.kind);
    return text + "}";
}

TEST(Verbs, EachIsReadAndChecked) {
    for (const auto* known : vocabulary().verbs()) {
        const auto& spec = *known;
        const auto in_node = [](const std::string& action) {
            return with_nodes(R"("s":{"otherwise":[)" + action + "]}");
        };
        EXPECT_TRUE(problems_of(in_node(action_of(spec))).empty()) << spec.name;
        EXPECT_EQ(parse_flow(in_node(action_of(spec))).nodes.at("s").otherwise.at(0).verb,
                  spec.name);
        for (const auto& option : spec.given_options())
            if (option.required) {
                EXPECT_TRUE(names(problems_of(in_node(action_of(spec, option.name))),
                                  "nodes.s.otherwise[0]." + std::string(option.name),
                                  "must be given"))
                    << spec.name << " " << option.name;
            }
        auto strange = action_of(spec);
        strange.insert(strange.size() - 1, R"(,"zzz":"s")");
        EXPECT_TRUE(names(problems_of(in_node(strange)), "nodes.s.otherwise[0].zzz", "not known"))
            << spec.name;
    }
    EXPECT_TRUE(names(problems_of(with_nodes(R"("s":{"otherwise":[{"schedule_follow_up":"custom",
        "template":"hello","after_s":"soon"}]})")),
                      "nodes.s.otherwise[0].after_s", "seconds"));
}

TEST(Verbs, EachHasItsRowInTheManual) {
    std::ifstream in(std::string(SOURCE_DIR) + "/docs/flows.md");
    const std::string manual{std::istreambuf_iterator<char>(in), {}};
    for (const auto* known : vocabulary().verbs()) {
        const auto& spec = *known;
        std::string row = "| `" + std::string(spec.name) + "` | ";
        if (spec.target != ValueKind::none)
            row += std::string(text_of(spec.target)) +
                   (spec.target_required ? "" : ", may be left out");
        row += " | ";
        std::string options;
        for (const auto& option : spec.given_options()) {
            if (!options.empty()) options += " · ";
            options += "`" + std::string(option.name) + "` (" + std::string(text_of(option.kind)) +
                       (option.required ? "" : ", may be left out") +
                       "): " + std::string(option.meaning);
        }
        row += options + " | " + std::string(spec.meaning) + " |\n";
        EXPECT_THAT(manual, HasSubstr(row));
    }
    for (const auto variable : vocabulary().own_variables())
        EXPECT_THAT(manual, HasSubstr("`" + std::string(variable) + "`"));
}

TEST(Verbs, TagCustomerTagsOnceAndLeavesOutWhatIsNoTag) {
    Chat chat;
    const auto document = with_nodes(R"("s": {"rules": [{"match": {"type": "contains",
        "values": ["wholesale"]}, "do": [{"tag_customer": "wholesale_{{name}}"}, {"send": "hello"}]}],
        "otherwise": [{"tag_customer": "{{text_that_is_not_there}}"}, {"send": "hello"}]})");
    EXPECT_TRUE(problems_of(document).empty());
    chat.own_flows[{"own", 1}] = with_base(parse_flow(document), read_packs(PACKS_DIR).base);
    chat.flow_key = "own";
    chat.flow_version = 1;
    EXPECT_THAT(chat.says("Do you sell WHOLESALE?"), ::testing::ElementsAre("Hello"));
    EXPECT_THAT(chat.customer.tags, ::testing::ElementsAre("wholesale_Amina"));
    EXPECT_THAT(chat.says("wholesale please"), ::testing::ElementsAre("Hello"));
    EXPECT_THAT(chat.says("thanks"), ::testing::ElementsAre("Hello"));
    EXPECT_THAT(chat.customer.tags, ::testing::ElementsAre("wholesale_Amina"));
}

TEST(FlowDocument, AHostileRegexCannotStopTheWorld) {
    EXPECT_FALSE(regex_matches("(a*)*b", std::string(1000, 'a')));
    EXPECT_FALSE(regex_matches("(", "("));
    EXPECT_TRUE(regex_matches("^MENU$", "menu"));
}

TEST(FlowDocument, IsBounded) {
    EXPECT_TRUE(
        names(problems_of(std::string(kFlowDocumentBytesMax + 1, ' ')), "document", "at most"));
    EXPECT_FALSE(problems_of(std::string(10'000, '[')).empty());
}

}  // namespace
}  // namespace flowstack::conversation
