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
    return out;
}

bool checks_hold(const Entry& entry) {
    for (const auto& check : entry.checks)
        if (!check.ok && !check.note) return false;
    return true;
}

}  // namespace

std::optional<bool> met(const Entry& entry) {
    if (!checks_hold(entry)) return false;
    if (entry.goals.empty() || entry.samples.empty()) return std::nullopt;
    bool unknown = false;
    for (const auto& goal : entry.goals) {
        double figure = spread_of(entry.samples).median;
        if (!goal.peer.empty()) {
            const auto peer = entry.peers.find(goal.peer);
            if (peer == entry.peers.end() || peer->second.samples.empty()) {
                unknown = true;
                continue;
            }
            figure = ratio_of(entry.samples, peer->second.samples);
        }
        if (!reached(goal, figure)) return false;
    }
    if (unknown) return std::nullopt;
    return true;
}

std::string goal_text(const Entry& entry) {
    std::string text;
    for (const auto& goal : entry.goals) {
        if (!text.empty()) text += ", ";
        text += goal.kind == Goal::Kind::at_least ? "≥ " : "≤ ";
        text += goal.peer.empty() ? number_text(goal.factor) + " " + entry.unit
                                  : number_text(goal.factor) + " × " + goal.peer;
    }
    return text;
}

std::string json_of(const std::vector<Entry>& entries) {
    json::array all;
    for (const auto& entry : entries) all.push_back(json_of(entry));
    return json::serialize(all);
}

std::string table_of(const std::vector<Entry>& entries) {
    std::string out;
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
            out += fmt::format("  goal {}: {}", goal,
                               !verdict ? "cannot be said" : (*verdict ? "met" : "MISSED"));
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
        for (const auto& check : entry.checks)
            if (!check.ok)
                out +=
                    fmt::format("    {}{}: {}\n",
                                check.note ? "note: " : "CHECK FAILED: ", check.name, check.value);
    }
    return out;
}

bool sound(const std::vector<Entry>& entries) {
    for (const auto& entry : entries)
        if (!checks_hold(entry)) return false;
    return true;
}

}  // namespace flowstack::bench
