#include "services/gateway/media/s3_store.h"

#include <algorithm>
#include <stdexcept>

#include "common/http/url.h"

namespace flowstack::gateway {
namespace {

// A call that is lost may be made again: each names the whole of what it does.
constexpr int kAttempts = 3;
constexpr std::string_view kEmptyType = "application/octet-stream";

std::size_t end_of_scheme(std::string_view url) {
    const auto at = url.find("://");
    return at == std::string_view::npos ? 0 : at + 3;
}

}  // namespace

std::string mistake_in_s3_url(std::string_view url) {
    if (!url.starts_with("https://") && !url.starts_with("http://"))
        return "must begin with https:// or http://";
    const auto rest = url.substr(end_of_scheme(url));
    const auto slash = rest.find('/');
    if (slash == 0 || slash == std::string_view::npos || slash + 1 == rest.size())
        return "must name the bucket behind the host, e.g. "
               "https://s3.eu-west-1.amazonaws.com/media";
    if (url.ends_with('/')) return "must not end with /";
    const bool is_plain = std::ranges::all_of(rest, [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view("-._~/:").find(c) != std::string_view::npos;
    });
    return is_plain ? "" : "has a character that is not a letter, a digit or one of - . _ ~ /";
}

S3MediaStore::S3MediaStore(http::Client& client, const Clock& clock, S3Options options)
    : client_(client), clock_(clock), options_(std::move(options)) {
    const auto begin = end_of_scheme(options_.url);
    const auto slash = options_.url.find('/', begin);
    host_ = options_.url.substr(begin, slash - begin);
    path_ = options_.url.substr(slash);
}

http::Response S3MediaStore::ask(const std::string& method, std::string_view tenant,
                                 std::string_view media_id, const File* file) const {
    AwsRequest asked{.method = method,
                     .host = host_,
                     .path = path_ + "/" + http::percent_encode(tenant) + "/" +
                             std::string(media_id.substr(0, 2)) + "/" + std::string(media_id),
                     // The id of a file is the hash of its bytes.
                     .payload_sha256 = file != nullptr ? std::string(media_id) : media_id_of("")};
    for (int attempt = 1;; ++attempt) {
        http::ClientRequest request;
        request.method = method;
        request.url = options_.url.substr(0, end_of_scheme(options_.url)) + host_ + asked.path;
        request.timeout_ms = static_cast<int>(options_.timeout.count());
        for (auto& [name, value] : aws_headers(options_.credentials, asked, clock_.now()))
            request.headers.add(std::move(name), std::move(value));
        if (file != nullptr) {
            request.headers.add("Content-Type", file->mime_type.empty() ? std::string(kEmptyType)
                                                                        : file->mime_type);
            request.body = file->bytes;
        }
        auto result = client_.call_and_wait(std::move(request));
        const bool answered = result.outcome == http::ClientResult::Outcome::answered;
        if (answered && (result.response.status < 300 || result.response.status == 404))
            return std::move(result.response);
        // 5xx and 429 pass; 403 is a wrong key or clock, and asking again does not help.
        const bool passes =
            !answered || result.response.status >= 500 || result.response.status == 429;
        if (!passes || attempt == kAttempts)
            throw std::runtime_error(
                "the media store " + host_ + " " +
                (answered ? "answered HTTP " + std::to_string(result.response.status)
                          : "gave no answer: " + result.error));
    }
}

std::string S3MediaStore::keep(std::string_view tenant, const File& file) {
    auto id = media_id_of(file.bytes);
    if (has(tenant, id)) return id;
    if (ask("PUT", tenant, id, &file).status == 404)
        throw std::runtime_error("the media store " + host_ + " has no such bucket: " + path_);
    return id;
}

bool S3MediaStore::has(std::string_view tenant, std::string_view media_id) const {
    return is_media_id(media_id) && ask("HEAD", tenant, media_id).status != 404;
}

std::optional<MediaFiles::File> S3MediaStore::read(std::string_view tenant,
                                                   std::string_view media_id) const {
    if (!is_media_id(media_id)) return std::nullopt;
    auto response = ask("GET", tenant, media_id);
    if (response.status == 404) return std::nullopt;
    // Who can write to the bucket could put something else there.
    if (media_id_of(response.body) != media_id)
        throw std::runtime_error("the media store " + host_ + " has other bytes under " +
                                 std::string(media_id));
    std::string mime_type(response.headers.get("Content-Type"));
    return File{.bytes = std::move(response.body), .mime_type = std::move(mime_type)};
}

}  // namespace flowstack::gateway
