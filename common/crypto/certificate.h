#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/core/time.h"

namespace flowstack::crypto {

// When a chain of certificates begins and ends to be good: all of it must be.
struct Validity {
    Time from{};   // of the certificate that ends first
    Time until{};  // the earliest end of all
};

// Of the certificates in a PEM text; nothing when there is none, or one cannot be read.
std::optional<Validity> validity_of(std::string_view pem);
// The same of a file; nothing also when it cannot be read.
std::optional<Validity> validity_of_file(const std::string& path);

}  // namespace flowstack::crypto
