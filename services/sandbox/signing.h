#pragma once

#include <optional>
#include <string>
#include <string_view>

// The sandbox's own signing, so that a mistake in the product's cannot hide behind the same
// mistake here. Sources: Meta webhooks/overview (X-Hub-Signature-256), Daraja Authorization.
namespace flowstack::sandbox {

// "sha256=" + lower-case hex of HMAC-SHA256(app secret, exact bytes of the body).
std::string hub_signature(std::string_view app_secret, std::string_view body);

std::string base64(std::string_view bytes);
// As webhooks and the media endpoint write a file's hash.
std::string sha256_base64(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

// base64(short code, passkey, timestamp): Daraja's STK `Password`.
std::string stk_password(std::string_view shortcode, std::string_view passkey,
                         std::string_view timestamp);

}  // namespace flowstack::sandbox
