#pragma once

#include <string>
#include <vector>

// The processes of a run directory, hurt and healed. A pid counts only while all that
// `./flowstack` noted about it still holds, so that no stranger is ever hit.
namespace flowstack::chaos {

class Victims {
public:
    // script: ./flowstack
    Victims(std::string script, std::string run_dir);

    // 0 when it does not run.
    int pid_of(const std::string& name) const;
    bool alive(const std::string& name) const { return pid_of(name) != 0; }
    // False when it does not run.
    bool signal(const std::string& name, int signal) const;
    // SIGKILL, and waits until it is gone.
    bool kill(const std::string& name) const;
    // ./flowstack <arguments>; its words go to the commands' log. False when it failed.
    bool command(const std::string& arguments) const;
    // Starts it unless it runs.
    void start(const std::string& name) const;

    // The file system under PostgreSQL's data: a small one of its own, or none (then limits on the
    // server's processes stand in).
    bool own_disk() const { return own_disk_; }
    // Writes hang until it thaws.
    void freeze_disk() const;
    void thaw_disk() const;
    // Fills the disk: not a byte more can be written until it is freed.
    void fill_disk() const;
    void free_disk() const;

    const std::string& run_dir() const { return run_dir_; }

private:
    std::vector<int> postgres_processes() const;

    std::string script_;
    std::string run_dir_;
    std::string data_;  // where PostgreSQL's data is
    bool own_disk_ = false;
};

}  // namespace flowstack::chaos
