#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/problem.h"

// Templates: the words of a flow, per language, and what their buttons and rows do.
namespace flowstack::conversation {

// Limits of WhatsApp (code points).
inline constexpr std::size_t kButtonsMax = 3;
inline constexpr std::size_t kButtonTitleMax = 20;
inline constexpr std::size_t kRowsMax = 10;
inline constexpr std::size_t kRowTitleMax = 24;
inline constexpr std::size_t kRowDescriptionMax = 72;
inline constexpr std::size_t kListButtonMax = 20;
inline constexpr std::size_t kTextBodyMax = 4096;
inline constexpr std::size_t kInteractiveBodyMax = 1024;
inline constexpr std::size_t kParameterMax = 1024;  // of a template that Meta approved

enum class TemplateKind { text, interactive_button, interactive_list, media, whatsapp_template };
std::string_view text_of(TemplateKind kind);
bool parse(std::string_view text, TemplateKind& kind);

// A button or a row. `action` is the flow's word for a tap. Without one the tap keeps next_state as
// the conversation's label and sends next_template_key; without that too, its title counts as
// words.
struct Choice {
    std::string title{};
    std::string description{};  // rows only
    std::string action{};
    std::string argument{};
    std::string next_template_key{};
    std::string next_state{};  // the flow's own label, never a lifecycle state
    std::string id{};
    bool operator==(const Choice&) const = default;
};

struct Variant {
    std::string body;
    std::vector<Choice> buttons;
    std::string list_button;  // opens the list
    std::vector<Choice> rows;
    std::string media_kind;
    std::string media_link;
    std::string whatsapp_template;
    std::string whatsapp_language_code;
    bool operator==(const Variant&) const = default;
};

struct Template {
    std::string key;
    TemplateKind kind = TemplateKind::text;
    std::map<std::string, Variant> variants;  // by language
    std::string description;
    bool active = true;
    std::int64_t version = 0;
    bool operator==(const Template&) const = default;
};

// What is wrong with it, by field. `known_key` says whether a template of this tenant (or a
// built-in one) has that key: a foreign tenant's next key is an unknown one.
std::vector<Problem> check(const Template& candidate,
                           const std::function<bool(const std::string& key)>& known_key);

// The variant of a language, else of the first one that the template has.
const Variant& variant_of(const Template& t, const std::string& language);

// --- A message, rendered: no variables are left in it. The shape of
// flowstack.common.v1.MessageContent.

struct ContentRow {
    std::string title;
    std::string description;
    bool operator==(const ContentRow&) const = default;
};
struct Content {
    TemplateKind kind = TemplateKind::text;
    std::string body;
    std::vector<std::string> titles;  // buttons
    std::string list_button;
    std::vector<ContentRow> rows;
    std::string media_kind;
    std::string media_link;
    std::string whatsapp_template;
    std::string whatsapp_language_code;
    std::vector<std::string> parameters;
    std::string link{};  // the one button opens this page; empty: buttons are taps
    bool operator==(const Content&) const = default;
};

// What a tap on the n-th button or row of a message does.
struct Tap {
    int n = 0;
    std::string action;
    std::string argument;
    std::string title;
    bool operator==(const Tap&) const = default;
};

struct Rendered {
    Content content;
    std::vector<Tap> taps;
};

// A tap whose choice has no action of its own: "<template key>|<label>", each of them may be empty.
inline constexpr std::string_view kSendTemplateAction = "send_template";

// Fills the variables and keeps WhatsApp's limits. `choices` replaces the template's own buttons or
// rows where a flow makes them (products, payment providers); a kind that would then have none
// becomes text.
//
// A body that is too long gives up the middle of its longest values' lines first (names of products
// in a list of lines), so that amounts, totals and the template's own words stay. Titles that the
// cut makes equal are cut in the middle, or numbered, until each is another one.
//
// Of a template that Meta approved each line of the body is one parameter. It is filled by itself
// and on one line, so a value never makes one parameter more; an empty one becomes a neutral word,
// since Meta refuses empty parameters.
Rendered render(const Template& t, const std::string& language,
                const std::map<std::string, std::string>& values,
                const std::vector<Choice>* choices = nullptr);

}  // namespace flowstack::conversation
