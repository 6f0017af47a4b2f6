#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>

#include "tools/docs/documents.h"

// usage: flowstack-docs write|check <root of the repository>
//
// `check` names every document that is not what `write` would make of the code, and ends with 1.
namespace {

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string first_difference(const std::string& was, const std::string& is) {
    std::istringstream a(was), b(is);
    std::string x, y;
    for (int line = 1;; ++line) {
        const bool more_x = static_cast<bool>(std::getline(a, x));
        const bool more_y = static_cast<bool>(std::getline(b, y));
        if (!more_x && !more_y) return "";
        if (!more_x || !more_y || x != y)
            return "line " + std::to_string(line) + "\n  is:        " + (more_x ? x : "(nothing)") +
                   "\n  should be: " + (more_y ? y : "(nothing)");
    }
}

}  // namespace

int main(int argc, char** argv) try {
    const std::string verb = argc == 3 ? argv[1] : "";
    if (verb != "write" && verb != "check") {
        std::cerr << "usage: flowstack-docs write|check <root>\n";
        return 2;
    }
    const std::filesystem::path root = argv[2];
    flowstack::docs::Documents documents;
    flowstack::docs::add_access(root, documents);
    flowstack::docs::add_events(root, documents);
    flowstack::docs::add_openapi(root, documents);
    flowstack::docs::add_postman(documents);
    flowstack::docs::add_reference(documents);
    flowstack::docs::add_rules(root, documents);
    int wrong = 0;
    for (const auto& [path, text] : documents) {
        if (verb == "write") {
            std::filesystem::create_directories((root / path).parent_path());
            std::ofstream(root / path) << text;
            std::cout << path << "\n";
        } else if (const auto difference = first_difference(read(root / path), text);
                   !difference.empty()) {
            std::cerr << path << " is not what the code says: " << difference << "\n";
            ++wrong;
        }
    }
    if (wrong) std::cerr << "make it so: flowstack-docs write " << argv[2] << "\n";
    return wrong ? 1 : 0;
} catch (const std::exception& error) {
    std::cerr << "flowstack-docs: " << error.what() << "\n";
    return 1;
}
