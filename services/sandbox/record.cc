#include "services/sandbox/record.h"

#include <algorithm>
#include <stdexcept>

namespace flowstack::sandbox {

Record::Record(const std::string& path) {
    if (path.empty()) return;
    // A record that goes on in the same file keeps counting, so that `n` names one line of it.
    std::ifstream before{path};
    for (std::string line; std::getline(before, line);) ++last_;
    file_.open(path, std::ios::app);
    if (!file_) throw std::runtime_error("RECORD_FILE " + path + " cannot be opened for writing");
}

void Record::write(Time now, std::string kind, json::object what) {
    const std::lock_guard lock{mutex_};
    json::object line;
    json::value rest(std::move(what));
    line["n"] = ++last_;
    line["at_us"] = micros(now);
    line["kind"] = kind;
    Line kept{last_,
              std::move(kind),
              text_or(rest, "phone_number_id", ""),
              text_or(rest, "phone", ""),
              text_or(rest, "shortcode", ""),
              {}};
    for (auto& [name, value] : rest.get_object()) line[name] = std::move(value);
    kept.text = compact(line);
    if (file_.is_open()) file_ << kept.text << '\n' << std::flush;
    lines_.push_back(std::move(kept));
    if (lines_.size() > kLinesInMemoryMax) lines_.pop_front();
}

Record::Page Record::page(const Filter& filter) const {
    const std::lock_guard lock{mutex_};
    const std::size_t limit = std::min(filter.limit, kPageMax);
    auto it = std::lower_bound(lines_.begin(), lines_.end(), filter.after + 1,
                               [](const Line& line, std::int64_t n) { return line.n < n; });
    std::string out = R"({"lines":[)";
    std::size_t count = 0;
    std::int64_t seen = filter.after;
    for (; it != lines_.end() && count < limit; ++it) {
        seen = it->n;
        if (!filter.number.empty() && it->number != filter.number) continue;
        if (!filter.phone.empty() && it->phone != filter.phone) continue;
        if (!filter.shortcode.empty() && it->shortcode != filter.shortcode) continue;
        if (!filter.kind.empty() && it->kind != filter.kind) continue;
        if (count++ > 0) out += ',';
        out += it->text;
    }
    out += R"(],"last":)" + std::to_string(seen) + "}";
    return {std::move(out), count, seen};
}

std::int64_t Record::last() const {
    const std::lock_guard lock{mutex_};
    return last_;
}

}  // namespace flowstack::sandbox
