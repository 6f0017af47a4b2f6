#include "common/http/chunked.h"

#include <algorithm>

#include "common/core/hex.h"

namespace flowstack::http {
namespace {

constexpr int kSizeDigitsMax = 16;

bool control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

}  // namespace

std::size_t ChunkedDecoder::put(std::string_view input, std::string& body) {
    std::size_t taken = 0;
    while (taken < input.size() && state_ == State::more) {
        if (at_ == At::data) {
            const std::size_t length = std::min<std::uint64_t>(size_, input.size() - taken);
            body.append(input.substr(taken, length));
            taken += length;
            size_ -= length;
            if (size_ == 0) at_ = At::data_cr;
        } else {
            step(input[taken]);
            ++taken;
        }
    }
    return taken;
}

void ChunkedDecoder::step(char c) {
    const auto expect = [&](char wanted, At next) {
        if (c == wanted)
            at_ = next;
        else
            state_ = State::malformed;
    };
    const auto spend = [&] {
        if (overhead_left_ == 0)
            state_ = State::overhead;
        else
            --overhead_left_;
    };
    switch (at_) {
        case At::size:
            if (const int digit = hex_value(c); digit >= 0) {
                if (++digits_ > kSizeDigitsMax) {
                    state_ = State::malformed;
                    return;
                }
                size_ = size_ << 4 | static_cast<std::uint64_t>(digit);
            } else if (digits_ > 0 && c == '\r') {
                at_ = At::size_lf;
            } else if (digits_ > 0 && (c == ';' || c == ' ' || c == '\t')) {
                at_ = At::extension;
                spend();
            } else {
                state_ = State::malformed;
            }
            return;
        case At::extension:
            if (c == '\r')
                at_ = At::size_lf;
            else if (control(c))
                state_ = State::malformed;
            else
                spend();
            return;
        case At::size_lf:
            expect('\n', size_ == 0 ? At::trailer_start : At::data);
            if (state_ != State::more || size_ == 0) return;
            if (size_ > body_left_) {
                state_ = State::too_large;
                return;
            }
            body_left_ -= static_cast<std::size_t>(size_);
            return;
        case At::data:
            return;  // not a byte at a time: see put
        case At::data_cr:
            expect('\r', At::data_lf);
            return;
        case At::data_lf:
            expect('\n', At::size);
            digits_ = 0;
            return;
        case At::trailer_start:
            if (c == '\r') {
                at_ = At::end_lf;
                return;
            }
            at_ = At::trailer;
            [[fallthrough]];
        case At::trailer:
            if (c == '\r')
                at_ = At::trailer_lf;
            else if (control(c))
                state_ = State::malformed;
            else
                spend();
            return;
        case At::trailer_lf:
            expect('\n', At::trailer_start);
            return;
        case At::end_lf:
            if (c == '\n')
                state_ = State::done;
            else
                state_ = State::malformed;
            return;
    }
}

}  // namespace flowstack::http
