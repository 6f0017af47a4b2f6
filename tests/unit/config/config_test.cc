#include "common/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>

#include "common/core/version.h"

namespace flowstack::config {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// The reader keeps copies, so the arguments may go.
Reader read(std::vector<std::string> flags, std::vector<std::string> environment = {}) {
    flags.insert(flags.begin(), "/opt/flowstack/payment");
    std::vector<const char*> argv;
    for (const auto& flag : flags) argv.push_back(flag.c_str());
    std::vector<const char*> env;
    for (const auto& entry : environment) env.push_back(entry.c_str());
    env.push_back(nullptr);
    return {static_cast<int>(argv.size()), argv.data(), env.data()};
}

TEST(Config, TakesTheEnvironment) {
    auto settings = read({}, {"HTTP_PORT=8080", "KAFKA_BROKERS=a:1,b:2", "REBUILD=yes"});
    EXPECT_EQ(settings.port("HTTP_PORT", 1, ""), 8080);
    EXPECT_EQ(settings.text("KAFKA_BROKERS", "", ""), "a:1,b:2");
    EXPECT_TRUE(settings.boolean("REBUILD", false, ""));
    EXPECT_THAT(settings.mistakes(), IsEmpty());
}

TEST(Config, LetsAFlagWinOverTheEnvironment) {
    auto settings = read({"--http-port=9090"}, {"HTTP_PORT=8080"});
    EXPECT_EQ(settings.port("HTTP_PORT", 1, ""), 9090);
}

TEST(Config, FallsBackToTheDefaultForWhatIsUnsetOrEmpty) {
    auto settings = read({}, {"LOG_LEVEL="});
    EXPECT_EQ(settings.text("LOG_LEVEL", "info", ""), "info");
    EXPECT_EQ(settings.integer("LANES", 4, 1, 64, ""), 4);
    EXPECT_THAT(settings.mistakes(), IsEmpty());
}

TEST(Config, TakesABareFlagForTrue) {
    auto settings = read({"--rebuild"});
    EXPECT_TRUE(settings.boolean("REBUILD", false, ""));
    EXPECT_THAT(settings.mistakes(), IsEmpty());
}

TEST(Config, SplitsAndTrimsLists) {
    auto settings = read({}, {"BROKERS= a:1 ,b:2,, "});
    EXPECT_THAT(settings.list("BROKERS", "", ""), ElementsAre("a:1", "b:2"));
}

TEST(Config, ReportsEveryMistakeAtOnce) {
    auto settings = read({"--relay-poll-ms=soon", "--no-such=1", "stray", "--lanes"},
                         {"HTTP_PORT=65536", "LOG_LEVEL=loud", "REBUILD=perhaps"});
    EXPECT_EQ(settings.duration_ms("RELAY_POLL_MS", 10, ""), milliseconds{10});
    EXPECT_EQ(settings.port("HTTP_PORT", 80, ""), 80);
    EXPECT_EQ(settings.choice("LOG_LEVEL", "info", {"info", "warn"}, ""), "info");
    EXPECT_FALSE(settings.boolean("REBUILD", false, ""));
    EXPECT_EQ(settings.integer("LANES", 4, 1, 64, ""), 4);
    EXPECT_EQ(settings.required_text("DATABASE_URL", "where events are kept"), "");
    settings.mistake("HTTP_PORT and ADMIN_PORT: must differ");
    EXPECT_THAT(
        settings.mistakes(),
        ElementsAre(HasSubstr("\"stray\": not a flag"),
                    AllOf(HasSubstr("--relay-poll-ms: \"soon\""), HasSubstr("0 to 2678400000")),
                    AllOf(HasSubstr("HTTP_PORT: \"65536\""), HasSubstr("0 to 65535")),
                    AllOf(HasSubstr("LOG_LEVEL"), HasSubstr("one of info, warn")),
                    HasSubstr("REBUILD: \"perhaps\""), HasSubstr("--lanes: needs a value"),
                    AllOf(HasSubstr("DATABASE_URL"), HasSubstr("must be set")),
                    HasSubstr("must differ"), HasSubstr("--no-such: no such setting")));
}

TEST(Config, IgnoresVariablesItDoesNotKnow) {
    auto settings = read({}, {"PATH=/bin", "HOME=/root", "=odd", "noequals"});
    EXPECT_THAT(settings.mistakes(), IsEmpty());
}

TEST(Config, RefusesAFlagGivenTwice) {
    auto settings = read({"--lanes=4", "--lanes=8"});
    settings.integer("LANES", 4, 1, 64, "");
    EXPECT_THAT(settings.mistakes(), ElementsAre(HasSubstr("given twice")));
}

TEST(Config, ExitsWithTwoAndSaysWhyOnStderr) {
    auto settings = read({"--lanes=0"});
    settings.integer("LANES", 4, 1, 64, "");
    EXPECT_EXIT(settings.finish(), ::testing::ExitedWithCode(2), "payment: 1 mistake(.|\n)*lanes");
}

TEST(Config, ExitsWithZeroAfterHelpEvenWhenThereAreMistakes) {
    auto settings = read({"--help", "--nonsense"});
    EXPECT_EXIT(settings.finish(), ::testing::ExitedWithCode(0), "");
}

TEST(Config, DescribesItselfWithoutWhatItNeedsToRun) {
    auto settings = read({"--describe-config"});
    settings.required_text("DATABASE_URL", "where events are kept");
    EXPECT_EXIT(settings.finish(), ::testing::ExitedWithCode(0), "");
}

TEST(Config, ReturnsWhenAllIsWell) {
    auto settings = read({});
    settings.finish();
}

TEST(Config, ShowsEverySettingInHelp) {
    auto settings = read({});
    settings.duration_ms("RELAY_POLL_MS", 10, "how often lane heads are read");
    settings.required_text("DATABASE_URL", "where events are kept");
    const auto help = settings.help_text();
    EXPECT_THAT(help, HasSubstr("RELAY_POLL_MS  10        how often lane heads are read [ms]"));
    EXPECT_THAT(help, HasSubstr("DATABASE_URL   required  where events are kept"));
}

TEST(Config, MasksSecretsWhereItShowsValues) {
    auto settings =
        read({"--print-config"}, {"MASTER_KEY=hunter2", "DATABASE_URL=postgresql://u:hunter2@h/d"});
    EXPECT_EQ(settings.secret("MASTER_KEY", "", "").reveal(), "hunter2");
    EXPECT_EQ(settings.text("DATABASE_URL", "", ""), "postgresql://u:hunter2@h/d");
    EXPECT_TRUE(settings.secret("ADMIN_KEY", "", "").empty());
    EXPECT_EQ(settings.printed_config(),
              "MASTER_KEY=***\nDATABASE_URL=postgresql://u:***@h/d\nADMIN_KEY=\n");
    EXPECT_EXIT(settings.finish(), ::testing::ExitedWithCode(0), "");
}

TEST(Config, NeverRepeatsASecretInAMistake) {
    auto settings = read({"--database-url=postgresql://u:hunter2@h"});
    settings.choice("DATABASE_URL", "a", {"a"}, "");
    ASSERT_EQ(settings.mistakes().size(), 1U);
    EXPECT_THAT(settings.mistakes()[0], Not(HasSubstr("hunter2")));
}

TEST(Config, FindsPasswordsInUrlsAndKeywordStrings) {
    EXPECT_EQ(without_passwords("postgresql://u:p@h:5432/d"), "postgresql://u:***@h:5432/d");
    EXPECT_EQ(without_passwords("postgresql://u:p@ss@h/d"), "postgresql://u:***@h/d");
    EXPECT_EQ(without_passwords("host=h password=p dbname=d"), "host=h password=*** dbname=d");
    EXPECT_EQ(without_passwords("host=h password='p q' dbname=d"),
              "host=h password='***' dbname=d");
    EXPECT_EQ(without_passwords("http://127.0.0.1:8080/x"), "http://127.0.0.1:8080/x");
    EXPECT_EQ(without_passwords("127.0.0.1:9092"), "127.0.0.1:9092");
}

std::string file_with(const std::string& content) {
    std::string path = ::testing::TempDir() + "flowstack_config_XXXXXX";
    const int file = ::mkstemp(path.data());
    EXPECT_EQ(::write(file, content.data(), content.size()), static_cast<ssize_t>(content.size()));
    ::close(file);
    return path;
}

TEST(Config, TakesTheFirstLineOfAFile) {
    const auto path = file_with("hunter2\r\nanother line\n");
    auto settings = read({}, {"MASTER_KEY_FILE=" + path});
    EXPECT_EQ(settings.required_secret("MASTER_KEY", "").reveal(), "hunter2");
    EXPECT_THAT(settings.mistakes(), IsEmpty());
    EXPECT_EQ(settings.printed_config(), "MASTER_KEY=***\n");
}

TEST(Config, LetsAFlagWinOverAFile) {
    auto settings = read({"--http-port=9090"}, {"HTTP_PORT_FILE=" + file_with("8080")});
    EXPECT_EQ(settings.port("HTTP_PORT", 1, ""), 9090);
    EXPECT_THAT(settings.mistakes(), IsEmpty());
}

TEST(Config, NamesAFileThatCannotBeReadOrSaysNothing) {
    auto settings = read({}, {"MASTER_KEY_FILE=/nowhere/key", "ADMIN_KEY_FILE=" + file_with("\n")});
    settings.required_secret("MASTER_KEY", "");
    settings.secret("ADMIN_KEY", "", "");
    const auto mistakes = settings.mistakes();
    ASSERT_EQ(mistakes.size(), 2U);
    EXPECT_THAT(mistakes[0], HasSubstr("MASTER_KEY_FILE: cannot read /nowhere/key"));
    EXPECT_THAT(mistakes[1], HasSubstr("ADMIN_KEY_FILE: the first line of"));
}

TEST(Config, RefusesAValueAndAFileForOneSetting) {
    auto settings = read({}, {"MASTER_KEY=a", "MASTER_KEY_FILE=" + file_with("b")});
    settings.secret("MASTER_KEY", "", "");
    ASSERT_EQ(settings.mistakes().size(), 1U);
    EXPECT_THAT(settings.mistakes()[0], HasSubstr("MASTER_KEY is set too"));
}

TEST(Config, SaysItsVersion) {
    const auto settings = read({"--version"});
    EXPECT_EXIT(settings.finish(), ::testing::ExitedWithCode(0), "");
    EXPECT_EQ(std::ranges::count(version(), '.'), 2) << version();
}

TEST(Config, DescribesItselfForTheDocuments) {
    auto settings = read({});
    settings.duration_ms("RELAY_POLL_MS", 10, "how often lane heads are read", 1, 1000);
    settings.required_secret("MASTER_KEY", "wraps tenants' keys");
    const auto& described = settings.describe();
    ASSERT_EQ(described.size(), 2U);
    EXPECT_EQ(described[0].default_value, "10");
    EXPECT_EQ(described[0].unit, "ms");
    EXPECT_EQ(described[0].allowed, "1 to 1000");
    EXPECT_TRUE(described[1].required);
    EXPECT_THAT(markdown_table(described),
                HasSubstr("| `RELAY_POLL_MS` | `10` | ms | 1 to 1000 | how often"));
    EXPECT_THAT(env_example(described), HasSubstr("\n#RELAY_POLL_MS=10\n"));
    EXPECT_THAT(env_example(described), HasSubstr("\nMASTER_KEY=\n"));
}

}  // namespace
}  // namespace flowstack::config
