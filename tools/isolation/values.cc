#include "tools/isolation/values.h"

namespace flowstack::isolation {
namespace {

std::string replaced(std::string text, const std::string& mark, const Tenant& tenant) {
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at)) {
        auto end = at + mark.size();
        std::string value = tenant.id;
        if (end < text.size() && text[end] == '.') {
            const auto from = end + 1;
            end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                         from);
            if (end == std::string::npos) end = text.size();
            value = tenant.ids.at(text.substr(from, end - from));
        }
        text.replace(at, end - at, value);
        at += value.size();
    }
    return text;
}

}  // namespace

std::string fill(std::string text, const Tenant& attacker, const Tenant& victim) {
    return replaced(replaced(std::move(text), "$victim", victim), "$attacker", attacker);
}

std::string found_in(const std::string& answer, const Tenant& of, const std::string& question) {
    if (answer.find(of.word) != std::string::npos && question.find(of.word) == std::string::npos)
        return "the word " + of.word;
    for (const auto& [kind, id] : of.ids)
        if (answer.find(id) != std::string::npos && question.find(id) == std::string::npos)
            return "the id of its " + kind;
    return {};
}

}  // namespace flowstack::isolation
