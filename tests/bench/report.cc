#include "tests/bench/report.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "tests/bench/statistics.h"

namespace flowstack::bench {
namespace {

namespace json = boost::json;

// Three digits are what such a measurement carries.
double rounded(double value) {
    if (value == 0 || !std::isfinite(value)) return value;
    const double unit = std::pow(10, std::floor(std::log10(std::fabs(value))) - 2);
    const double digits = std::round(value / unit);
    return unit < 1 ? digits / std::round(1 / unit) : digits * unit;
}

std::string number_text(double value) {
    const double r = rounded(value);
    if (std::fabs(r) < 100) return fmt::format("{:.3g}", r);
    auto text = fmt::format("{:.0f}", r);
    for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
        text.insert(static_cast<std::size_t>(at), 1, ',');
    return text;
}

bool reached(const Goal& goal, double figure) {
    return goal.kind == Goal::Kind::at_least ? figure >= goal.factor : figure <= goal.factor;
}

std::string text_of(const Goal& goal, const std::string& unit) {
    return (goal.kind == Goal::Kind::at_least ? "≥ " : "≤ ") + number_text(goal.factor) +
           (goal.peer.empty() ? " " + unit : " × " + goal.peer);
}

json::object spread_json(const std::vector<double>& samples) {
    const auto spread = spread_of(samples);
    return {{"value", rounded(spread.median)},
            {"min", rounded(spread.min)},
            {"max", rounded(spread.max)}};
}

json::object json_of(const Entry& entry) {
    json::object out{{"name", entry.name}};
    if (entry.samples.empty()) {
        out["value"] = out["min"] = out["max"] = nullptr;
    } else {
        for (auto& [key, value] : spread_json(entry.samples)) out[key] = value;
    }
    out["unit"] = entry.unit;
    out["goal"] = goal_text(entry);
    const auto verdict = met(entry);
    out["met"] = verdict ? json::value(*verdict) : json::value(nullptr);
    json::object peers;
    for (const auto& [name, peer] : entry.peers) {
        json::object theirs;
        if (!peer.samples.empty()) theirs = spread_json(peer.samples);
        if (!peer.samples.empty() && !entry.samples.empty()) {
            const auto ratio = ratio_of(entry.samples, peer.samples);
            theirs["ratio"] =
                std::isfinite(ratio) ? json::value(rounded(ratio)) : json::value(nullptr);
        }
        if (!peer.missing.empty()) theirs["missing"] = peer.missing;
        peers[name] = std::move(theirs);
    }
    out["peers"] = std::move(peers);
    json::array checks;
    for (const auto& check : entry.checks)
        checks.push_back(
            json::object{{"name", check.name}, {"ok", check.ok}, {"value", check.value}});
    out["checks"] = std::move(checks);
    if (entry.guard) {
        const auto holds = guard_holds(entry);
        out["guard"] = json::object{{"text", text_of(*entry.guard, entry.unit)},
                                    {"holds", holds ? json::value(*holds) : json::value(nullptr)}};
    }
    return out;
}

bool checks_hold(const Entry& entry) {
    for (const auto& check : entry.checks)
        if (!check.ok && !check.note) return false;
    return true;
}

// What a goal is judged by: the entry's median, or its ratio to the peer. Nothing when it was not
// measured.
std::optional<double> figure_for(const Goal& goal, const Entry& entry) {
    if (entry.samples.empty()) return std::nullopt;
    if (goal.peer.empty()) return spread_of(entry.samples).median;
    const auto peer = entry.peers.find(goal.peer);
    if (peer == entry.peers.end() || peer->second.samples.empty()) return std::nullopt;
    return ratio_of(entry.samples, peer->second.samples);
}

std::string say(const std::optional<bool>& verdict, const char* yes, const char* no) {
    if (!verdict) return "cannot be said";
    return *verdict ? yes : no;
}

}  // namespace

std::optional<bool> met(const Entry& entry) {
    if (!checks_hold(entry)) return false;
    if (entry.goals.empty() || entry.samples.empty()) return std::nullopt;
    bool unknown = false;
    for (const auto& goal : entry.goals) {
        const auto figure = figure_for(goal, entry);
        if (!figure)
            unknown = true;
        else if (!reached(goal, *figure))
            return false;
    }
    if (unknown) return std::nullopt;
    return true;
}

std::optional<bool> guard_holds(const Entry& entry) {
    if (!entry.guard) return std::nullopt;
    if (!checks_hold(entry)) return false;
    const auto figure = figure_for(*entry.guard, entry);
    if (!figure) return std::nullopt;
    return reached(*entry.guard, *figure);
}

GuardVerdict judge_guards(const std::vector<Entry>& entries) {
    GuardVerdict verdict{true, ""};
    for (const auto& entry : entries) {
        if (!entry.guard) continue;
        const auto& guard = *entry.guard;
        if (!verdict.text.empty()) verdict.text += ", ";
        verdict.text += entry.name + " ";
        if (const auto figure = figure_for(guard, entry)) {
            verdict.text += number_text(*figure);
            verdict.text += guard.peer.empty() ? " " + entry.unit : " × " + guard.peer;
        } else {
            const auto peer = entry.peers.find(guard.peer);
            const bool known = peer != entry.peers.end() && !peer->second.missing.empty();
            verdict.text +=
                "not compared" +
                (known ? " (" + guard.peer + " is missing: " + peer->second.missing + ")"
                       : std::string());
        }
        verdict.text += guard.kind == Goal::Kind::at_most ? " (at most " : " (at least ";
        verdict.text += number_text(guard.factor) + ")";
        if (!checks_hold(entry)) verdict.text += " and a check failed";
        if (guard_holds(entry) != true) verdict.ok = false;
    }
    if (verdict.text.empty()) return {false, "no entry of this run has a guard"};
    return verdict;
}

std::string goal_text(const Entry& entry) {
    std::string text;
    for (const auto& goal : entry.goals) {
        if (!text.empty()) text += ", ";
        text += text_of(goal, entry.unit);
    }
    return text;
}

std::string json_of(const std::vector<Entry>& entries) {
    json::array all;
    for (const auto& entry : entries) all.push_back(json_of(entry));
    return json::serialize(all);
}

std::string table_of(const std::vector<Entry>& entries) {
    std::string out, last_notes;
    for (const auto& entry : entries) {
        const auto verdict = met(entry);
        out += fmt::format("{:<28}", entry.name);
        if (entry.samples.empty()) {
            out += "not measured";
        } else {
            const auto spread = spread_of(entry.samples);
            out += fmt::format("{:>10} {:<11} ({} to {})", number_text(spread.median), entry.unit,
                               number_text(spread.min), number_text(spread.max));
        }
        if (const auto goal = goal_text(entry); !goal.empty())
            out += fmt::format("  goal {}: {}", goal, say(verdict, "met", "MISSED"));
        if (entry.guard)
            out += fmt::format("  guard {}: {}", text_of(*entry.guard, entry.unit),
                               say(guard_holds(entry), "holds", "BROKEN"));
        out += '\n';
        for (const auto& [name, peer] : entry.peers) {
            if (peer.samples.empty()) {
                out += fmt::format("    {:<24}{}\n", name, "missing: " + peer.missing);
                continue;
            }
            const auto spread = spread_of(peer.samples);
            out +=
                fmt::format("    {:<24}{:>10} {:<11} ({} to {})", name, number_text(spread.median),
                            entry.unit, number_text(spread.min), number_text(spread.max));
            if (!entry.samples.empty())
                out += fmt::format("  ours is {} × that",
                                   number_text(ratio_of(entry.samples, peer.samples)));
            out += '\n';
        }
        std::string notes;
        for (const auto& check : entry.checks) {
            if (check.ok) continue;
            if (check.note)
                notes += fmt::format("    note: {}: {}\n", check.name, check.value);
            else
                out += fmt::format("    CHECK FAILED: {}: {}\n", check.name, check.value);
        }
        // Entries of one measurement have the same notes.
        out += notes.empty() || notes != last_notes ? notes : "    notes as above\n";
        last_notes = std::move(notes);
    }
    return out;
}

bool sound(const std::vector<Entry>& entries) {
    for (const auto& entry : entries)
        if (!checks_hold(entry)) return false;
    return true;
}

}  // namespace flowstack::bench
