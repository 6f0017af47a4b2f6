#include "common/eventlog/consumption/refill.h"

#include <set>
#include <vector>

#include "common/observability/log.h"

namespace flowstack::eventlog::consuming {

void Refill::fetch(const Where& where, std::int64_t to) {
    // Looked up anew after each page: applying it may end with the lane gone.
    auto* cursor = cursors_.find(where);
    while (cursor && cursor->applied < to && !batches_.stopping) {
        std::vector<Recorded> page;
        try {
            page = sources_.at(where.first)
                       ->read(where.second, cursor->applied + 1, to, kRefillPageEvents);
        } catch (const Unavailable& error) {
            // The next comparison of heads tries again.
            log::info("missing events are fetched later: their service is away",
                      {{"source", where.first}, {"error", error.what()}});
            return;
        }
        if (page.empty()) return;
        std::vector<Item> items;
        for (auto& event : page) items.push_back({std::move(event)});
        const auto before = cursor->applied;
        batches_.apply(items);
        cursor = cursors_.find(where);
        if (cursor && cursor->applied == before) return;
    }
}

bool Refill::compare_heads(std::chrono::milliseconds every) {
    const auto now = std::chrono::steady_clock::now();
    if (now < due(every)) return false;
    compared_ = now;
    bool some_behind = false;
    std::set<std::string> names;
    for (const auto& [where, cursor] : cursors_.all()) names.insert(where.first);
    for (const auto& name : names) {
        std::vector<std::int64_t> heads;
        try {
            heads = sources_.at(name)->heads();
        } catch (const Unavailable&) {
            continue;  // what it has written is still there when it is back
        }
        std::vector<Where> behind;
        for (const auto& [where, cursor] : cursors_.all())
            if (where.first == name && static_cast<std::size_t>(where.second) < heads.size()) {
                auto& seen = seen_[where];
                const auto head = heads[static_cast<std::size_t>(where.second)];
                cursors_.find(where)->lag.look(cursor.applied, head, now);
                if (cursor.applied < head && seen == cursor.applied) behind.push_back(where);
                some_behind |= cursor.applied < head;
                seen = cursor.applied;
            }
        for (const auto& where : behind)
            fetch(where, heads[static_cast<std::size_t>(where.second)]);
    }
    // Under load some cursor is always behind: every other comparison comes sooner then, not each.
    look_again_ = some_behind && !look_again_;
    return true;
}

}  // namespace flowstack::eventlog::consuming
