#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

// The machine under a measurement: whether it is idle, what a process costs, processes of our own.
namespace flowstack::bench {

// CLOCK_MONOTONIC, the same in every process of this machine.
std::int64_t now_us();
void sleep_until_us(std::int64_t at_us);

// User and system time of a process so far, its resident memory now. 0 when it is gone.
double cpu_seconds(pid_t pid);
double resident_mb(pid_t pid);
// When the process was forked, on the clock of now_us(), to 10 ms.
std::int64_t started_us(pid_t pid);

// Waits until the CPUs are idle, so that a neighbour's work is not measured.
class IdleGate {
public:
    IdleGate(std::chrono::seconds bound, double idle_share)
        : bound_(bound), idle_share_(idle_share) {}
    // False: the bound passed and the machine never was idle.
    bool wait();
    int refused() const { return refused_; }
    int waited_s() const { return waited_s_; }

private:
    std::chrono::seconds bound_;
    double idle_share_;
    int refused_ = 0;
    int waited_s_ = 0;
};

// A program that we start and end ourselves; its output goes to a log file.
class Child {
public:
    Child(const std::vector<std::string>& command, const std::map<std::string, std::string>& env,
          const std::string& log_path);
    ~Child();  // SIGTERM, then SIGKILL
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    pid_t pid() const { return pid_; }
    bool alive();
    // Writes to its stdin.
    void tell(const std::string& line);
    // True once the log has this text; false after the time or when the program ended without.
    bool says(const std::string& text, std::chrono::milliseconds patience);
    std::string log() const;
    // Ends it; its exit code, or -1 when a signal did.
    int stop(std::chrono::milliseconds patience = std::chrono::seconds(20));
    // Waits for it to end by itself.
    int wait(std::chrono::milliseconds patience);

private:
    std::string log_path_;
    pid_t pid_ = -1;
    int stdin_ = -1;
    int status_ = 0;
    bool ended_ = false;
};

// True once something listens on 127.0.0.1:port.
bool port_opens(int port, std::chrono::milliseconds patience);
int free_port();

}  // namespace flowstack::bench
