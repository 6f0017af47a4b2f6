#include "tools/flowctl/auditor.h"

#include <openssl/sha.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "flowstack/common/v1/log_events.pb.h"

namespace flowstack::flowctl {
namespace {

constexpr std::size_t kProblemsMax = 20;

std::string sha256(const std::string& bytes) {
    std::string digest(SHA256_DIGEST_LENGTH, '\0');
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
           reinterpret_cast<unsigned char*>(digest.data()));
    return digest;
}

std::string big_endian(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>((value >> (8 * i)) & 0xff);
    return text;
}
std::string field(const std::string& value) { return big_endian(value.size(), 4) + value; }
std::string field(std::int64_t value) {
    return field(big_endian(static_cast<std::uint64_t>(value), 8));
}

std::string to_hex(const std::string& bytes) {
    static const char* const kDigits = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        text += kDigits[static_cast<unsigned char>(c) >> 4];
        text += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

}  // namespace

std::string canonical_form(const common::v1::RecordedEvent& e) {
    const auto& m = e.meta();
    const std::string word = "flowstack.event.v1";
    return field(word) + field(e.service()) + field(std::int64_t{e.lane()}) +
           field(std::int64_t{e.epoch()}) + field(e.position()) + field(e.tenant()) +
           field(e.category()) + field(e.key()) + field(e.version()) + field(e.event_id()) +
           field(e.type()) + field(e.recorded_at_us()) + field(e.occurred_at_us()) +
           field(e.command_id()) + field(m.routing_kind()) + field(m.routing_key()) +
           field(m.actor()) + field(m.request_hash()) + field(m.correlation_id()) +
           field(m.causation().service()) + field(std::int64_t{m.causation().lane()}) +
           field(m.causation().position()) + field(m.settings_version()) + field(m.traceparent()) +
           field(m.build_id()) + field(m.key_id()) + field(std::int64_t{m.private_()}) +
           field(m.role()) + field(m.reason()) + field(m.source_address()) +
           field(sha256(e.payload()));
}

// A TailLost follows the positions that it gives up.
bool LaneDigest::steps_over_a_gap(const common::v1::RecordedEvent& event) {
    if (event.type() != common::v1::TailLost::descriptor()->full_name()) return false;
    common::v1::TailLost lost;
    if (!lost.ParseFromString(event.payload())) return false;
    if (lost.from() > position_ + 1 || lost.to() + 1 != event.position()) return false;
    given_up_.push_back(
        {position_ + 1, lost.to(), lost.principal(), lost.reason(), event.recorded_at_us()});
    return true;
}

LaneDigest::LaneDigest(const std::string& service, int lane)
    : digest_(sha256(field(std::string("flowstack.chain.v1")) + field(service) +
                     field(std::int64_t{lane}) + field(std::int64_t{1}))) {}

void LaneDigest::add(const common::v1::RecordedEvent& event) {
    const auto problem = [&](const std::string& text) {
        if (problems_.size() < kProblemsMax)
            problems_.push_back("position " + std::to_string(event.position()) + ": " + text);
    };
    if (event.position() != position_ + 1 && !steps_over_a_gap(event))
        problem("came after position " + std::to_string(position_));
    if (event.recorded_at_us() <= recorded_at_us_) problem("is not recorded after the one before");
    auto& version = versions_[event.tenant() + "\n" + event.category() + "\n" + event.key()];
    if (event.version() != version + 1)
        problem("version " + std::to_string(event.version()) + " came after version " +
                std::to_string(version));
    version = event.version();
    position_ = event.position();
    recorded_at_us_ = event.recorded_at_us();
    ++events_;
    digest_ = sha256(digest_ + sha256(canonical_form(event)));
}

std::string LaneDigest::hex() const { return to_hex(digest_); }

Notebook Notebook::read(const std::string& path) {
    Notebook notebook;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        std::istringstream words(line);
        std::string service, hex;
        int lane = 0;
        std::int64_t position = 0;
        if (!(words >> service >> lane >> position >> hex) || hex.size() != 64)
            throw std::runtime_error(path + " holds a line that is no mark: " + line);
        notebook.note(service, lane, position, hex);
    }
    return notebook;
}

void Notebook::write(const std::string& path) const {
    const auto draft = path + ".new";
    {
        std::ofstream file(draft, std::ios::trunc);
        file << "# What the logs were: service, lane, position, digest of the lane up to there.\n";
        for (const auto& [lane, marks] : marks_)
            for (const auto& [position, hex] : marks)
                file << lane.first << " " << lane.second << " " << position << " " << hex << "\n";
        if (!file.flush()) throw std::runtime_error("cannot write " + draft);
    }
    if (std::rename(draft.c_str(), path.c_str()) != 0)
        throw std::runtime_error("cannot write " + path);
}

const std::map<std::int64_t, std::string>& Notebook::of(const std::string& service,
                                                        int lane) const {
    static const std::map<std::int64_t, std::string> kNone;
    const auto found = marks_.find({service, lane});
    return found == marks_.end() ? kNone : found->second;
}

std::size_t Notebook::size() const {
    std::size_t count = 0;
    for (const auto& [lane, marks] : marks_) count += marks.size();
    return count;
}

}  // namespace flowstack::flowctl
