#include "services/gateway/dispatch/queue_reader.h"

#include "services/gateway/domain/message.h"

namespace flowstack::gateway {

QueueReader::QueueReader(const std::string& database_url)
    : session_({.url = database_url, .application_name = "gateway-dispatch"}) {}

std::vector<QueueReader::DueQueue> QueueReader::queues(std::span<const std::int32_t> lanes) {
    std::vector<DueQueue> found;
    if (lanes.empty()) return found;
    const auto rows = session_.query(
        R"sql(
        with recursive first(lane, kind, due_at, ref) as (
            select w.* from unnest($1::int[]) l(lane)
                cross join lateral (select lane, kind, due_at, ref from work
                                    where lane = l.lane order by kind, due_at limit 1) w
            union all
            select w.* from first f
                cross join lateral (select lane, kind, due_at, ref from work
                                    where lane = f.lane and kind > f.kind
                                    order by kind, due_at limit 1) w)
        select lane, kind, ref, due_at, due_at <= statement_timestamp() from first
            where starts_with(kind, $2))sql",
        postgres::Params().add_array(lanes).add(kDispatchPrefix));
    for (int row = 0; row < rows.rows(); ++row) {
        const auto ref = read_ref(rows.text(row, 2));
        if (!ref) continue;
        for (int priority = 0; priority < kPriorities; ++priority)
            if (rows.text(row, 1) == dispatch_kind(ref->channel_id, priority))
                found.push_back({.lane = rows.int4(row, 0),
                                 .priority = priority,
                                 .tenant = ref->tenant,
                                 .channel_id = ref->channel_id,
                                 .due_at = rows.time(row, 3),
                                 .due = rows.boolean(row, 4)});
    }
    return found;
}

QueueReader::Rows QueueReader::due_rows(std::span<const Wanted> wanted) {
    std::vector<std::int32_t> lanes;
    std::vector<std::string> kinds;
    std::vector<std::int32_t> rooms;
    std::vector<std::string> in_memory;
    for (const auto& queue : wanted) {
        lanes.push_back(queue.lane);
        kinds.push_back(dispatch_kind(queue.channel_id, queue.priority));
        rooms.push_back(queue.room);
        in_memory.insert(in_memory.end(), queue.in_memory.begin(), queue.in_memory.end());
    }
    Rows found;
    if (wanted.empty()) return found;
    found.count.resize(wanted.size());
    found.next_due.resize(wanted.size());
    // The list of what is in memory is hashed once, not compared with every row.
    const auto rows = session_.query(
        R"sql(
        with asked(lane, kind, room, n) as (
            select * from unnest($1::int[], $2::text[], $3::int[]) with ordinality)
        select c.n, w.due_at, w.key, w.ref
        from asked c
            cross join lateral (select key, due_at, ref from work
                                where lane = c.lane and kind = c.kind
                                    and due_at <= statement_timestamp()
                                    and key not in (select unnest($4::text[]))
                                order by due_at, key limit c.room) w
        union all
        select c.n, w.due_at, null, null
        from asked c
            cross join lateral (select due_at from work
                                where lane = c.lane and kind = c.kind
                                    and due_at > statement_timestamp()
                                order by due_at limit 1) w
        order by 2, 3)sql",
        postgres::Params()
            .add_array(std::span<const std::int32_t>(lanes))
            .add_array(std::span<const std::string>(kinds))
            .add_array(std::span<const std::int32_t>(rooms))
            .add_array(std::span<const std::string>(in_memory)));
    for (int row = 0; row < rows.rows(); ++row) {
        const auto queue = static_cast<std::size_t>(rows.int8(row, 0) - 1);
        if (rows.null(row, 2)) {
            found.next_due[queue] = rows.time(row, 1);
            continue;
        }
        ++found.count[queue];
        if (auto ref = read_ref(rows.text(row, 3)))
            found.due.push_back({.queue = queue,
                                 .message_id = MessageId(rows.text(row, 2)),
                                 .ref = std::move(*ref)});
    }
    return found;
}

}  // namespace flowstack::gateway
