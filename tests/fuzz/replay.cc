// Runs every committed input through its target: a case for each target, and one that says whether
// the folders and the targets are the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace flowstack::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> inputs_of(std::string_view target) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(fs::path(FUZZ_CORPUS) / target))
        if (entry.is_regular_file()) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
}

class Replay : public ::testing::Test {
public:
    explicit Replay(Target target) : target_(target) {}
    void TestBody() override {
        const auto inputs = inputs_of(target_.name);
        EXPECT_FALSE(inputs.empty()) << "no inputs";
        for (const auto& path : inputs) {
            std::ifstream file(path, std::ios::binary);
            const std::string bytes{std::istreambuf_iterator<char>(file), {}};
            // Said before, so that a crash has a name.
            std::cerr << path.filename().string() << "\n";
            try {
                target_.run(bytes);
            } catch (const Broken& broken) {
                ADD_FAILURE() << path << ": " << broken.what;
            } catch (const std::exception& error) {
                ADD_FAILURE() << path << ": threw " << error.what();
            }
        }
    }

private:
    Target target_;
};

class Folders : public ::testing::Test {
public:
    void TestBody() override {
        std::vector<std::string> folders, names;
        for (const auto& entry : fs::directory_iterator(FUZZ_CORPUS))
            folders.push_back(entry.path().filename().string());
        for (const auto& target : targets()) names.emplace_back(target.name);
        std::sort(folders.begin(), folders.end());
        std::sort(names.begin(), names.end());
        EXPECT_EQ(folders, names);
    }
};

}  // namespace
}  // namespace flowstack::fuzz

int main(int argc, char** argv) {
    using namespace flowstack::fuzz;
    ::testing::InitGoogleTest(&argc, argv);
    ::testing::RegisterTest("FuzzCorpus", "EveryTargetHasAFolderAndEveryFolderATarget", nullptr,
                            nullptr, __FILE__, __LINE__,
                            []() -> ::testing::Test* { return new Folders; });
    for (const auto& target : targets())
        ::testing::RegisterTest("FuzzCorpus", std::string(target.name).c_str(), nullptr, nullptr,
                                __FILE__, __LINE__,
                                [target]() -> ::testing::Test* { return new Replay(target); });
    return RUN_ALL_TESTS();
}
