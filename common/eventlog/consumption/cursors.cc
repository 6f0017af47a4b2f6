#include "common/eventlog/consumption/cursors.h"

#include <algorithm>

#include "common/eventlog/loop_statements.h"
#include "common/eventlog/tail.h"

namespace flowstack::eventlog::consuming {

using Steady = std::chrono::steady_clock;

void Cursors::load(const Where& where) {
    const auto row = session_.query(
        loops::kCursor.sql, postgres::Params().add(consumer_).add(where.first).add(where.second));
    const auto parked =
        session_.query(loops::kParkedKeys.sql,
                       postgres::Params().add(consumer_).add(where.first).add(where.second));
    Cursor cursor;
    cursor.applied = cursor.persisted = row.int8(0, 0);
    cursor.decided = row.int8(0, 1);
    cursor.held_before = row.time(0, 2);
    for (int i = 0; i < parked.rows(); ++i) {
        cursor.parked_keys.insert(parked.text(i, 0));
        cursor.parked += parked.int8(i, 1);
    }
    cursors_[where] = std::move(cursor);
}

void Cursors::reload() {
    for (const auto& [where, cursor] : std::map(cursors_)) load(where);
}

Cursor* Cursors::find(const Where& where) {
    const auto found = cursors_.find(where);
    return found == cursors_.end() ? nullptr : &found->second;
}

std::vector<const Item*> Cursors::next_of(std::span<const Item* const> items) {
    std::vector<const Item*> next;
    std::map<Where, std::int64_t> at;
    for (const auto* item : items) {
        const auto where = item->where();
        const auto* cursor = find(where);
        if (!cursor) continue;
        auto& position = at.try_emplace(where, cursor->applied).first->second;
        if (item->undecodable.empty() ? !follows(item->event, position)
                                      : item->event.position != position + 1)
            continue;
        position = item->event.position;
        next.push_back(item);
    }
    return next;
}

std::optional<postgres::Session::Statement> Cursors::move(
    const std::map<Where, std::int64_t>& moved) const {
    std::vector<std::string> sources;
    std::vector<std::int32_t> lanes;
    std::vector<std::int64_t> from, to;
    for (const auto& [where, cursor] : cursors_) {
        const auto further = moved.find(where);
        const auto target = further == moved.end() ? cursor.applied : further->second;
        if (target == cursor.persisted) continue;
        sources.push_back(where.first);
        lanes.push_back(where.second);
        from.push_back(cursor.persisted);
        to.push_back(target);
    }
    if (to.empty()) return std::nullopt;
    return postgres::Session::Statement{loops::kMoveCursors.sql, postgres::Params()
                                                                     .add(consumer_)
                                                                     .add_array(sources)
                                                                     .add_array(lanes)
                                                                     .add_array(from)
                                                                     .add_array(to)};
}

void Cursors::moved(const std::map<Where, std::int64_t>& moved) {
    for (auto& [where, cursor] : cursors_) {
        if (const auto further = moved.find(where); further != moved.end())
            cursor.applied = further->second;
        cursor.persisted = cursor.applied;
    }
}

void Cursors::ahead(const std::map<Where, std::int64_t>& moved) {
    const auto now = Steady::now();
    for (const auto& [where, to] : moved) {
        auto& cursor = cursors_.at(where);
        if (cursor.applied == cursor.persisted) cursor.ahead_since = now;
        cursor.applied = to;
    }
}

std::optional<Steady::time_point> Cursors::ahead_since() const {
    std::optional<Steady::time_point> since;
    for (const auto& [where, cursor] : cursors_)
        if (cursor.applied != cursor.persisted)
            since = since ? std::min(*since, cursor.ahead_since) : cursor.ahead_since;
    return since;
}

}  // namespace flowstack::eventlog::consuming
