#include "services/conversation/domain/flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "services/conversation/adapters/flow_json.h"
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
