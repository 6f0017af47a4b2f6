#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "services/conversation/domain/trades.h"

// Flow documents as JSON (docs/flows.md) to the domain's structs, and packs from their folder.
namespace flowstack::conversation {

inline constexpr std::size_t kFlowDocumentBytesMax = 512 * 1024;

// The document cannot be read: not JSON, an unknown key, a wrong kind of value. `problems` name the
// places.
struct BadDocument : std::runtime_error {
    explicit BadDocument(std::vector<Problem> found)
        : std::runtime_error(found.empty() ? "bad document"
                                           : found.front().field + ": " + found.front().text),
          problems(std::move(found)) {}
    std::vector<Problem> problems;
};

// `texts`: by language, a JSON object of template key → body or {body, buttons, list_button}; what
// packs keep beside their document. Throws BadDocument. What the document means is judged by
// check(Flow).
Flow parse_flow(std::string_view json, const std::map<std::string, std::string>& texts = {});

// RE2, unanchored, case-insensitive; memory and time are bounded by RE2 itself. Compiled ones are
// kept.
bool regex_matches(const std::string& pattern, const std::string& text);
bool regex_is_good(const std::string& pattern);

// The flows that come with FlowStack, read once at start: base and <pack>.json with their
// <pack>.<language>.json. Throws std::runtime_error that names the file.
struct Packs {
    Flow base;
    std::map<std::string, Flow> flows;             // by key, base under them
    std::map<std::string, std::string> documents;  // by key, as JSON
};
Packs read_packs(const std::string& folder);

}  // namespace flowstack::conversation
