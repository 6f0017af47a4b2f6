#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

// Comments and pages name files. This test finds names of files that do not exist: a reader who
// follows such a name loses time, and the sentence around it is usually out of date too.
namespace flowstack {
namespace {

namespace fs = std::filesystem;

const fs::path kRoot = FLOWSTACK_SOURCE_DIR;

struct Finding {
    std::string where;  // file:line
    std::string name;
};

// Every file of the repository that people write: no build folders, no vendored protos.
std::vector<fs::path> written_files() {
    const std::set<std::string> kSkipped{".git",   ".run",         "build",
                                         ".cache", "node_modules", "google"};
    std::vector<fs::path> files;
    for (auto at = fs::recursive_directory_iterator(kRoot);
         at != fs::recursive_directory_iterator(); ++at) {
        if (at->is_directory() && kSkipped.contains(at->path().filename()))
            at.disable_recursion_pending();
        else if (at->is_regular_file())
            files.push_back(fs::relative(at->path(), kRoot));
    }
    return files;
}

// The part of a line in which names are looked for: its comment, or all of a page's line.
std::string prose_of(const fs::path& file, const std::string& line) {
    const auto extension = file.extension().string();
    const std::string mark = extension == ".md"    ? ""
                             : extension == ".sql" ? "--"
                             : extension == ".sh" || extension == ".cmake" || extension == ".txt"
                                 ? "#"
                                 : "//";
    const auto begin = line.find(mark);
    return begin == std::string::npos ? std::string() : line.substr(begin);
}

class Names {
public:
    explicit Names(const std::vector<fs::path>& files) {
        for (const auto& file : files) {
            paths_.insert(file.generic_string());
            bare_.insert(file.filename());
        }
    }

    // Whether a path from the repository's root, or that of a generated header, exists.
    bool exists(const std::string& path) const {
        return paths_.contains(path) || path.find(".pb.h") != std::string::npos;
    }
    bool is_a_file_name(const fs::path& name) const { return bare_.contains(name.filename()); }

    std::vector<Finding> missing_in(const fs::path& file, const std::string& text) const {
        static const std::regex rooted(
            R"((^|[^\w/.-])((?:common|services|tests|tools|proto|migrations|docs|deploy|cmake)/[\w./-]+\.(?:h|cc|md|sql|proto|sh|json|js|cmake))(?!\w))");
        static const std::regex bare(R"((^|[^\w/.<-])([\w-]+(?:/[\w-]+)*\.(?:h|cc|md|sql))(?!\w))");
        static const std::regex link(R"(\]\(([^)#:]+)(?:#[^)]*)?\))");
        std::vector<Finding> findings;
        std::istringstream lines(text);
        int number = 0;
        for (std::string line; std::getline(lines, line);) {
            ++number;
            const auto prose = prose_of(file, line);
            const auto where = file.generic_string() + ":" + std::to_string(number);
            const auto each = [&](const std::regex& pattern, std::size_t group, auto missing) {
                for (std::sregex_iterator at(prose.begin(), prose.end(), pattern), end; at != end;
                     ++at)
                    if (const auto name = (*at)[group].str(); missing(name))
                        findings.push_back({where, name});
            };
            each(rooted, 2, [&](const std::string& name) { return !exists(name); });
            if (file.extension() != ".md")
                each(bare, 2, [&](const std::string& name) {
                    return !is_a_file_name(name) && name.find(".pb.h") == std::string::npos;
                });
            else
                each(link, 1, [&](const std::string& name) {
                    return !fs::exists(kRoot / file.parent_path() / name);
                });
        }
        return findings;
    }

private:
    std::set<std::string> paths_;
    std::set<fs::path> bare_;
};

std::string text_of(const fs::path& file) {
    std::ifstream in(kRoot / file);
    return {std::istreambuf_iterator<char>(in), {}};
}

TEST(Paths, ThatCommentsAndPagesNameExist) {
    const auto files = written_files();
    const Names names(files);
    const std::set<std::string> kRead{".h",     ".cc", ".md",    ".sql",
                                      ".proto", ".sh", ".cmake", ".txt"};
    int looked_at = 0;
    for (const auto& file : files) {
        if (!kRead.contains(file.extension())) continue;
        ++looked_at;
        for (const auto& [where, name] : names.missing_in(file, text_of(file)))
            ADD_FAILURE() << where << " names " << name << ", which does not exist";
    }
    EXPECT_GT(looked_at, 500);
}

TEST(Paths, ThatDoNotExistAreFound) {
    const Names names({"common/core/money.h"});
    const auto found = [&](const char* file, const char* text) {
        return names.missing_in(file, text).size();
    };
    EXPECT_EQ(found("a.cc", "int a;  // see common/core/money.h"), 0U);
    EXPECT_EQ(found("a.cc",
                    "int a;  // see common/core/gone"
                    ".h and also other"
                    ".h"),
              3U);  // the first one counts as a path and as a name
    EXPECT_EQ(found("a.cc",
                    "#include \"common/core/gone"
                    ".h\""),
              0U);  // code is the compiler's
    EXPECT_EQ(found("docs/a.md",
                    "[a page](no/such"
                    ".md)"),
              1U);
}

}  // namespace
}  // namespace flowstack
