#pragma once

#include <map>
#include <string>
#include <vector>

// Where a running stack is: the NAME=value settings that `./flowstack up` writes to <run dir>/env.
namespace flowstack::stack {

inline const std::vector<std::string> kServices{"gateway", "conversation", "payment", "followup",
                                                "campaign"};

class Environment {
public:
    // The process's own environment.
    Environment();
    // A file of NAME=value lines, as the shell reads them (quotes by backslash).
    static Environment from_file(const std::string& path);

    // Empty when it is not set. NAME_FILE=/path stands for the first line of that file, as in the
    // services; throws std::runtime_error when it cannot be read.
    std::string get(const std::string& name) const;
    // Throws std::runtime_error that names it.
    std::string required(const std::string& name) const;
    void set(const std::string& name, const std::string& value) { values_[name] = value; }

private:
    std::map<std::string, std::string> values_;
};

// "gateway" → "GATEWAY".
std::string upper(std::string text);

}  // namespace flowstack::stack
