#include "tools/chaos/victims.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace flowstack::chaos {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kBallast = "/chaos-ballast";
constexpr int kGoneTries = 200;
constexpr milliseconds kGonePause{50};

// State and start time of a process, from /proc/<pid>/stat; the command may hold spaces.
std::pair<char, std::string> state_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    const std::string line((std::istreambuf_iterator<char>(file)), {});
    const auto end = line.rfind(')');
    if (end == std::string::npos) return {'Z', ""};
    std::istringstream fields(line.substr(end + 1));
    std::string field;
    std::vector<std::string> all;
    while (fields >> field) all.push_back(field);
    return all.size() > 19 ? std::pair{all[0][0], all[19]} : std::pair{'Z', std::string()};
}

std::string quoted(const std::string& text) {
    std::string out = "'";
    for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
    return out + "'";
}

}  // namespace

Victims::Victims(std::string script, std::string run_dir)
    : script_(std::move(script)), run_dir_(std::move(run_dir)) {
    std::error_code ignored;
    data_ = fs::canonical(run_dir_ + "/pg", ignored).string();
    struct stat inside {
    }, outside{};
    own_disk_ = !data_.empty() && stat(data_.c_str(), &inside) == 0 &&
                stat(fs::path(data_).parent_path().c_str(), &outside) == 0 &&
                inside.st_dev != outside.st_dev;
}

int Victims::pid_of(const std::string& name) const {
    std::ifstream file(run_dir_ + "/pids/" + name + ".pid");
    int pid = 0;
    std::string start;
    if (!(file >> pid >> start) || pid <= 1) return 0;
    const auto [state, started] = state_of(pid);
    return state != 'Z' && started == start ? pid : 0;
}

bool Victims::signal(const std::string& name, int number) const {
    const int pid = pid_of(name);
    return pid != 0 && ::kill(pid, number) == 0;
}

bool Victims::kill(const std::string& name) const {
    if (!signal(name, SIGKILL)) return false;
    for (int i = 0; i < kGoneTries && alive(name); ++i) std::this_thread::sleep_for(kGonePause);
    return !alive(name);
}

bool Victims::command(const std::string& arguments) const {
    const auto line = quoted(script_) + " " + arguments + " --run-dir " + quoted(run_dir_) +
                      " </dev/null >>" + quoted(run_dir_ + "/chaos/commands.log") + " 2>&1";
    return std::system(line.c_str()) == 0;
}

void Victims::start(const std::string& name) const {
    if (alive(name)) return;
    command("start " + name + (name == "postgres" || name == "kafka" ? "" : " --no-wait"));
}

std::vector<int> Victims::postgres_processes() const {
    const int server = pid_of("postgres");
    std::vector<int> all;
    if (server == 0) return all;
    all.push_back(server);
    std::ifstream children("/proc/" + std::to_string(server) + "/task/" + std::to_string(server) +
                           "/children");
    for (int pid = 0; children >> pid;) all.push_back(pid);
    return all;
}

void Victims::freeze_disk() const {
    if (!own_disk_) {
        for (const int pid : postgres_processes()) ::kill(pid, SIGSTOP);
        return;
    }
    const int disk = open(data_.c_str(), O_RDONLY | O_CLOEXEC);
    if (disk < 0) return;
    ioctl(disk, FIFREEZE, 0);
    close(disk);
}

void Victims::thaw_disk() const {
    if (!own_disk_) {
        for (const int pid : postgres_processes()) ::kill(pid, SIGCONT);
        return;
    }
    const int disk = open(data_.c_str(), O_RDONLY | O_CLOEXEC);
    if (disk < 0) return;
    ioctl(disk, FITHAW, 0);
    close(disk);
}

void Victims::fill_disk() const {
    if (!own_disk_) {
        // Sets a quota for a process: every write beyond it is refused. PostgreSQL ignores SIGXFSZ.
        for (const int pid : postgres_processes()) {
            rlimit limit{};
            if (prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) continue;
            limit.rlim_cur = 0;
            prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
        }
        return;
    }
    const int file =
        open((data_ + kBallast).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return;
    // Writes ever smaller pieces, until the last block is gone.
    off_t at = 0;
    for (off_t piece = 256 << 20; piece >= 4096;) {
        if (posix_fallocate(file, at, piece) == 0)
            at += piece;
        else
            piece /= 2;
    }
    close(file);
}

void Victims::free_disk() const {
    if (!own_disk_) {
        for (const int pid : postgres_processes()) {
            rlimit limit{};
            if (prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) continue;
            limit.rlim_cur = limit.rlim_max;
            prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
        }
        return;
    }
    std::error_code ignored;
    fs::remove(data_ + kBallast, ignored);
}

}  // namespace flowstack::chaos
