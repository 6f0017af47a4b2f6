#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "common/eventlog/consumption/item.h"
#include "common/eventlog/lag_clock.h"
#include "common/postgres/session.h"

namespace flowstack::eventlog::consuming {

// How far one source is applied in one lane.
struct Cursor {
    std::int64_t applied = 0;    // in memory
    std::int64_t persisted = 0;  // in the cursor's row
    // Up to here nothing more is decided, only projected: a recovered tail holds what was decided.
    std::int64_t decided = 0;
    // What an event of before then leads to may have been done in a tail that was declared lost: a
    // person decides. The bus may still have that tail, so the source's own log is asked for these.
    Time held_before{};
    std::set<std::string> parked_keys;
    std::int64_t parked = 0;  // events
    LagClock lag;
    // Since when `applied` has been ahead of `persisted`.
    std::chrono::steady_clock::time_point ahead_since = std::chrono::steady_clock::now();
};

// The cursors of the lanes that are consumed here, in memory and in the tables cursors and parked.
class Cursors {
public:
    Cursors(postgres::Session& session, std::string consumer)
        : session_(session), consumer_(std::move(consumer)) {}

    // Reads the rows of one cursor, or of all that are here.
    void load(const Where& where);
    void reload();
    void drop(const Where& where) { cursors_.erase(where); }

    Cursor* find(const Where& where);
    const std::map<Where, Cursor>& all() const { return cursors_; }

    // The items that come next in their lanes. What another replica has applied meanwhile is left
    // out, and so is everything behind the gap that this leaves.
    std::vector<const Item*> next_of(std::span<const Item* const> items);

    // The statement that moves the rows to `moved` and to what is applied in memory; nothing when
    // no row moves. A row that another replica has moved fails the transaction (kCursorMoved).
    std::optional<postgres::Session::Statement> move(
        const std::map<Where, std::int64_t>& moved) const;
    // The transaction with the statement of `move` was committed.
    void moved(const std::map<Where, std::int64_t>& moved);
    // These positions are applied; their rows are written later.
    void ahead(const std::map<Where, std::int64_t>& moved);
    // Since when a cursor has been ahead of its row; nothing when none is.
    std::optional<std::chrono::steady_clock::time_point> ahead_since() const;

private:
    postgres::Session& session_;
    std::string consumer_;
    std::map<Where, Cursor> cursors_;
};

}  // namespace flowstack::eventlog::consuming
