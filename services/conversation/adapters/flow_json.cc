#include "services/conversation/adapters/flow_json.h"

#include <re2/re2.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <set>
#include <sstream>
#include <unordered_map>

namespace flowstack::conversation {
namespace {

namespace json = boost::json;

std::string str(json::string_view text) { return {text.data(), text.size()}; }

// Reads one document and remembers everything that is wrong with it.
class Reader {
public:
    Flow flow(const json::value& document, const std::map<std::string, std::string>& texts) {
        Flow flow;
        const auto* root = object("", document);
        if (!root) throw BadDocument(problems_);
        if (root->contains("flows") || root->contains("fallbackTemplateKey")) {
            simple(flow, *root);
        } else {
            keys("", *root,
                 {"key", "name", "languages", "language_words", "start", "globals",
                  "fallback_template", "nodes", "on", "templates"});
            flow.key = text("", *root, "key");
            flow.start = text("", *root, "start");
            flow.fallback_template = text("", *root, "fallback_template");
            flow.languages = texts_of("", *root, "languages");
            language_words(flow, *root);
            if (const auto* list = root->if_contains("globals"))
                flow.globals = rules("globals", *list);
            if (const auto* nodes = child("", *root, "nodes"))
                for (const auto& [name, value] : *nodes)
                    flow.nodes[str(name)] = node("nodes." + str(name), value);
            if (const auto* on = child("", *root, "on"))
                for (const auto& [name, value] : *on)
                    flow.on[str(name)] = actions("on." + str(name), value);
            if (const auto* templates = child("", *root, "templates"))
                for (const auto& [key, value] : *templates)
                    read_template(flow, str(key), value, texts);
        }
        if (!problems_.empty()) throw BadDocument(problems_);
        return flow;
    }

    std::map<std::string, json::object> texts_by_language(
        const std::map<std::string, std::string>& texts) {
        std::map<std::string, json::object> result;
        for (const auto& [language, body] : texts) {
            json::error_code error;
            auto value = json::parse(body, error);
            if (error || !value.is_object())
                say("texts." + language, "is no JSON object");
            else
                result[language] = std::move(value.as_object());
        }
        return result;
    }

private:
    void say(std::string field, std::string what) {
        problems_.push_back({std::move(field), std::move(what)});
    }
    static std::string path(const std::string& at, std::string_view key) {
        return at.empty() ? std::string(key) : at + "." + std::string(key);
    }

    void keys(const std::string& at, const json::object& o,
              const std::set<std::string_view>& known) {
        for (const auto& [key, value] : o)
            if (!known.contains(std::string_view(key.data(), key.size())))
                say(path(at, str(key)), "is not known here");
    }

    const json::object* object(const std::string& at, const json::value& value) {
        if (value.is_object()) return &value.get_object();
        say(at.empty() ? "document" : at, "must be an object");
        return nullptr;
    }

    const json::object* child(const std::string& at, const json::object& o, std::string_view key) {
        const auto* value = o.if_contains(json::string_view(key.data(), key.size()));
        return value ? object(path(at, key), *value) : nullptr;
    }

    std::string text(const std::string& at, const json::object& o, std::string_view key) {
        const auto* value = o.if_contains(json::string_view(key.data(), key.size()));
        if (!value || value->is_null()) return {};
        if (value->is_string()) return str(value->get_string());
        say(path(at, key), "must be a text");
        return {};
    }

    std::int64_t number(const std::string& at, const json::object& o, std::string_view key,
                        std::int64_t otherwise) {
        const auto* value = o.if_contains(json::string_view(key.data(), key.size()));
        if (!value || value->is_null()) return otherwise;
        if (const auto n = whole(*value)) return *n;
        say(path(at, key), "must be a whole number");
        return otherwise;
    }

    // protobuf's Struct knows only doubles: 3.0 is a whole number too.
    static std::optional<std::int64_t> whole(const json::value& value) {
        if (value.is_int64()) return value.get_int64();
        if (value.is_double()) {
            const double d = value.get_double();
            if (d >= -9e15 && d <= 9e15 && d == static_cast<double>(static_cast<std::int64_t>(d)))
                return static_cast<std::int64_t>(d);
        }
        return {};
    }

    std::vector<std::string> texts_of(const std::string& at, const json::object& o,
                                      std::string_view key) {
        std::vector<std::string> result;
        const auto* value = o.if_contains(json::string_view(key.data(), key.size()));
        if (!value || value->is_null()) return result;
        if (!value->is_array()) {
            say(path(at, key), "must be a list of texts");
            return result;
        }
        for (const auto& item : value->get_array()) {
            if (item.is_string())
                result.push_back(str(item.get_string()));
            else
                say(path(at, key), "must be a list of texts");
        }
        return result;
    }

    void language_words(Flow& flow, const json::object& root) {
        const auto* words = child("", root, "language_words");
        if (!words) return;
        for (const auto& [language, value] : *words) {
            const auto at = "language_words." + str(language);
            const auto* o = object(at, value);
            if (!o) continue;
            keys(at, *o, {"greetings", "choose"});
            flow.language_words[str(language)] = {texts_of(at, *o, "greetings"),
                                                  texts_of(at, *o, "choose")};
        }
    }

    // {"send": "key"} · {"goto": "node"} · {"show_catalog": "key", "empty": "node"} ·
    // {"choose_product": {"found": "a", "unknown": "b"}}: one verb, its options beside or inside
    // it.
    Actions actions(const std::string& at, const json::value& value) {
        Actions list;
        if (!value.is_array()) {
            say(at, "must be a list of actions");
            return list;
        }
        std::size_t i = 0;
        for (const auto& item : value.get_array()) {
            const auto here = at + "[" + std::to_string(i++) + "]";
            const auto* o = object(here, item);
            if (!o) continue;
            const VerbSpec* spec = nullptr;
            const json::value* target = nullptr;
            for (const auto& [key, v] : *o)
                if (const auto* verb = vocabulary().verb(str(key))) {
                    if (spec) say(here, "must have one verb only");
                    spec = verb;
                    target = &v;
                }
            if (!spec) {
                say(here, "has no verb that is known");
                continue;
            }
            Action action{std::string(spec->name), {}, {}};
            if (target->is_string())
                action.target = str(target->get_string());
            else if (target->is_object())
                for (const auto& [key, v] : target->get_object())
                    option(here, *spec, action, str(key), v);
            else if (!target->is_bool())
                say(path(here, spec->name), "must be a text or an object");
            for (const auto& [key, v] : *o)
                if (&v != target && !vocabulary().verb(str(key)))
                    option(here, *spec, action, str(key), v);
            list.push_back(std::move(action));
        }
        return list;
    }

    void option(const std::string& here, const VerbSpec& spec, Action& action,
                const std::string& key, const json::value& v) {
        // {"show_catalog": {"template": "list", "empty": "menu"}}: the target by its kind.
        const bool is_target = !spec.option(key) && spec.target != ValueKind::none &&
                               key == text_of(spec.target) && v.is_string();
        if (is_target)
            action.target = str(v.get_string());
        else if (!spec.option(key))
            say(path(here, key), "is not known here");
        else if (v.is_string())
            action.with[key] = str(v.get_string());
        else if (const auto n = whole(v))
            action.with[key] = std::to_string(*n);
        else
            say(path(here, key), "must be a text");
    }

    std::vector<Rule> rules(const std::string& at, const json::value& value) {
        std::vector<Rule> list;
        if (!value.is_array()) {
            say(at, "must be a list of rules");
            return list;
        }
        std::size_t i = 0;
        for (const auto& item : value.get_array()) {
            const auto here = at + "[" + std::to_string(i++) + "]";
            const auto* o = object(here, item);
            if (!o) continue;
            keys(here, *o, {"id", "match", "do"});
            Rule rule;
            rule.id = text(here, *o, "id");
            match(here, *o, rule);
            if (const auto* todo = o->if_contains("do"))
                rule.actions = actions(here + ".do", *todo);
            list.push_back(std::move(rule));
        }
        return list;
    }

    void match(const std::string& here, const json::object& o, Rule& rule) {
        const auto* m = child(here, o, "match");
        if (!m) {
            if (!o.contains("match")) say(here + ".match", "must be given");
            return;
        }
        keys(here + ".match", *m, {"type", "values", "state"});
        const auto type = text(here + ".match", *m, "type");
        if (const auto known = parse_match_type(type)) {
            rule.match = *known;
        } else if (vocabulary().match(type)) {
            rule.match = MatchType::trade;
            rule.trade_match = type;
        } else {
            say(here + ".match.type", "must be " + match_types());
        }
        rule.values = texts_of(here + ".match", *m, "values");
        rule.states = texts_of(here + ".match", *m, "state");
    }

    // "any, equals or order".
    static std::string match_types() {
        auto names = match_type_names();
        for (const auto* words : vocabulary().words())
            for (const auto& match : words->matches) names.push_back(match.name);
        std::string text;
        for (std::size_t i = 0; i < names.size(); ++i)
            text += (i == 0 ? "" : i + 1 < names.size() ? ", " : " or ") + std::string(names[i]);
        return text;
    }

    Node node(const std::string& at, const json::value& value) {
        Node result;
        const auto* o = object(at, value);
        if (!o) return result;
        // `ui` belongs to whoever draws the flow: it stays in the document and means nothing here.
        keys(at, *o, {"enter", "rules", "ask", "otherwise", "ui"});
        if (const auto* enter = o->if_contains("enter"))
            result.enter = actions(at + ".enter", *enter);
        if (const auto* list = o->if_contains("rules")) result.rules = rules(at + ".rules", *list);
        if (const auto* otherwise = o->if_contains("otherwise"))
            result.otherwise = actions(at + ".otherwise", *otherwise);
        if (const auto* a = child(at, *o, "ask")) result.ask = ask(at + ".ask", *a);
        return result;
    }

    Ask ask(const std::string& at, const json::object& o) {
        keys(at, o,
             {"variable", "type", "min", "max", "attempts", "again", "skip", "then", "give_up"});
        Ask result;
        result.variable = text(at, o, "variable");
        const auto type = text(at, o, "type");
        if (type == "integer")
            result.type = AskType::integer;
        else if (type == "phone")
            result.type = AskType::phone;
        else if (!type.empty() && type != "text")
            say(at + ".type", "must be text, integer or phone");
        result.min = number(at, o, "min", 1);
        result.max = number(at, o, "max", 999);
        const auto attempts = number(at, o, "attempts", 2);
        result.attempts = attempts < 0 || attempts > 10 ? -1 : static_cast<int>(attempts);
        result.again = text(at, o, "again");
        result.skip_words = texts_of(at, o, "skip");
        if (const auto* then = o.if_contains("then")) result.then = actions(at + ".then", *then);
        if (const auto* give_up = o.if_contains("give_up"))
            result.give_up = actions(at + ".give_up", *give_up);
        return result;
    }

    Choice choice(const std::string& at, const json::value& value) {
        Choice result;
        if (value.is_string()) {
            result.title = str(value.get_string());
            return result;
        }
        const auto* o = object(at, value);
        if (!o) return result;
        keys(at, *o,
             {"title", "description", "action", "argument", "next_template_key", "next_state",
              "id"});
        result.title = text(at, *o, "title");
        result.description = text(at, *o, "description");
        result.action = text(at, *o, "action");
        result.argument = text(at, *o, "argument");
        result.next_template_key = text(at, *o, "next_template_key");
        result.next_state = text(at, *o, "next_state");
        result.id = text(at, *o, "id");
        return result;
    }

    std::vector<Choice> choices(const std::string& at, const json::object& o,
                                std::string_view key) {
        std::vector<Choice> result;
        const auto* value = o.if_contains(json::string_view(key.data(), key.size()));
        if (!value) return result;
        if (!value->is_array()) {
            say(path(at, key), "must be a list");
            return result;
        }
        std::size_t i = 0;
        for (const auto& item : value->get_array())
            result.push_back(choice(path(at, key) + "[" + std::to_string(i++) + "]", item));
        return result;
    }

    // The words of a language over what every language shares: the n-th title belongs to the n-th
    // button.
    static std::vector<Choice> merged(std::vector<Choice> shape, std::vector<Choice> own) {
        if (own.empty()) return shape;
        for (std::size_t i = 0; i < own.size() && i < shape.size(); ++i) {
            auto& to = own[i];
            const auto& from = shape[i];
            if (to.action.empty()) to.action = from.action;
            if (to.argument.empty()) to.argument = from.argument;
            if (to.next_template_key.empty()) to.next_template_key = from.next_template_key;
            if (to.next_state.empty()) to.next_state = from.next_state;
            if (to.title.empty()) to.title = from.title;
            if (to.id.empty()) to.id = from.id;
        }
        return own;
    }

    Variant variant(const std::string& at, const json::value& value,
                    const std::vector<Choice>& buttons, const std::vector<Choice>& rows) {
        Variant result;
        if (value.is_string()) {
            result.body = str(value.get_string());
            result.buttons = buttons;
            result.rows = rows;
            return result;
        }
        const auto* o = object(at, value);
        if (!o) return result;
        keys(at, *o,
             {"body", "buttons", "rows", "list_button", "media_kind", "media_link",
              "whatsapp_template", "whatsapp_language_code"});
        result.body = text(at, *o, "body");
        result.list_button = text(at, *o, "list_button");
        result.media_kind = text(at, *o, "media_kind");
        result.media_link = text(at, *o, "media_link");
        result.whatsapp_template = text(at, *o, "whatsapp_template");
        result.whatsapp_language_code = text(at, *o, "whatsapp_language_code");
        result.buttons = merged(buttons, choices(at, *o, "buttons"));
        result.rows = merged(rows, choices(at, *o, "rows"));
        return result;
    }

    void read_template(Flow& flow, const std::string& key, const json::value& value,
                       const std::map<std::string, std::string>& texts) {
        const auto at = "templates." + key;
        const auto* o = object(at, value);
        if (!o) return;
        keys(at, *o, {"kind", "buttons", "rows", "variants", "description"});
        Template t;
        t.key = key;
        t.description = text(at, *o, "description");
        const auto kind = text(at, *o, "kind");
        if (!kind.empty() && !parse(kind, t.kind))
            say(at + ".kind",
                "must be text, interactive_button, interactive_list, media or whatsapp_template");
        const auto buttons = choices(at, *o, "buttons");
        const auto rows = choices(at, *o, "rows");
        if (const auto* variants = child(at, *o, "variants"))
            for (const auto& [language, v] : *variants)
                t.variants[str(language)] =
                    variant(at + ".variants." + str(language), v, buttons, rows);
        if (!texts.empty() && parsed_texts_.empty()) parsed_texts_ = texts_by_language(texts);
        for (const auto& [language, all] : parsed_texts_)
            if (const auto* v = all.if_contains(key))
                t.variants[language] = variant("texts." + language + "." + key, *v, buttons, rows);
        flow.templates[key] = std::move(t);
    }

    // The short form that people coming from older systems post (docs/coming_from.md): rules that
    // send templates.
    void simple(Flow& flow, const json::object& root) {
        keys("", root, {"key", "languages", "flows", "fallbackTemplateKey", "templates"});
        flow.key = text("", root, "key");
        flow.languages = texts_of("", root, "languages");
        flow.start = "main";
        auto& main = flow.nodes["main"];
        const auto fallback = text("", root, "fallbackTemplateKey");
        if (const auto* list = root.if_contains("flows"); list && list->is_array()) {
            std::size_t i = 0;
            for (const auto& item : list->get_array()) {
                const auto here = "flows[" + std::to_string(i++) + "]";
                const auto* o = object(here, item);
                if (!o) continue;
                keys(here, *o, {"id", "match", "action"});
                Rule rule;
                rule.id = text(here, *o, "id");
                match(here, *o, rule);
                if (const auto* action = child(here, *o, "action")) {
                    rule.actions = simple_action(here + ".action", *action);
                } else {
                    say(here + ".action", "must be given");
                }
                main.rules.push_back(std::move(rule));
            }
        } else {
            say("flows", "must be a list");
        }
        if (!fallback.empty()) main.otherwise = {{verb::kSend, fallback, {}}};
        if (const auto* templates = child("", root, "templates"))
            for (const auto& [key, value] : *templates) read_template(flow, str(key), value, {});
    }

    // {"type": "send_template", "templateKey": "…"} · {"type": "set_state", "state": "…"}; each may
    // do the other thing too.
    Actions simple_action(const std::string& at, const json::object& o) {
        keys(at, o, {"type", "templateKey", "state"});
        const auto type = text(at, o, "type");
        const auto state = text(at, o, "state");
        const auto key = text(at, o, "templateKey");
        if (type != "send_template" && type != "set_state")
            say(at + ".type", "must be send_template or set_state");
        if (type == "set_state" && state.empty()) say(at + ".state", "must be given");
        Actions actions;
        if (!state.empty()) actions.push_back({verb::kSet, "state", {{"value", state}}});
        if (!key.empty() || type == "send_template") actions.push_back({verb::kSend, key, {}});
        return actions;
    }

    std::vector<Problem> problems_;
    std::map<std::string, json::object> parsed_texts_;
};

std::string read_file(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    if (!in) throw std::runtime_error("packs: cannot read " + file.string());
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

// A bounded cache: patterns come from published flows, so there are few, but nobody promises that.
std::shared_ptr<const RE2> compiled(const std::string& pattern) {
    static constexpr std::size_t kPatternsMax = 1000;
    static std::mutex mutex;
    static std::unordered_map<std::string, std::shared_ptr<const RE2>> known;
    const std::lock_guard lock(mutex);
    if (const auto found = known.find(pattern); found != known.end()) return found->second;
    RE2::Options options;
    options.set_case_sensitive(false);
    options.set_log_errors(false);
    options.set_max_mem(1 << 20);
    auto regex = std::make_shared<const RE2>(pattern, options);
    if (known.size() >= kPatternsMax) known.clear();
    known[pattern] = regex;
    return regex;
}

}  // namespace

Flow parse_flow(std::string_view text, const std::map<std::string, std::string>& texts) {
    if (text.size() > kFlowDocumentBytesMax)
        throw BadDocument(std::vector<Problem>{{"document", "must have at most 524288 bytes"}});
    json::error_code error;
    const auto document = json::parse(json::string_view(text.data(), text.size()), error);
    if (error)
        throw BadDocument(std::vector<Problem>{{"document", "is no JSON: " + error.message()}});
    return Reader().flow(document, texts);
}

bool regex_matches(const std::string& pattern, const std::string& text) {
    const auto regex = compiled(pattern);
    return regex->ok() && RE2::PartialMatch(text, *regex);
}

bool regex_is_good(const std::string& pattern) { return compiled(pattern)->ok(); }

Packs read_packs(const std::string& folder) {
    namespace fs = std::filesystem;
    const auto texts_of = [&](const std::string& pack) {
        std::map<std::string, std::string> texts;
        for (const std::string language : {"en", "sw"})
            texts[language] = read_file(fs::path(folder) / (pack + "." + language + ".json"));
        return texts;
    };
    const auto load = [&](const std::string& pack, std::string& document) {
        document = read_file(fs::path(folder) / (pack + ".json"));
        try {
            return parse_flow(document, texts_of(pack));
        } catch (const BadDocument& bad) {
            throw std::runtime_error("packs: " + pack + ".json: " + bad.what());
        }
    };
    Packs packs;
    std::string unused;
    packs.base = load("base", unused);
    for (const std::string pack : {"ecommerce", "support", "booking"}) {
        std::string document;
        auto flow = with_base(load(pack, document), packs.base);
        const auto problems = check(flow, {.known_template = nullptr, .good_regex = regex_is_good});
        if (!problems.empty())
            throw std::runtime_error("packs: " + pack + ".json: " + problems.front().field + ": " +
                                     problems.front().text);
        packs.documents[flow.key] = std::move(document);
        packs.flows[flow.key] = std::move(flow);
    }
    return packs;
}

}  // namespace flowstack::conversation
