#pragma once

#include <stdexcept>
#include <string>

#include "common/eventlog/vault.h"

namespace flowstack::testing {

// A vault that can be told from the clear one: the sealed bytes begin with a mark, show nothing of
// the payload, and belong to one stream and type. Events of the type "test.v1.Public" stay in
// clear, as events without personal fields do.
class TestVault final : public eventlog::Vault {
public:
    static constexpr std::string_view kMark = "sealed:";
    static constexpr std::string_view kPublic = "test.v1.Public";

    std::optional<std::string> seal(const eventlog::StreamName& stream, const eventlog::Routing&,
                                    const eventlog::NewEvent& event) const override {
        if (event.type == kPublic) return std::nullopt;
        if (event.payload.starts_with(kMark)) throw std::logic_error("a payload is sealed twice");
        return std::string(kMark) + turned(event.payload, mask_of(stream, event.type));
    }

    std::optional<std::string> open(const eventlog::Recorded& event) const override {
        if (!event.payload.starts_with(kMark)) return std::nullopt;
        return turned(event.payload.substr(kMark.size()), mask_of(event.stream, event.type));
    }

private:
    static unsigned char mask_of(const eventlog::StreamName& stream, const std::string& type) {
        unsigned mask = 0;
        for (const auto* part : {&stream.tenant, &stream.category, &stream.key, &type})
            for (const char c : *part) mask = mask * 31 + static_cast<unsigned char>(c);
        return static_cast<unsigned char>(0x80 | mask);  // never the identity on ASCII
    }
    static std::string turned(std::string bytes, unsigned char mask) {
        for (auto& c : bytes) c = static_cast<char>(static_cast<unsigned char>(c) ^ mask);
        return bytes;
    }
};

}  // namespace flowstack::testing
