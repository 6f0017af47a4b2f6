#include "services/gateway/media/media_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "common/crypto/encoding.h"
#include "common/crypto/hash.h"
#include "common/http/url.h"

namespace flowstack::gateway {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void failed(const std::string& what, const fs::path& path) {
    throw std::system_error(errno, std::generic_category(), what + " " + path.string());
}

// On the disk when this returns.
void write_whole(const fs::path& path, std::string_view bytes) {
    static std::atomic<std::uint64_t> last{0};
    const auto own =
        path.string() + "." + std::to_string(::getpid()) + "." + std::to_string(++last) + ".part";
    const int file = ::open(own.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    if (file < 0) failed("cannot write", own);
    for (std::size_t at = 0; at < bytes.size();) {
        const auto written = ::write(file, bytes.data() + at, bytes.size() - at);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            const int error = errno;
            ::close(file);
            ::unlink(own.c_str());
            errno = error;
            failed("cannot write", own);
        }
        at += static_cast<std::size_t>(written);
    }
    const bool safe = ::fsync(file) == 0;
    if (::close(file) != 0 || !safe) {
        const int error = errno;
        ::unlink(own.c_str());
        errno = error;
        failed("cannot write", own);
    }
    if (::rename(own.c_str(), path.c_str()) != 0) failed("cannot write", path);
}

std::optional<std::string> read_whole(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        if (!fs::exists(path)) return std::nullopt;
        failed("cannot read", path);
    }
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (file.bad()) failed("cannot read", path);
    return bytes;
}

fs::path type_of(const fs::path& path) { return path.string() + ".type"; }

}  // namespace

std::string media_id_of(std::string_view bytes) {
    return crypto::hex_encode(crypto::bytes_of(crypto::sha256(bytes)));
}

bool is_media_id(std::string_view text) {
    constexpr std::size_t kDigits = 64;
    return text.size() == kDigits && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

fs::path MediaDirectory::path_of(std::string_view tenant, std::string_view media_id) const {
    // A tenant's id is a plain word; whatever it is, it stays one name in the directory.
    return directory_ / ("t-" + http::percent_encode(tenant)) / std::string(media_id.substr(0, 2)) /
           std::string(media_id);
}

std::string MediaDirectory::keep(std::string_view tenant, const File& file) {
    auto id = media_id_of(file.bytes);
    const auto path = path_of(tenant, id);
    if (fs::exists(path) && fs::exists(type_of(path))) return id;
    fs::create_directories(path.parent_path());
    // The type first: whoever sees the bytes finds their type.
    write_whole(type_of(path), file.mime_type);
    write_whole(path, file.bytes);
    return id;
}

bool MediaDirectory::has(std::string_view tenant, std::string_view media_id) const {
    return is_media_id(media_id) && fs::exists(path_of(tenant, media_id));
}

std::optional<MediaFiles::File> MediaDirectory::read(std::string_view tenant,
                                                     std::string_view media_id) const {
    if (!is_media_id(media_id)) return std::nullopt;
    const auto path = path_of(tenant, media_id);
    auto bytes = read_whole(path);
    if (!bytes) return std::nullopt;
    return File{.bytes = std::move(*bytes),
                .mime_type = read_whole(type_of(path)).value_or("application/octet-stream")};
}

}  // namespace flowstack::gateway
