#include "services/conversation/domain/flow/check.h"

#include <algorithm>
#include <array>
#include <set>

#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {
namespace {

struct MatchName {
    MatchType type;
    std::string_view name;
};
constexpr std::array<MatchName, 7> kMatches{{{MatchType::any, "any"},
                                             {MatchType::equals, "equals"},
                                             {MatchType::contains, "contains"},
                                             {MatchType::regex, "regex"},
                                             {MatchType::media, "media"},
                                             {MatchType::button, "button"},
                                             {MatchType::list, "list"}}};

class Checker {
public:
    Checker(const Flow& flow, const FlowWorld& world, const Vocabulary& vocabulary)
        : flow_(flow), world_(world), vocabulary_(vocabulary) {}

    std::vector<Problem> run() {
        if (flow_.languages.empty()) say("languages", "must name at least one language");
        if (flow_.nodes.size() > kNodesMax) say("nodes", "must be at most 500");
        if (flow_.templates.size() > kTemplatesMax) say("templates", "must be at most 500");
        if (!flow_.nodes.contains(flow_.start)) say("start", "must be the name of a node");
        rules("globals", flow_.globals);
        for (const auto& [name, list] : flow_.on) actions("on." + name, list);
        for (const auto& [name, node] : flow_.nodes) one(name, node);
        if (!flow_.fallback_template.empty()) spoken("fallback_template", flow_.fallback_template);
        for (const auto& [key, t] : flow_.templates) words(key, t);
        reach();
        loops();
        return std::move(problems_);
    }

private:
    // Calls `each(value, kind, name)` for the target (its name is empty) and for the options that
    // the action has.
    template <class Each>
    void for_each_value(const Action& action, const Each& each) const {
        const auto* spec = vocabulary_.verb(action.verb);
        if (!spec) return;
        if (!action.target.empty()) each(action.target, spec->target, std::string_view{});
        for (const auto& option : spec->given_options())
            if (const auto given = action.with.find(std::string(option.name));
                given != action.with.end())
                each(given->second, option.kind, option.name);
    }

    // Nodes that an action may move to.
    std::vector<std::string> nodes_of(const Action& action) const {
        std::vector<std::string> nodes;
        for_each_value(action, [&](const std::string& value, ValueKind kind, std::string_view) {
            if (kind == ValueKind::node) nodes.push_back(value);
        });
        return nodes;
    }

    bool always_leaves(const Action& action) const {
        const auto* spec = vocabulary_.verb(action.verb);
        return spec && spec->always_leaves;
    }

    void say(std::string field, std::string text) {
        problems_.push_back({std::move(field), std::move(text)});
    }

    void spoken(const std::string& path, const std::string& key) {
        const bool known =
            flow_.templates.contains(key) || (world_.known_template && world_.known_template(key));
        if (!known) say(path, "there is no template \"" + key + "\"");
    }

    void actions(const std::string& path, const Actions& list) {
        if (list.size() > kActionsMax) say(path, "must be at most 20 actions");
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto& action = list[i];
            const auto here = path + "[" + std::to_string(i) + "]";
            const auto* spec = vocabulary_.verb(action.verb);
            if (!spec) {
                say(here, "there is no verb \"" + action.verb + "\"");
                continue;
            }
            if (spec->target_required && action.target.empty())
                say(here, std::string(spec->name) + " must say which " +
                              std::string(text_of(spec->target)));
            for (const auto& option : spec->given_options())
                if (option.required && !action.with.contains(std::string(option.name)))
                    say(here + "." + std::string(option.name),
                        "must be given for " + std::string(spec->name));
            for (const auto& [name, value] : action.with)
                if (!spec->option(name)) say(here + "." + name, "is not known here");
            for_each_value(
                action, [&](const std::string& v, ValueKind kind, std::string_view name) {
                    one_value(name.empty() ? here : here + "." + std::string(name), v, kind);
                });
            if (spec->always_leaves && i + 1 < list.size()) say(here, "nothing after it can run");
        }
    }

    void one_value(const std::string& path, const std::string& value, ValueKind kind) {
        switch (kind) {
            case ValueKind::node:
                if (!flow_.nodes.contains(value)) say(path, "there is no node \"" + value + "\"");
                break;
            case ValueKind::template_key:
                spoken(path, value);
                break;
            case ValueKind::language:
                if (std::find(flow_.languages.begin(), flow_.languages.end(), value) ==
                    flow_.languages.end())
                    say(path, "must be one of the flow's languages");
                break;
            case ValueKind::variable:
                writable(path, value);
                break;
            case ValueKind::seconds:
                if (!parse_count(value, 1, kFollowUpSecondsMax))
                    say(path, "must be from 1 second to 366 days, in seconds");
                break;
            case ValueKind::none:
            case ValueKind::text:
            case ValueKind::provider:
                break;
        }
    }

    void writable(const std::string& path, const std::string& variable) {
        if (vocabulary_.is_own(variable))
            say(path, "\"" + variable + "\" is filled by the engine: choose another name");
    }

    void rules(const std::string& path, const std::vector<Rule>& list) {
        if (list.size() > kRulesMax) say(path, "must be at most 100 rules");
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto& rule = list[i];
            const auto here = path + "[" + std::to_string(i) + "]";
            const bool with_values =
                rule.match == MatchType::equals || rule.match == MatchType::contains ||
                rule.match == MatchType::regex || rule.match == MatchType::button ||
                rule.match == MatchType::list;
            if (with_values && rule.values.empty())
                say(here + ".match.values", "must have at least one value");
            if (rule.match == MatchType::regex && world_.good_regex)
                for (const auto& pattern : rule.values)
                    if (!world_.good_regex(pattern))
                        say(here + ".match.values", "\"" + pattern + "\" is no RE2 expression");
            if (rule.match == MatchType::trade && !vocabulary_.match(rule.trade_match))
                say(here + ".match.type", "there is no \"" + rule.trade_match + "\"");
            if (rule.actions.empty()) say(here + ".do", "must have at least one action");
            actions(here + ".do", rule.actions);
        }
    }

    void one(const std::string& name, const Node& node) {
        const auto path = "nodes." + name;
        actions(path + ".enter", node.enter);
        rules(path + ".rules", node.rules);
        actions(path + ".otherwise", node.otherwise);
        if (node.ask) {
            const auto& ask = *node.ask;
            if (ask.variable.empty()) say(path + ".ask.variable", "must have a name");
            writable(path + ".ask.variable", ask.variable);
            if (ask.then.empty()) say(path + ".ask.then", "must have at least one action");
            if (ask.give_up.empty()) say(path + ".ask.give_up", "must have at least one action");
            if (ask.min > ask.max) say(path + ".ask.min", "must not be above max");
            if (ask.attempts < 0 || ask.attempts > 10)
                say(path + ".ask.attempts", "must be 0 to 10");
            if (ask.again.empty())
                say(path + ".ask.again", "must be a template key");
            else
                spoken(path + ".ask.again", ask.again);
            actions(path + ".ask.then", ask.then);
            actions(path + ".ask.give_up", ask.give_up);
        }
        const bool leaves = !node.enter.empty() && always_leaves(node.enter.back());
        if (!node.waits() && !leaves)
            say(path, "is a dead end: it neither waits for the customer nor goes on");
    }

    void words(const std::string& key, const Template& t) {
        const auto path = "templates." + key;
        const auto known = [&](const std::string& next) {
            return flow_.templates.contains(next) ||
                   (world_.known_template && world_.known_template(next));
        };
        auto shape = t;
        // Buttons and rows that the engine makes (products, providers) are not in the document.
        for (auto& [language, variant] : shape.variants) {
            if (shape.kind == TemplateKind::interactive_button && variant.buttons.empty())
                variant.buttons.push_back({.title = "made"});
            if (shape.kind == TemplateKind::interactive_list && variant.rows.empty())
                variant.rows.push_back({.title = "made"});
        }
        for (auto problem : check(shape, known)) say(path + "." + problem.field, problem.text);
        for (const auto& language : flow_.languages)
            if (!t.variants.contains(language)) say(path, "has no words in " + language);
    }

    std::vector<std::string> next_of(const Actions& list) const {
        std::vector<std::string> names;
        for (const auto& action : list)
            for (auto& name : nodes_of(action)) names.push_back(std::move(name));
        return names;
    }

    void reach() {
        std::set<std::string> seen;
        std::vector<std::string> open{flow_.start};
        const auto push = [&](const Actions& list) {
            for (auto& name : next_of(list)) open.push_back(std::move(name));
        };
        for (const auto& rule : flow_.globals) push(rule.actions);
        for (const auto& [name, list] : flow_.on) push(list);
        while (!open.empty()) {
            const auto name = open.back();
            open.pop_back();
            const auto found = flow_.nodes.find(name);
            if (found == flow_.nodes.end() || !seen.insert(name).second) continue;
            push(found->second.enter);
            push(found->second.otherwise);
            for (const auto& rule : found->second.rules) push(rule.actions);
            if (found->second.ask) {
                push(found->second.ask->then);
                push(found->second.ask->give_up);
            }
        }
        for (const auto& [name, node] : flow_.nodes)
            if (!seen.contains(name)) say("nodes." + name, "nothing leads to it");
    }

    // A cycle of enter actions in which nobody is asked would send messages for ever.
    void loops() {
        std::map<std::string, int> colour;  // 1: on the path, 2: done
        std::function<void(const std::string&)> visit = [&](const std::string& name) {
            const auto found = flow_.nodes.find(name);
            if (found == flow_.nodes.end() || colour[name] == 2) return;
            if (colour[name] == 1) {
                say("nodes." + name, "is in a loop that never waits for the customer");
                return;
            }
            colour[name] = 1;
            // Where a node waits, only what it does on entering by `goto` at once counts.
            for (const auto& action : found->second.enter)
                if (action.verb == verb::kGoto) visit(action.target);
            colour[name] = 2;
        };
        for (const auto& [name, node] : flow_.nodes) visit(name);
    }

    const Flow& flow_;
    const FlowWorld& world_;
    const Vocabulary& vocabulary_;
    std::vector<Problem> problems_;
};

}  // namespace

std::optional<MatchType> parse_match_type(std::string_view text) {
    for (const auto& known : kMatches)
        if (known.name == text) return known.type;
    return {};
}

std::vector<std::string_view> match_type_names() {
    std::vector<std::string_view> names;
    for (const auto& known : kMatches) names.push_back(known.name);
    return names;
}

std::vector<Problem> check(const Flow& flow, const FlowWorld& world, const Vocabulary& vocabulary) {
    return Checker(flow, world, vocabulary).run();
}

Flow with_base(Flow flow, const Flow& base) {
    for (const auto& [key, t] : base.templates) {
        const auto [own, added] = flow.templates.emplace(key, t);
        // A flow that overrides one language's words keeps the others.
        if (!added)
            for (const auto& [language, variant] : t.variants)
                own->second.variants.emplace(language, variant);
    }
    for (const auto& [name, list] : base.on) flow.on.emplace(name, list);
    for (const auto& [language, words] : base.language_words)
        flow.language_words.emplace(language, words);
    if (flow.languages.empty()) flow.languages = base.languages;
    return flow;
}

}  // namespace flowstack::conversation
