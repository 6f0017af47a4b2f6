#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

// deploy/observability: what rules and dashboards ask for exists, and every alert says what to do.
namespace flowstack {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

const fs::path kSource = FLOWSTACK_SOURCE_DIR;
const fs::path kObservability = kSource / "deploy/observability";

std::string text_at(const fs::path& path) {
    std::ifstream file(path);
    EXPECT_TRUE(file) << path;
    return {std::istreambuf_iterator<char>(file), {}};
}

std::set<std::string> matches(const std::string& text, const char* pattern) {
    const std::regex wanted(pattern);
    std::set<std::string> found;
    for (std::sregex_iterator at(text.begin(), text.end(), wanted), end; at != end; ++at)
        found.insert((*at)[1]);
    return found;
}

// Every name of a metric that stands in the product's code as a text.
std::set<std::string> metrics_of_the_code() {
    std::set<std::string> names;
    for (const auto* folder : {"common", "services"})
        for (const auto& entry : fs::recursive_directory_iterator(kSource / folder))
            if (entry.path().extension() == ".cc" || entry.path().extension() == ".h")
                names.merge(matches(text_at(entry.path()), R"re("(flowstack_[a-z0-9_]+)")re"));
    return names;
}

// Without what Prometheus adds to a histogram's name.
std::string base_of(const std::string& name) {
    for (const auto* ending : {"_bucket", "_count", "_sum"})
        if (name.ends_with(ending)) return name.substr(0, name.size() - std::string(ending).size());
    return name;
}

std::set<fs::path> dashboards() {
    std::set<fs::path> files;
    for (const auto& entry : fs::directory_iterator(kObservability / "dashboards"))
        if (entry.path().extension() == ".json") files.insert(entry.path());
    return files;
}

TEST(Observability, AsksForMetricsThatTheCodeHas) {
    const auto known = metrics_of_the_code();
    ASSERT_GT(known.size(), 40U);
    auto asked = std::set<fs::path>{kObservability / "alerts.yaml"};
    asked.merge(dashboards());
    for (const auto& file : asked) {
        int names = 0;
        // A recorded rule is called job:flowstack_…, which is no metric of the code.
        for (const auto& name :
             matches(text_at(file), R"((?:^|[^a-z0-9_:])(flowstack_[a-z0-9_]+))")) {
            ++names;
            EXPECT_TRUE(known.contains(name) || known.contains(base_of(name)))
                << file.filename() << " asks for " << name << ", which nothing counts";
        }
        EXPECT_GT(names, 3) << file;
    }
}

TEST(Observability, HasARunbookAndTwoTestsForEachAlert) {
    const auto rules = text_at(kObservability / "alerts.yaml");
    const auto tests = text_at(kSource / "tests/observability/alerts_test.yaml");
    const auto alerts = matches(rules, R"(- alert: (\w+))");
    ASSERT_GT(alerts.size(), 10U);
    for (const auto& alert : alerts) {
        const auto page = "docs/runbooks/" + alert + ".md";
        EXPECT_NE(rules.find("runbook_url: " + page + "\n"), std::string::npos) << alert;
        const auto runbook = text_at(kSource / page);
        for (const auto* heading :
             {"## What it means", "## How to see it", "## What to do", "## How to know it is over"})
            EXPECT_NE(runbook.find(heading), std::string::npos) << page << ": " << heading;
        for (const auto* kind : {" fires\n", " is quiet\n"})
            EXPECT_NE(tests.find("- name: " + alert + kind), std::string::npos) << alert << kind;
    }
    for (const auto& entry : fs::directory_iterator(kSource / "docs/runbooks"))
        EXPECT_TRUE(alerts.contains(entry.path().stem().string()))
            << entry.path() << " is about no alert";
    // Each alert has its severity.
    const std::regex severity(R"(severity: (page|ticket)\})");
    const auto severities = std::distance(
        std::sregex_iterator(rules.begin(), rules.end(), severity), std::sregex_iterator());
    EXPECT_EQ(severities, static_cast<std::ptrdiff_t>(alerts.size()));
}

TEST(Observability, SaysOfEachPanelWhatItShowsAndInWhichUnit) {
    std::set<std::string> names;
    for (const auto& file : dashboards()) {
        names.insert(file.stem());
        const auto dashboard = json::parse(text_at(file));
        int panels = 0;
        for (const auto& panel : dashboard.at("panels").as_array()) {
            if (panel.at("type").as_string() == "row") continue;
            ++panels;
            const auto title =
                file.filename().string() + ": " + std::string(panel.at("title").as_string());
            EXPECT_GT(panel.at("description").as_string().size(), 20U) << title;
            EXPECT_FALSE(panel.at("fieldConfig").at("defaults").at("unit").as_string().empty())
                << title;
            for (const auto& target : panel.at("targets").as_array())
                EXPECT_FALSE(target.at("expr").as_string().empty()) << title;
        }
        EXPECT_GT(panels, 3) << file;
    }
    EXPECT_EQ(names, (std::set<std::string>{"campaigns", "gateway", "log-and-bus", "overview",
                                            "payments"}));
}

}  // namespace
}  // namespace flowstack
