#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "flowstack/common/v1/recorded_event.pb.h"

// The auditor's own reading of a log: what a lane's digest must be, made from EventLog.Read alone.
//
// It is written from the definition in common/eventlog/integrity.h and shares no code with it, so
// that both cannot be wrong in the same place.
namespace flowstack::flowctl {

std::string canonical_form(const common::v1::RecordedEvent& event);

class LaneDigest {
public:
    LaneDigest(const std::string& service, int lane);

    // In position order. Gaps and times that do not climb are told by `problems`.
    void add(const common::v1::RecordedEvent& event);

    std::string hex() const;
    std::int64_t events() const { return events_; }
    std::int64_t position() const { return position_; }
    const std::vector<std::string>& problems() const { return problems_; }

    // Positions that were given up after a restore: a TailLost stands behind each.
    struct GivenUp {
        std::int64_t first = 0;
        std::int64_t last = 0;
        std::string principal;
        std::string reason;
        std::int64_t at_us = 0;
    };
    const std::vector<GivenUp>& given_up() const { return given_up_; }

private:
    bool steps_over_a_gap(const common::v1::RecordedEvent& event);

    std::vector<GivenUp> given_up_;
    std::string digest_;
    std::int64_t events_ = 0;
    std::int64_t position_ = 0;
    std::int64_t recorded_at_us_ = 0;
    std::map<std::string, std::int64_t> versions_;
    std::vector<std::string> problems_;
};

// What an earlier audit saw, one line a mark: "payment 2 1000 <hex>".
class Notebook {
public:
    // Empty when there is no such file. Throws std::runtime_error for a line that is no mark.
    static Notebook read(const std::string& path);
    // Replaces the file; it is whole or as before.
    void write(const std::string& path) const;

    void note(const std::string& service, int lane, std::int64_t position, const std::string& hex) {
        marks_[{service, lane}][position] = hex;
    }
    // The digests of one lane, by position.
    const std::map<std::int64_t, std::string>& of(const std::string& service, int lane) const;
    std::size_t size() const;

private:
    std::map<std::pair<std::string, int>, std::map<std::int64_t, std::string>> marks_;
};

}  // namespace flowstack::flowctl
