#include "tools/docs/openapi_words.h"

#include <cctype>
#include <map>
#include <regex>
#include <stdexcept>

#include "tools/docs/descriptors.h"

namespace flowstack::docs {
namespace {

namespace pb = google::protobuf;

struct Known {
    const char* description;  // of a field that has no comment; empty: it needs one
    const char* example;      // empty: none
};

constexpr const char* kId = "0198c1d2-7a40-7c31-9b5e-2f6a1c0d8e11";
constexpr const char* kTime = "2026-03-14T08:30:00Z";

// What every field of a name is. A comment in proto/ goes before it.
const std::map<std::string, Known> kKnown{
    {"page_size",
     {"How many a page has at most: 0 or nothing means 50, and more than 500 count as 500.", "50"}},
    {"page_token",
     {"`nextPageToken` of the page before, with the same filters; nothing for the first page.",
      ""}},
    {"next_page_token", {"`pageToken` of the next page; empty on the last one.", ""}},
    {"request_id",
     {"The idempotency key, at most 200 bytes without control characters; the same as the header "
      "`Idempotency-Key`. A repeat with the same content gets the first answer.",
      ""}},
    {"etag",
     {"The version of the resource. Send it back (here or as `If-Match`) to change only what you "
      "have read.",
      "7"}},
    {"tenant_id", {"Id of the tenant.", "demo"}},
    {"customer_id", {"Id of the customer.", kId}},
    {"channel_id", {"Id of the channel.", kId}},
    {"conversation_id", {"Id of the conversation.", kId}},
    {"campaign_id", {"Id of the campaign.", kId}},
    {"message_id", {"Id of the message.", kId}},
    {"order_id", {"Id of the order.", kId}},
    {"task_id", {"Id of the task.", kId}},
    {"product_id", {"Id of the product.", "premium-coffee"}},
    {"template_key", {"Key of the template.", "greeting"}},
    {"flow_key", {"Key of the flow.", "own"}},
    {"order_number", {"The order's number for people.", "ORD-7K2M9Q"}},
    {"product_name", {"Name of the product, as customers read it.", "Premium Coffee"}},
    {"quantity", {"How many pieces.", "2"}},
    {"unit_price", {"Price of one piece, without tax.", ""}},
    {"line_total", {"Price of all pieces, without tax.", ""}},
    {"subtotal", {"Sum of the lines, without tax.", ""}},
    {"tax", {"The tax on the subtotal.", ""}},
    {"rounding", {"What rounding to the currency's payable unit adds or takes.", ""}},
    {"total", {"What is to be paid: subtotal + tax + rounding.", ""}},
    {"lines", {"What is bought.", ""}},
    {"create_time", {"When it was made.", kTime}},
    {"update_time", {"When it changed last.", kTime}},
    {"paid_time", {"When it was paid; absent before.", kTime}},
    {"expire_time", {"When it expires.", kTime}},
    {"due_time", {"When it is due.", kTime}},
    {"end_time", {"When it ended; absent before.", kTime}},
    {"language", {"A language of the installation: en, sw.", "en"}},
    {"phone", {"", "+254712345678"}},
    {"to", {"", "+254712345678"}},
    {"reason", {"", "asked by the owner"}},
    {"display_name", {"", "Premium Coffee"}},
};

// "FAILED_PRECONDITION (WRONG_STATE)" → "409 (WRONG_STATE)". A code that is no reason of ours too
// is always a status; the others are one where a reason follows in brackets.
const std::map<std::string, std::pair<const char*, bool>> kStatuses{
    {"INVALID_ARGUMENT", {"422", true}}, {"FAILED_PRECONDITION", {"409", true}},
    {"ABORTED", {"409", true}},          {"RESOURCE_EXHAUSTED", {"429", true}},
    {"UNAVAILABLE", {"503", true}},      {"ALREADY_EXISTS", {"409", false}},
    {"NOT_FOUND", {"404", false}},
};

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string camel_of(const std::string& name) {
    std::string made;
    bool up = false;
    for (const char c : name) {
        if (c != '_')
            made += up ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        up = c == '_';
    }
    return made;
}

const Known* known(const pb::FieldDescriptor& field) {
    const auto found = kKnown.find(field.name());
    return found == kKnown.end() ? nullptr : &found->second;
}

}  // namespace

std::string singular_of(const std::string& collection) {
    if (collection.ends_with("ies")) return collection.substr(0, collection.size() - 3) + "y";
    return collection.ends_with('s') ? collection.substr(0, collection.size() - 1) : collection;
}

std::string lower_first(std::string name) {
    if (!name.empty())
        name.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(name.front())));
    return name;
}

std::string spaced(const std::string& name) {
    std::string made;
    for (const char c : name) {
        const bool upper = std::isupper(static_cast<unsigned char>(c)) != 0;
        if (upper && !made.empty()) made += ' ';
        made += upper && !made.empty()
                    ? static_cast<char>(std::tolower(static_cast<unsigned char>(c)))
                    : c;
    }
    return made;
}

std::string first_sentence(const std::string& text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
        const bool ends = text[at] == '.' &&
                          (at + 1 == text.size() || text[at + 1] == ' ' || text[at + 1] == '\n');
        const bool shortened = at >= 3 && text.compare(at - 3, 4, "e.g.") == 0;
        if (ends && !shortened) return text.substr(0, at);
        if (text[at] == '\n') return text.substr(0, at);
    }
    return text;
}

Words::Words(const std::vector<const pb::FileDescriptor*>& files) {
    for (const auto* file : files) {
        for (int i = 0; i < file->message_type_count(); ++i) learn(*file->message_type(i));
        for (int s = 0; s < file->service_count(); ++s)
            for (int m = 0; m < file->service(s)->method_count(); ++m)
                methods_.insert(file->service(s)->method(m)->name());
    }
}

void Words::learn(const pb::Descriptor& message) {
    for (int i = 0; i < message.field_count(); ++i) {
        if (!fields_.insert(message.field(i)->name()).second) continue;
        if (const auto* type = message.field(i)->message_type()) learn(*type);
    }
    for (int i = 0; i < message.nested_type_count(); ++i) learn(*message.nested_type(i));
}

std::string Words::for_rest(const std::string& comment) const {
    std::string made;
    std::size_t at = 0;
    while (at < comment.size()) {
        if (!in_word(comment[at])) {
            made += comment[at++];
            continue;
        }
        auto end = at;
        while (end < comment.size() && in_word(comment[end])) ++end;
        const auto word = comment.substr(at, end - at);
        const auto rest = comment.substr(end);
        // A word in a list of values is a value, also where a field has its name.
        const bool in_list = rest.starts_with(" |") || made.ends_with("| ");
        const auto status = kStatuses.find(word);
        if (status != kStatuses.end() &&
            (status->second.second || (rest.size() > 2 && rest.starts_with(" (") &&
                                       std::isupper(static_cast<unsigned char>(rest[2])) != 0)))
            made += status->second.first;
        else if (fields_.contains(word) && !in_list)
            made += camel_of(word);
        else if (methods_.contains(word))
            made += lower_first(word);
        else
            made += word;
        at = end;
    }
    return made;
}

std::string Words::of_field(const pb::FieldDescriptor& field) const {
    if (const auto comment = comment_of(field); !comment.empty()) return for_rest(comment);
    if (const auto* all = known(field); all != nullptr && *all->description != 0)
        return all->description;
    std::string of_type;
    if (!field.is_map() && field.message_type() != nullptr)
        of_type = comment_of(*field.message_type());
    if (field.enum_type() != nullptr) of_type = comment_of(*field.enum_type());
    if (of_type.empty()) {
        unexplained_.insert(field.full_name());
        return "";
    }
    return first_sentence(for_rest(of_type)) + ".";
}

bool is_required(const pb::FieldDescriptor& field) {
    return comment_of(field).starts_with("Required");
}

bool is_output_only(const pb::FieldDescriptor& field) {
    return comment_of(field).starts_with("Output only");
}

std::vector<std::string> choices_of(const pb::FieldDescriptor& field) {
    std::vector<std::string> choices;
    if (field.type() != pb::FieldDescriptor::TYPE_STRING) return choices;
    auto text = comment_of(field);
    for (const auto* begin : {"Required. ", "Output only. "})
        if (text.starts_with(begin)) text = text.substr(std::string(begin).size());
    static const std::regex kChoices(R"(^([A-Za-z_]+(?: \| [A-Za-z_]+)+)(?=$|[.:; ]))");
    std::smatch found;
    if (!std::regex_search(text, found, kChoices)) return choices;
    std::istringstream words(found[1].str());
    for (std::string word; words >> word;)
        if (word != "|") choices.push_back(word);
    return choices;
}

std::optional<std::string> example_of(const pb::FieldDescriptor& field) {
    static const std::regex kExample(R"re(e\.g\. "?([^\s,;:")]+)"?)re");
    const auto comment = comment_of(field);
    std::smatch found;
    if (field.type() == pb::FieldDescriptor::TYPE_STRING &&
        std::regex_search(comment, found, kExample)) {
        auto value = found[1].str();
        while (value.ends_with('.')) value.pop_back();
        return value;
    }
    if (const auto choices = choices_of(field); !choices.empty()) return choices.front();
    if (const auto* all = known(field); all != nullptr && *all->example != 0) return all->example;
    return std::nullopt;
}

}  // namespace flowstack::docs
