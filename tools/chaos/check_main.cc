#include <boost/json.hpp>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>

#include "tools/chaos/checks.h"
#include "tools/chaos/read_facts.h"

// flowstack-chaos-check: holds the sandbox's record against the logs of a stack. Shares no code
// with the services; the stack is known by its environment (`set -a; . .run/env`).
//
//   check [--chats FILE]           every check; JSON on stdout; status 1 when one finds something
//   documents SERVICE FILE         appends its read models' documents, to be compared
//   compare FILE FILE              two of those
//   settled                        status 0 when everything is read, published and done
namespace flowstack::chaos {
namespace {

namespace json = boost::json;

std::string setting(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value ? value : "";
}

json::object as_json(const Check& check) {
    json::array findings;
    for (const auto& finding : check.findings) findings.emplace_back(finding);
    return {{"check", check.name},
            {"looked_at", check.looked_at},
            {"findings", std::move(findings)},
            {"more", check.more}};
}

int answer(const std::vector<Check>& checks, json::object more = {}) {
    json::array all;
    bool right = true;
    for (const auto& check : checks) {
        all.push_back(as_json(check));
        right = right && check.findings.empty();
    }
    more["checks"] = std::move(all);
    std::cout << json::serialize(more) << "\n";
    return right ? 0 : 1;
}

void append(const Documents& documents, const std::string& path) {
    std::ofstream file(path, std::ios::app);
    for (const auto& [key, body] : documents) {
        const auto& [service, tenant, kind, id] = key;
        file << json::serialize(json::array{service, tenant, kind, id, body}) << "\n";
    }
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

Documents read(const std::string& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path);
    Documents documents;
    for (std::string line; std::getline(file, line);) {
        const auto row = json::parse(line);
        const auto at = [&](std::size_t i) { return std::string(row.at(i).as_string()); };
        documents[{at(0), at(1), at(2), at(3)}] = at(4);
    }
    return documents;
}

int run(const std::vector<std::string>& arguments) {
    const auto verb = arguments.empty() ? "" : arguments[0];
    if (verb == "check" && (arguments.size() == 1 || arguments.size() == 3)) {
        const auto facts = read_facts(setting, arguments.size() == 3 ? arguments[2] : "");
        json::array unknown;
        for (const auto& id : unknown_messages(facts)) unknown.emplace_back(id);
        return answer(check_all(facts), {{"events", facts.events.size()},
                                         {"record_lines", facts.record.size()},
                                         {"unknown", std::move(unknown)}});
    }
    if (verb == "documents" && arguments.size() == 3) {
        append(read_documents(setting, arguments[1]), arguments[2]);
        return 0;
    }
    if (verb == "compare" && arguments.size() == 3)
        return answer({compare_read_models(read(arguments[1]), read(arguments[2]))});
    if (verb == "settled") {
        const auto words = unfinished(setting);
        std::cout << words << "\n";
        return words.empty() ? 0 : 1;
    }
    std::cerr << "usage: flowstack-chaos-check check [--chats FILE] | documents SERVICE FILE | "
                 "compare FILE FILE | settled\n";
    return 2;
}

}  // namespace
}  // namespace flowstack::chaos

int main(int argc, char** argv) {
    try {
        return flowstack::chaos::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cerr << "flowstack-chaos-check: " << error.what() << "\n";
        return 3;
    }
}
