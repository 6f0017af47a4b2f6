#pragma once

#include <optional>
#include <string>

#include "common/core/clock.h"
#include "common/http/client.h"
#include "services/gateway/media/media_store.h"
#include "services/gateway/media/s3_options.h"

namespace flowstack::gateway {

// In a bucket of S3, or of what speaks like it: <tenant>/<first two digits>/<id>, the type as the
// object's Content-Type. A PUT replaces the same bytes by themselves, so it may be repeated.
class S3MediaStore final : public MediaStore {
public:
    // Both outlive it. Not for the client's own thread.
    S3MediaStore(http::Client& client, const Clock& clock, S3Options options);

    std::string keep(std::string_view tenant, const File& file) override;
    bool has(std::string_view tenant, std::string_view media_id) const override;
    std::optional<File> read(std::string_view tenant, std::string_view media_id) const override;

private:
    http::Response ask(const std::string& method, std::string_view tenant,
                       std::string_view media_id, const File* file = nullptr) const;

    http::Client& client_;
    const Clock& clock_;
    const S3Options options_;
    std::string host_;  // with its port
    std::string path_;  // of the bucket and prefix
};

}  // namespace flowstack::gateway
