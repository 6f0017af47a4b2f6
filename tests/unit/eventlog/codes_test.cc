#include "common/eventlog/codes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

// What C++ and SQL must agree on, read from the SQL itself.
namespace flowstack::eventlog {
namespace {

std::string sql_of(const std::string& file) {
    std::stringstream text;
    text << std::ifstream(std::string(FLOWSTACK_SOURCE_DIR) + "/migrations/eventlog/" + file)
                .rdbuf();
    EXPECT_FALSE(text.str().empty()) << file;
    return text.str();
}

TEST(Codes, VerdictsAreThoseOfAppend) {
    const auto sql = sql_of("0002_append.sql");
    std::map<std::string, int> verdicts;
    static const std::regex kConstant(R"((\w+) constant int := (\d+);)");
    for (auto it = std::sregex_iterator(sql.begin(), sql.end(), kConstant);
         it != std::sregex_iterator(); ++it)
        verdicts[(*it)[1]] = std::stoi((*it)[2]);
    EXPECT_EQ(verdicts, (std::map<std::string, int>{{"all_ok", kVerdictAllOk},
                                                    {"ok", kVerdictOk},
                                                    {"wrong_version", kVerdictWrongVersion},
                                                    {"already_done", kVerdictAlreadyDone},
                                                    {"other_body", kVerdictOtherBody},
                                                    {"claim_taken", kVerdictClaimTaken},
                                                    {"not_owner", kVerdictNotOwner}}));
    std::set<Outcome> outcomes;
    verdicts.erase("all_ok");
    for (const auto& [name, number] : verdicts) outcomes.insert(outcome_of(number));
    EXPECT_EQ(outcomes.size(), verdicts.size());
    EXPECT_THROW(outcome_of(0), std::logic_error);
    EXPECT_THROW(outcome_of(7), std::logic_error);
    // And append() judges by these names only.
    EXPECT_FALSE(std::regex_search(sql, std::regex(R"(\bv (:?=|<>|in \(?) ?\d)")));
}

TEST(Codes, SqlstatesAreThoseThatTheSqlRaises) {
    std::set<std::string> raised;
    static const std::regex kRaised(R"(errcode = '(\w+)')");
    for (const auto* file :
         {"0001_tables.sql", "0002_append.sql", "0003_walls.sql", "0005_tail.sql"}) {
        const auto sql = sql_of(file);
        for (auto it = std::sregex_iterator(sql.begin(), sql.end(), kRaised);
             it != std::sregex_iterator(); ++it)
            raised.insert((*it)[1]);
    }
    std::set<std::string> known;
    for (const auto code : {kNoSuchLane, kRefused, kClockAhead, kCursorMoved, kOtherLane,
                            kAppendOnly, kNotParked, kLaneRefuses, kTailDiffers})
        known.emplace(code);
    EXPECT_EQ(raised, known);
}

}  // namespace
}  // namespace flowstack::eventlog
