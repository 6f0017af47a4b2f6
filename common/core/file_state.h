#pragma once

#include <sys/stat.h>

#include <string>

namespace flowstack {

// A text that changes whenever the file is written or replaced, also behind a symbolic link: by it
// a file is read again only when it is another one.
inline std::string file_state(const std::string& file) {
    struct stat state {};
    if (::stat(file.c_str(), &state) != 0) return "gone";
    return std::to_string(state.st_dev) + "/" + std::to_string(state.st_ino) + "/" +
           std::to_string(state.st_size) + "/" + std::to_string(state.st_mtim.tv_sec) + "." +
           std::to_string(state.st_mtim.tv_nsec);
}

}  // namespace flowstack
