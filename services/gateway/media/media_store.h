#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "services/gateway/providers/provider.h"

// The tenants' files by their content: what customers sent, and what is kept to be sent. A file's
// id is the SHA-256 of its bytes in 64 hex digits, so the same bytes are kept once for a tenant.
namespace flowstack::gateway {

// The id that these bytes have.
std::string media_id_of(std::string_view bytes);
bool is_media_id(std::string_view text);

// Thread-safe. All of it blocks on a disk or a network, and throws when that fails.
class MediaStore : public MediaFiles {
public:
    // Keeps the bytes; the id of them. What is there already stays.
    virtual std::string keep(std::string_view tenant, const File& file) = 0;
    virtual bool has(std::string_view tenant, std::string_view media_id) const = 0;
};

// In a directory: <directory>/<tenant>/<first two digits>/<id>, and the type beside it in
// <id>.type. A file is whole or not there: it is written under another name first.
class MediaDirectory final : public MediaStore {
public:
    explicit MediaDirectory(std::filesystem::path directory) : directory_(std::move(directory)) {}

    std::string keep(std::string_view tenant, const File& file) override;
    bool has(std::string_view tenant, std::string_view media_id) const override;
    std::optional<File> read(std::string_view tenant, std::string_view media_id) const override;

private:
    std::filesystem::path path_of(std::string_view tenant, std::string_view media_id) const;

    std::filesystem::path directory_;
};

}  // namespace flowstack::gateway
