#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace flowstack::http {

// Decodes the chunked transfer coding (RFC 9112 §7.1), piece by piece as it arrives. Strict: CRLF
// only, at most 16 hex digits, nothing but a chunk extension after the size. Extensions and
// trailers are read and forgotten: a trailer is never a header.
class ChunkedDecoder {
public:
    enum class State { more, done, malformed, too_large, overhead };

    // `body_bytes_max` bounds the decoded body; `overhead_bytes_max` what comes with it (size lines
    // and extensions beyond what any sender needs, and trailers).
    ChunkedDecoder(std::size_t body_bytes_max, std::size_t overhead_bytes_max)
        : body_left_(body_bytes_max), overhead_left_(overhead_bytes_max) {}

    // Takes bytes from the front of `input`, appends decoded ones to `body`, and answers how many
    // it took. Unless state() is `more`, the rest belongs to what follows.
    std::size_t put(std::string_view input, std::string& body);

    State state() const { return state_; }

private:
    enum class At {
        size,
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start,
        trailer,
        trailer_lf,
        end_lf
    };

    void step(char c);

    State state_ = State::more;
    At at_ = At::size;
    std::uint64_t size_ = 0;
    int digits_ = 0;
    std::size_t body_left_;
    std::size_t overhead_left_;
};

}  // namespace flowstack::http
