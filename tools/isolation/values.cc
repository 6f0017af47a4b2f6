#include "tools/isolation/values.h"

#include <ctime>
#include <string_view>

namespace flowstack::isolation {
namespace {

constexpr std::string_view kTomorrow = "$tomorrow";

std::string tomorrow() {
    const std::time_t at = std::time(nullptr) + 24 * 3600;
    std::tm utc{};
    gmtime_r(&at, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

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
    if (const auto at = text.find(kTomorrow); at != std::string::npos)
        text.replace(at, kTomorrow.size(), tomorrow());
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
