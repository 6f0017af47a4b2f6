#include "services/conversation/domain/flow/answers.h"

#include <algorithm>

#include "common/text/fold.h"
#include "common/text/phone.h"
#include "common/text/utf8.h"
#include "services/conversation/domain/flow/language.h"
#include "services/conversation/domain/flow/text.h"

namespace flowstack::conversation {
namespace {

// A tap that gives the conversation to a person, in every flow.
constexpr std::string_view kTalkToPersonAction = "talk_to_person";

// The choice behind a tap, in the message that it belongs to.
const Tap* find_tap(const std::deque<SentChoices>& sent, const std::string& tap_id) {
    const auto colon = tap_id.rfind(':');
    if (colon == std::string::npos) return nullptr;
    const auto message = tap_id.substr(0, colon);
    const auto n = parse_count(std::string_view(tap_id).substr(colon + 1), 0, 100);
    for (const auto& choices : sent)
        if (choices.message_id == message)
            for (const auto& tap : choices.taps)
                if (n && tap.n == *n) return &tap;
    return nullptr;
}

// In this conversation or the one before, else by its words among the last choices that were sent.
const Tap* choice_behind(const Tapped& input, const Dialogue& dialogue) {
    const auto* tap = find_tap(dialogue.choices, input.tap_id);
    if (!tap) tap = find_tap(input.earlier, input.tap_id);
    if (!tap && !dialogue.choices.empty())
        for (const auto& last : dialogue.choices.back().taps)
            if (plain(last.title) == plain(input.title)) tap = &last;
    return tap;
}

// What a number or a title means at a numbered menu: a choice of the last menu, while the dialogue
// stands where it was sent. Where a number is asked for, a number is the answer to that.
std::optional<Tapped> menu_choice(const Said& input, const Dialogue& dialogue, const Node* here) {
    if (!input.choices_numbered || dialogue.choices.empty()) return std::nullopt;
    const auto& menu = dialogue.choices.back();
    if (menu.node != dialogue.node) return std::nullopt;
    const bool number_asked = here && here->ask && here->ask->type == AskType::integer;
    // The menu's first number is 1 (services/gateway/providers/menu.h).
    const auto number = number_asked
                            ? std::nullopt
                            : parse_count(input.text, 1, static_cast<int>(menu.taps.size()));
    for (const auto& tap : menu.taps)
        if ((number && tap.n + 1 == *number) || plain(tap.title) == plain(input.text))
            return Tapped{.tap_id = menu.message_id.text() + ":" + std::to_string(tap.n),
                          .title = tap.title};
    return std::nullopt;
}

bool contains(const std::vector<std::string>& values, const std::string& wanted) {
    return std::ranges::find(values, wanted) != values.end();
}

}  // namespace

bool Answers::silent() const {
    const auto state = dialogue().state;
    return state == Lifecycle::escalated || state == Lifecycle::closed || state == Lifecycle::paid;
}

void Answers::hear(const std::string& words) {
    flow_.spoken().text = text::shortened(text::clean(words), kVariableLengthMax);
}

void Answers::begin_at_start() {
    flow_.record().add(NodeEntered{.node = document().start, .retries = 0});
}

// --- Words

void Answers::on(const Said& input) {
    if (const auto tap = menu_choice(input, dialogue(), flow_.node(dialogue().node)))
        return on(*tap);
    flow_.customer_speaks();
    if (silent()) return;
    hear(input.text);
    if (flow_.answered_as_busy()) return;
    flow_.wake(dialogue().state == Lifecycle::new_lead ? "customer wrote" : "customer answered");
    const auto language = language_of(flow_.spoken().text, document());
    if (language.chosen) {
        flow_.choose_language(language.language);
        return say_again();
    }
    if (dialogue().node.empty()) begin_at_start();
    // A greeting in another language changes it, but not in the middle of a question, and not
    // against what the customer once chose.
    const auto* here = flow_.node(dialogue().node);
    const bool asked = here && here->ask;
    if (!language.language.empty() && language.language != dialogue().language && !asked &&
        !flow_.customer().language_chosen)
        flow_.capture(variable::kLanguage, language.language);
    answer_words();
}

void Answers::on(const Edited& input) {
    flow_.customer_speaks();
    if (silent() || flow_.busy()) return;
    const auto forget = flow_.record().checkpoint();
    edited_ = true;
    hear(input.text);
    flow_.wake("customer changed an answer");
    answer_words();
    if (no_better_) forget();
}

// What was said last, in the new language.
void Answers::say_again() {
    flow_.run_on("language_changed");
    const auto name = dialogue().node.empty() ? document().start : dialogue().node;
    const auto* here = flow_.node(name);
    if (!here) throw FlowProblem("there is no node \"" + name + "\"");
    if (!here->enter.empty()) return flow_.enter(name);
    flow_.record().add(NodeEntered{.node = name, .retries = 0});
    flow_.spoken().text.clear();
    answer_words();
}

void Answers::answer_words() {
    if (try_rules(document().globals)) return;
    const auto* here = flow_.node(dialogue().node);
    // A pack that changed under a running dialogue: begin again rather than fall silent.
    if (!here) return flow_.enter(document().start);
    if (try_rules(here->rules)) return;
    if (here->ask) return answer(*here->ask);
    if (edited_) {
        no_better_ = true;
        return;
    }
    run_otherwise(*here);
}

void Answers::run_otherwise(const Node& node) {
    if (!node.otherwise.empty())
        flow_.run(node.otherwise);
    else if (!document().fallback_template.empty())
        flow_.speech().reply(document().fallback_template, {});
}

// --- Rules

const Rule* Answers::rule_for(const std::vector<Rule>& rules) const {
    const auto found = std::ranges::find_if(rules, [&](const auto& rule) { return fits(rule); });
    return found == rules.end() ? nullptr : &*found;
}

bool Answers::try_rules(const std::vector<Rule>& rules) {
    const auto* rule = rule_for(rules);
    if (rule) flow_.run(rule->actions);
    return rule != nullptr;
}

bool Answers::fits(const Rule& rule) const {
    if (!rule.states.empty() && !contains(rule.states, dialogue().value(variable::kLabel)))
        return false;
    const auto& tap = flow_.spoken().tap_action;
    switch (rule.match) {
        case MatchType::media:
            return !media_.empty() && (rule.values.empty() || contains(rule.values, media_));
        case MatchType::button:
        case MatchType::list:
            return !tap.empty() && contains(rule.values, tap);
        case MatchType::any:
        case MatchType::equals:
        case MatchType::contains:
        case MatchType::regex:
        case MatchType::trade:
            return tap.empty() && media_.empty() && fits_words(rule);
    }
    return false;
}

bool Answers::fits_words(const Rule& rule) const {
    const auto& values = rule.values;
    const auto& said = flow_.spoken().text;
    const auto& matches = flow_.context().matches;
    if (rule.match == MatchType::equals)
        return std::ranges::any_of(
            values, [text = plain(said)](const auto& value) { return plain(value) == text; });
    if (rule.match == MatchType::contains)
        return std::ranges::any_of(values, [text = plain(said)](const auto& value) {
            return text.find(plain(value)) != std::string::npos;
        });
    if (rule.match == MatchType::regex)
        return matches && std::ranges::any_of(values, [&](const auto& value) {
                   return matches(value, said) || matches(value, text::fold(said));
               });
    if (rule.match == MatchType::trade)
        return std::ranges::any_of(flow_.trades(), [&](const auto* trade) {
            const auto* kind = trade->words().match(rule.trade_match);
            return kind && kind->fits(*trade, said);
        });
    return rule.match == MatchType::any;
}

// --- Questions

void Answers::answer(const Ask& ask) {
    const auto value = answer_value(ask);
    if (value) return take_answer(ask, *value);
    if (edited_) {
        no_better_ = true;
        return;
    }
    if (dialogue().retries >= ask.attempts) {
        flow_.run(ask.give_up);
        return;
    }
    flow_.record().add(NodeEntered{.node = dialogue().node, .retries = dialogue().retries + 1});
    flow_.speech().reply(ask.again, {});
}

void Answers::take_answer(const Ask& ask, const std::string& value) {
    flow_.capture(ask.variable, value);
    if (ask.variable == variable::kAddress && !value.empty() && value != flow_.customer().address) {
        CustomerChanged changed;
        changed.customer_id = dialogue().customer_id;
        changed.address = value;
        flow_.record().add_customer(std::move(changed));
    }
    flow_.run(ask.then);
}

std::optional<std::string> Answers::answer_value(const Ask& ask) const {
    if (!flow_.spoken().tap_action.empty()) return {};
    const auto& said = flow_.spoken().text;
    const auto text = plain(said);
    for (const auto& word : ask.skip_words)
        if (plain(word) == text) return std::string{};
    switch (ask.type) {
        case AskType::integer: {
            const auto count = parse_count(said, ask.min, ask.max);
            if (!count) return {};
            return std::to_string(*count);
        }
        case AskType::phone:
            return text::e164(said, flow_.context().tenant->country);
        case AskType::text: {
            const auto length = static_cast<std::int64_t>(text::code_points(said));
            if (length < ask.min || length > ask.max) return {};
            return said;
        }
    }
    return {};
}

// --- Taps

void Answers::on(const Tapped& input) {
    flow_.customer_speaks();
    if (silent()) return;
    hear(input.title);
    const auto* tap = choice_behind(input, dialogue());
    // Nobody knows this button any more: its words are what the customer said.
    if (!tap) return on(Said{input.title});
    const auto known = *tap;  // the state moves on while this runs
    // In every flow, and while a payment runs.
    if (known.action == kTalkToPersonAction) return call_person();
    if (flow_.answered_as_busy()) return;
    flow_.wake(dialogue().state == Lifecycle::new_lead ? "customer tapped" : "customer answered");
    if (dialogue().node.empty()) begin_at_start();
    if (known.action == kSendTemplateAction) {
        const auto bar = known.argument.find('|');
        if (bar != std::string::npos && bar + 1 < known.argument.size())
            flow_.capture(variable::kLabel, known.argument.substr(bar + 1));
        // A button that only sets the label counts as its words.
        if (bar == 0) return answer_words();
        flow_.speech().reply(known.argument.substr(0, bar), {});
        return;
    }
    for (auto* trade : flow_.trades())
        if (trade->take_tap(known.action, known.argument)) return;
    flow_.spoken().tap_action = known.action;
    flow_.spoken().tap_argument = known.argument;
    answer_tap();
}

void Answers::answer_tap() {
    const auto* here = flow_.node(dialogue().node);
    if (here && try_rules(here->rules)) return;
    if (try_rules(document().globals)) return;
    // A button that means nothing to the flow counts as its words.
    flow_.spoken().tap_action.clear();
    flow_.spoken().tap_argument.clear();
    answer_words();
}

void Answers::call_person() {
    flow_.wake("customer asked for a person");
    flow_.speech().reply("person_called", {});
    flow_.escalate("the customer asked for a person");
}

// --- What is no words

void Answers::on(const SentMedia& input) { no_words(input.kind, {}); }

void Answers::on(const Pinned& input) { no_words(SpokenKind::location, input.place); }

void Answers::no_words(SpokenKind kind, const std::string& place) {
    flow_.customer_speaks();
    // Nobody waits for words while the money is on its way.
    if (silent() || flow_.busy()) return;
    media_ = text_of(kind);
    const bool first = dialogue().node.empty();
    const auto* here = first ? nullptr : flow_.node(dialogue().node);
    const bool in_rules = rule_for(document().globals) || (here && rule_for(here->rules));
    const bool is_address = here && here->ask && !place.empty() &&
                            here->ask->variable == variable::kAddress &&
                            here->ask->type == AskType::text;
    // Of several pictures at once only the first one is spoken about.
    if (!first && !in_rules && !is_address && dialogue().hinted_node == dialogue().node) return;

    flow_.wake("customer sent " + media_);
    if (first) begin_at_start();
    if (try_rules(document().globals)) return;
    const auto* at = flow_.node(dialogue().node);
    // The pack changed under a running dialogue: begin again.
    if (!at) return flow_.enter(document().start);
    if (try_rules(at->rules)) return;
    if (is_address) {
        const auto max = static_cast<std::size_t>(std::max<std::int64_t>(at->ask->max, 1));
        return take_answer(*at->ask, text::shortened(text::clean(place), max));
    }
    if (first)
        run_otherwise(*at);
    else
        flow_.speech().reply("words_please", {});
    if (dialogue().state != Lifecycle::closed)
        flow_.record().add(HintGiven{.node = dialogue().node});
}

}  // namespace flowstack::conversation
