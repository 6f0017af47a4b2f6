#include "tools/docs/descriptors.h"

#include <google/protobuf/descriptor.pb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace flowstack::docs {
namespace {

namespace pb = google::protobuf;

pb::FileDescriptorSet parsed(const std::filesystem::path& root, const std::string& files,
                             bool imports) {
    const auto out = std::filesystem::temp_directory_path() /
                     ("flowstack-docs-" + std::to_string(getpid()) + ".binpb");
    const auto proto = (root / "proto").string();
    const auto command =
        "cd '" + proto + "' && " FLOWSTACK_PROTOC + (imports ? " --include_imports" : "") +
        " --include_source_info --descriptor_set_out='" + out.string() + "' " + files;
    if (std::system(command.c_str()) != 0)
        throw std::runtime_error("protoc could not read " + proto);
    pb::FileDescriptorSet set;
    std::ifstream bytes(out, std::ios::binary);
    const bool whole = set.ParseFromIstream(&bytes);
    std::filesystem::remove(out);
    if (!whole) throw std::runtime_error("protoc wrote nothing that can be read");
    return set;
}

}  // namespace

Protos::Protos(const std::filesystem::path& root, const std::string& files) {
    // Imports come first.
    const auto all = parsed(root, files, true);
    for (const auto& file : all.file())
        if (!pool_.BuildFile(file)) throw std::runtime_error(file.name() + " is no good");
    const auto asked_for = parsed(root, files, false);
    for (const auto& file : asked_for.file()) files_.push_back(pool_.FindFileByName(file.name()));
    std::ranges::sort(files_, {}, [](const auto* file) { return file->name(); });
}

}  // namespace flowstack::docs
