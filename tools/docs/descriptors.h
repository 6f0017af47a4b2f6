#pragma once

#include <google/protobuf/descriptor.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

namespace flowstack::docs {

// Files below proto/ with their comments, as protoc reads them.
class Protos {
public:
    // `files` is what protoc is given, relative to proto/: "flowstack/*/v1/*_events.proto". Throws
    // std::runtime_error when they cannot be read.
    Protos(const std::filesystem::path& root, const std::string& files);

    const google::protobuf::DescriptorPool& pool() const { return pool_; }
    // The files that were asked for, sorted by path; what they import is in the pool only.
    const std::vector<const google::protobuf::FileDescriptor*>& files() const { return files_; }

private:
    google::protobuf::DescriptorPool pool_;
    std::vector<const google::protobuf::FileDescriptor*> files_;
};

// The comment above something on one line; `between` stands where it has an empty line.
template <class Descriptor>
std::string comment_of(const Descriptor& descriptor, const std::string& between = " ") {
    google::protobuf::SourceLocation location;
    if (!descriptor.GetSourceLocation(&location)) return "";
    std::istringstream lines(location.leading_comments);
    std::string text;
    bool paragraph_ended = false;
    for (std::string line; std::getline(lines, line);) {
        const auto begin = line.find_first_not_of(' ');
        if (begin == std::string::npos) {
            paragraph_ended = true;
            continue;
        }
        if (!text.empty()) text += paragraph_ended ? between : " ";
        paragraph_ended = false;
        text += line.substr(begin);
    }
    return text;
}

}  // namespace flowstack::docs
