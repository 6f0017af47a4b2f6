#include "tests/bench/machine.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace flowstack::bench {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

constexpr milliseconds kLook{10};

// The fields of /proc/<pid>/stat after the command, which may hold spaces: [0] is the state.
std::vector<std::string> stat_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    const auto end = text.rfind(')');
    if (end == std::string::npos) return {};
    std::istringstream words(text.substr(end + 1));
    std::vector<std::string> fields;
    for (std::string word; words >> word;) fields.push_back(word);
    return fields;
}

struct CpuTimes {
    double idle = 0;
    double busy = 0;
};
CpuTimes cpu_times() {
    std::ifstream file("/proc/stat");
    std::string word;
    file >> word;
    CpuTimes times;
    double value = 0;
    for (int i = 0; i < 8 && file >> value; ++i) (i == 3 ? times.idle : times.busy) += value;
    return times;
}

}  // namespace

std::int64_t now_us() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return std::int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
}

void sleep_until_us(std::int64_t at_us) {
    timespec t{};
    t.tv_sec = at_us / 1'000'000;
    t.tv_nsec = at_us % 1'000'000 * 1000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr) == EINTR) {
    }
}

double cpu_seconds(pid_t pid) {
    const auto fields = stat_of(pid);
    if (fields.size() < 13) return 0;
    return (std::stod(fields[11]) + std::stod(fields[12])) /
           static_cast<double>(sysconf(_SC_CLK_TCK));
}

double resident_mb(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024.0;
    return 0;
}

std::int64_t started_us(pid_t pid) {
    const auto fields = stat_of(pid);
    if (fields.size() < 20) return 0;
    // Ticks since boot; CLOCK_MONOTONIC counts from there too, unless the machine slept.
    return std::stoll(fields[19]) * 1'000'000 / sysconf(_SC_CLK_TCK);
}

bool IdleGate::wait() {
    const auto until = Steady::now() + bound_;
    while (true) {
        const auto before = cpu_times();
        std::this_thread::sleep_for(std::chrono::seconds(1));
        const auto after = cpu_times();
        const double idle = after.idle - before.idle;
        const double all = idle + after.busy - before.busy;
        ++waited_s_;
        if (all > 0 && idle / all >= idle_share_) return true;
        if (Steady::now() >= until) {
            ++refused_;
            return false;
        }
    }
}

Child::Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& env,
             const std::string& log_path)
    : log_path_(log_path) {
    const int log = open(log_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (log < 0) throw std::runtime_error("cannot write " + log_path);
    int pipe_ends[2];
    if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    std::vector<std::string> settings;
    for (char** entry = environ; *entry; ++entry) {
        const std::string line = *entry;
        if (!env.contains(line.substr(0, line.find('=')))) settings.push_back(line);
    }
    for (const auto& [name, value] : env)
        settings.push_back(std::string(name).append("=").append(value));
    std::vector<char*> argv, envp;
    for (const auto& word : command) argv.push_back(const_cast<char*>(word.c_str()));
    for (const auto& line : settings) envp.push_back(const_cast<char*>(line.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
        setsid();
        dup2(pipe_ends[0], 0);
        dup2(log, 1);
        dup2(log, 2);
        execvpe(argv[0], argv.data(), envp.data());
        _exit(127);
    }
    close(log);
    close(pipe_ends[0]);
    stdin_ = pipe_ends[1];
}

Child::~Child() { stop(); }

bool Child::alive() {
    if (ended_) return false;
    if (waitpid(pid_, &status_, WNOHANG) == pid_) ended_ = true;
    return !ended_;
}

void Child::tell(const std::string& line) {
    const auto text = line + "\n";
    if (write(stdin_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw std::runtime_error("a program of the bench does not listen; see " + log_path_);
}

std::string Child::log() const {
    std::ifstream file(log_path_);
    return {std::istreambuf_iterator<char>(file), {}};
}

bool Child::says(const std::string& text, milliseconds patience) {
    const auto until = Steady::now() + patience;
    while (true) {
        const bool lives = alive();
        if (log().find(text) != std::string::npos) return true;
        if (!lives || Steady::now() > until) return false;
        std::this_thread::sleep_for(kLook);
    }
}

int Child::wait(milliseconds patience) {
    const auto until = Steady::now() + patience;
    while (alive()) {
        if (Steady::now() > until) return -1;
        std::this_thread::sleep_for(kLook);
    }
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
}

int Child::stop(milliseconds patience) {
    if (stdin_ >= 0) close(stdin_);
    stdin_ = -1;
    if (alive()) kill(pid_, SIGTERM);
    const int code = wait(patience);
    if (alive()) {
        kill(pid_, SIGKILL);
        waitpid(pid_, &status_, 0);
        ended_ = true;
        return -1;
    }
    return code;
}

bool port_opens(int port, milliseconds patience) {
    const auto until = Steady::now() + patience;
    while (true) {
        const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool open = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        close(fd);
        if (open) return true;
        if (Steady::now() > until) return false;
        std::this_thread::sleep_for(kLook);
    }
}

int free_port() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        close(fd);
        throw std::runtime_error("no free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

}  // namespace flowstack::bench
