#include "tests/e2e/stack.h"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

namespace flowstack::e2e {
namespace {

using Steady = std::chrono::steady_clock;

// Every wait is a setting, so that no test sleeps: what takes minutes in life takes a second here.
constexpr const char* kSettings =
    "GENTLE_AFTER_MS=2500\n"
    "REMINDER_AFTER_MS=6000\n"
    "PUSH_POLL_FIRST_MS=5000\n"
    "PUSH_POLL_PLAN_MS=500,1000,1000,2000\n"
    "INTENT_EXPIRY_MS=12000\n"
    "UNKNOWN_EVIDENCE_WAIT_MS=8000\n"
    "SEND_TIMEOUT_MS=3000\n"
    "HEAD_COMPARE_MS=1000\n"
    // A second app, whose signatures are good and which owns no channel.
    "META_APPS=$META_APP_ID:$META_APP_SECRET,100000000000002:secret-of-another-app\n"
    "LOG_LEVEL=info\n";

// FLOWSTACK_E2E_SETTINGS="NAME=value NAME=value": a suite in another world (docs/testing.md).
std::string settings_from_outside() {
    const char* given = std::getenv("FLOWSTACK_E2E_SETTINGS");
    std::string lines = given ? std::string(given) + "\n" : "";
    std::replace(lines.begin(), lines.end(), ' ', '\n');
    return lines;
}

std::string program_name() {
    return std::filesystem::read_symlink("/proc/self/exe").filename().string();
}

StackOptions& options() {
    static StackOptions wanted;
    return wanted;
}

// A folder of links to the programs of this build, some of them to others than their names say.
// ./flowstack takes the programs from there.
void put_programs_in_place(const std::string& folder) {
    namespace fs = std::filesystem;
    const auto built = fs::read_symlink("/proc/self/exe").parent_path();
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const auto& program : fs::directory_iterator(built)) {
        const auto name = program.path().filename().string();
        const auto other = options().programs.find(name);
        fs::create_symlink(built / (other == options().programs.end() ? name : other->second),
                           fs::path(folder) / name);
    }
    ::setenv("FLOWSTACK_BIN_DIR", folder.c_str(), 1);
}

std::string contents(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

bool Stack::configure(StackOptions wanted) {
    options() = std::move(wanted);
    return true;
}

Stack& Stack::get() {
    // Without a stack there is nothing to test: one failure, not one a test.
    static const auto stack = [] {
        try {
            return std::make_unique<Stack>();
        } catch (const std::exception& error) {
            std::cerr << "no stack: " << error.what() << "\n";
            std::exit(1);
        }
    }();
    return *stack;
}

Stack::Stack() {
    if (const char* given = std::getenv("FLOWSTACK_E2E_RUN_DIR")) {
        run_dir_ = given;  // a stack that somebody started by hand and keeps
    } else {
        run_dir_ = std::string(FLOWSTACK_E2E_DIR) + "/" + program_name();
        std::filesystem::create_directories(run_dir_);
        if (!options().programs.empty()) put_programs_in_place(run_dir_ + "/bin");
        const auto settings = run_dir_ + "/settings.in";
        std::ofstream(settings) << kSettings << options().settings << settings_from_outside();
        command("down --wipe");
        command("up --no-build --no-seed --replicas " + std::to_string(options().replicas) +
                " --env " + settings);
    }
    environment = stack::Environment::from_file(run_dir_ + "/env");
    api_ = std::make_unique<stack::Api>(environment);
    sandbox_ = std::make_unique<stack::Sandbox>(environment);
}

Stack::~Stack() {
    api_.reset();
    sandbox_.reset();
    if (!std::getenv("FLOWSTACK_E2E_RUN_DIR")) {
        const auto line = std::string(FLOWSTACK_SOURCE_DIR) + "/flowstack down --run-dir " +
                          run_dir_ + " </dev/null >>" + run_dir_ + "/commands.log 2>&1";
        if (std::system(line.c_str()) != 0)
            std::cerr << "the stack did not stop cleanly: " << line << "\n";
    }
}

void Stack::leave_out(const std::string& replica) {
    auto others = environment;
    for (const auto& service : stack::kServices) {
        const auto name = stack::upper(service);
        std::string list;
        for (int i = 0; i < options().replicas; ++i)
            if (std::to_string(i) != replica)
                list += (list.empty() ? "ipv4:" : ",") +
                        environment.required(name + "_" + std::to_string(i) + "_GRPC");
        others.set(name + "_GRPC", list);
    }
    api_ = std::make_unique<stack::Api>(others);
}

void Stack::command(const std::string& arguments) {
    const auto line = std::string(FLOWSTACK_SOURCE_DIR) + "/flowstack " + arguments +
                      " --run-dir " + run_dir_ + " </dev/null >>" + run_dir_ + "/commands.log 2>&1";
    const int status = std::system(line.c_str());
    if (status != 0)
        throw std::runtime_error("./flowstack " + arguments + " ended with " +
                                 std::to_string(status) + "; see " + run_dir_ + "/commands.log");
}

Stack::Said Stack::flowctl(const std::string& arguments) {
    const auto out = run_dir_ + "/flowctl.out";
    const auto err = run_dir_ + "/flowctl.err";
    const auto line = environment.required("FLOWSTACK_BIN_DIR") + "/flowctl --env-file " +
                      run_dir_ + "/env " + arguments + " </dev/null >" + out + " 2>" + err;
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
}

stack::ShopSpec Stack::shop(const std::string& unique, bool limits,
                            const std::string& unknown_text_policy) {
    // A stack that is kept gets new shops every time.
    static const auto run = std::to_string(
        std::chrono::system_clock::now().time_since_epoch().count() / 1'000'000'000 % 1'000'000);
    auto spec = stack::shop_for(unique + "-" + run);
    spec.limits = limits;
    spec.unknown_text_policy = unknown_text_policy;
    stack::make_shop(spec, environment, api(), sandbox());
    return spec;
}

std::string phone_for(const std::string& unique) {
    const auto digits = stack::shop_for(unique + "-customer").display_phone_number;
    return digits;
}

bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds patience) {
    const auto until = Steady::now() + patience;
    while (true) {
        if (holds()) return true;
        if (Steady::now() > until) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

void expect_read_models_equal_a_rebuild() {
    // It names the service and shows the first documents that differ, in commands.log.
    EXPECT_NO_THROW(Stack::get().command("compare-read-models"));
}

void expect_right(const stack::ShopSpec& shop) {
    auto& stack = Stack::get();
    std::vector<std::string> problems;
    eventually([&] {
        problems = stack::check_shop({shop.tenant, shop.phone_number_id, shop.shortcode},
                                     stack.api(), stack.sandbox());
        return problems.empty();
    });
    for (const auto& problem : problems) ADD_FAILURE() << shop.tenant << ": " << problem;
}

}  // namespace flowstack::e2e
