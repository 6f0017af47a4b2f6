#include "common/eventlog/consumption/parking.h"

#include <algorithm>

#include "common/eventlog/store.h"

namespace flowstack::eventlog::consuming {
namespace {

// An exception's text as a column takes it. It may quote any bytes, and a reason that cannot be
// stored would hold its lane up for ever.
std::string readable(std::string_view reason) {
    constexpr std::size_t kReasonBytesMax = 1000;
    std::string text(reason.substr(0, kReasonBytesMax));
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return text;
}

}  // namespace

postgres::Session::Statement park(const std::string& consumer, const Park& what) {
    const auto& event = what.item->event;
    return {R"sql(
            insert into parked (consumer, source, lane, position, routing_key, reason, event, parked_at)
            values ($1, $2, $3, $4, $5, $6, $7, now())
            on conflict do nothing)sql",
            postgres::Params()
                .add(consumer)
                .add(event.service)
                .add(event.lane)
                .add(event.position)
                .add(key_of(event))
                .add(readable(what.reason))
                .add_bytes(what.item->raw.empty() ? to_bus(event) : what.item->raw)};
}

std::vector<std::int64_t> parked_positions(postgres::Session& session, const std::string& consumer,
                                           const Where& where, const std::string& routing_key) {
    const auto rows = session.query(
        R"sql(select position from parked
               where consumer = $1 and source = $2 and lane = $3 and routing_key = $4
               order by position)sql",
        postgres::Params().add(consumer).add(where.first).add(where.second).add(routing_key));
    std::vector<std::int64_t> positions;
    for (int row = 0; row < rows.rows(); ++row) positions.push_back(rows.int8(row, 0));
    return positions;
}

postgres::Session::Statement unpark(const std::string& consumer, const Where& where,
                                    std::int64_t position) {
    return {"select unpark($1, $2, $3, $4)",
            postgres::Params().add(consumer).add(where.first).add(where.second).add(position)};
}

}  // namespace flowstack::eventlog::consuming
