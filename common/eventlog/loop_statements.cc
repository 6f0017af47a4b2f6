#include "common/eventlog/loop_statements.h"

#include "common/eventlog/store.h"

namespace flowstack::eventlog {
namespace {

std::string events_where(const char* conditions, const char* more_columns = "") {
    return std::string("select ") + kEventColumns + more_columns + " from events " + conditions;
}

// select * from append($1,$2,…)
std::string append_sql() {
    std::string sql = "select * from append(";
    for (int i = 1; i <= kAppendArguments; ++i) {
        if (i > 1) sql += ',';
        sql += "$" + std::to_string(i);
    }
    return sql + ")";
}

}  // namespace

namespace loops {

const LoopStatement kRenewLease{.name = "renew the lease",
                                .sql = R"sql(update replicas
                  set alive_until = clock_timestamp() + $3 * interval '1 millisecond'
                where name = $1 and incarnation = $2)sql",
                                // Versions of the row that no vacuum has taken away yet.
                                .read_besides = 10};
const LoopStatement kReplicas{
    .name = "replicas",
    .sql = "select name, incarnation, alive_until > clock_timestamp() from replicas"};
// Heads and the last settings change come along, so that nobody else has to ask for them.
const LoopStatement kLanesNow{
    .name = "lanes now",
    .sql = R"sql(select o.lane, o.owner_epoch, o.replica, o.incarnation, l.position,
                        (select coalesce(max(seq), 0) from settings_changes),
                        coalesce(l.lost_to, 0), l.timeline = (select wal_timeline())
                   from lane_owner o join lanes l using (lane) order by o.lane)sql",
    .read_for_each = 4,
    .read_besides = 4};
const LoopStatement kLivingOwner{.name = "the living owner of a lane",
                                 .sql = R"sql(
        select o.replica, o.owner_epoch, o.taken_at
          from lane_owner o
          join replicas r on r.name = o.replica and r.incarnation = o.incarnation
                         and r.alive_until > clock_timestamp()
         where o.lane = $1)sql",
                                 .read_besides = 10};

const LoopStatement kRelayHeads{.name = "heads of the lanes that the relay publishes",
                                .sql = R"sql(select l.lane, l.position, r.published,
                           l.timeline = (select wal_timeline())
                    from lanes l join lane_relay r using (lane) where l.lane = any($1))sql",
                                .read_for_each = 4};
const LoopStatement kRelayPage{
    .name = "a page of each lane that is to be published",
    .sql = std::string("select event.* from unnest($1::int[], $2::bigint[]) due(in_lane, after), "
                       "lateral (") +
           events_where("where lane = in_lane and position > after order by position limit $3") +
           ") event"};
const LoopStatement kRelaySave{
    .name = "how far lanes are published",
    .sql = R"sql(update lane_relay r set published = greatest(r.published, v.position)
                    from unnest($1::int[], $2::bigint[]) v(lane, position)
                   where r.lane = v.lane)sql",
    .read_for_each = 4,
    .read_besides = 10};
const LoopStatement kLaneCompared{.name = "what the bus has of a lane",
                                  .sql = "select lane_compared($1, $2)",
                                  .read_besides = 10};
const LoopStatement kLaneReadTo{.name = "what a reader has of a lane",
                                .sql = "select lane_read_to($1, $2)",
                                .read_besides = 10};
const LoopStatement kVerifyStretch{
    .name = "what the topic must be equal to",
    .sql = events_where("where lane = $1 and position between $2 and $3 order by position")};

// Each lane's rows are read in the order of due_at from its index, so rows that are due later are
// not read, however many there are. (The index serves a time that is fixed for the statement;
// clock_timestamp() would be evaluated for each row.) With $4, the row of each lane that is due
// next comes as well, with the time that is left.
const LoopStatement kWorkDue{.name = "due work",
                             .sql = R"sql(
            select w.lane, k.kind, w.key, w.due_at, w.ref,
                   (extract(epoch from w.due_at - statement_timestamp()) * 1000000)::bigint
              from unnest($1::text[], $2::bigint[]) k(kind, n)
             cross join lateral (
                   select w.* from unnest($3::int[]) l(lane)
                    cross join lateral (
                          select lane, key, due_at, ref from work
                           where lane = l.lane and kind = k.kind and due_at <= statement_timestamp()
                           order by due_at limit k.n) w
                    order by w.due_at limit k.n) w
             union all
            select n.lane, k.kind, n.key, n.due_at, n.ref,
                   (extract(epoch from n.due_at - statement_timestamp()) * 1000000)::bigint
              from unnest($1::text[]) k(kind)
             cross join lateral (
                   select n.* from unnest($3::int[]) l(lane)
                    cross join lateral (
                          select lane, key, due_at, ref from work
                           where $4 and lane = l.lane and kind = k.kind
                             and due_at > statement_timestamp()
                           order by due_at limit 1) n
                    order by n.due_at limit 1) n)sql",
                             // Of each of 64 lanes the row that is next.
                             .read_besides = 128};

const LoopStatement kSettingsChanges{
    .name = "settings changes",
    .sql = "select seq, tenant, kind, key from settings_changes where seq > $1 order by seq"};

const LoopStatement kHeads{.name = "heads", .sql = "select position from lanes order by lane"};
const LoopStatement kLanePage{
    .name = "a page of a lane",
    .sql = events_where("where lane = $1 and position >= $2 and position <= $3 "
                        "order by position limit $4")};
const LoopStatement kStream{
    .name = "a stream",
    .sql = events_where("where stream = $1 and version >= $2 order by version")};
const LoopStatement kStreams{.name = "several streams",
                             .sql = std::string("select ") + kEventColumns + R"sql(, s.n
              from unnest($1::uuid[], $2::bigint[]) with ordinality s(id, from_version, n)
             cross join lateral (select * from events
                                  where stream = s.id and version >= s.from_version) e
             order by s.n, e.version)sql"};
const LoopStatement kClaim{.name = "who holds a name", .sql = R"sql(select value, holder,
                                   (extract(epoch from now() - made_at) * 1000000)::bigint
                              from claims where id = $1)sql"};

const LoopStatement kMoveCursors{
    .name = "cursors move",
    .sql = R"sql(select move_cursor($1, c.source, c.lane, c.before, c.after)
                from unnest($2::text[], $3::int[], $4::bigint[], $5::bigint[])
                     c(source, lane, before, after))sql",
    .read_for_each = 4,
    .read_besides = 10};
const LoopStatement kCursor{
    .name = "a cursor",
    .sql =
        R"sql(select coalesce(c.position, 0), coalesce(c.decided, 0), r.before, coalesce(c.epoch, 1)
                   from restored r
                   left join cursors c on c.consumer = $1 and c.source = $2 and c.lane = $3)sql",
    .read_for_each = 4};
const LoopStatement kParkedKeys{.name = "parked keys of a lane",
                                .sql = R"sql(select routing_key, count(*) from parked
               where consumer = $1 and source = $2 and lane = $3 group by 1)sql",
                                .read_for_each = 100};  // it counts the events of each
const LoopStatement kDocument{.name = "a document",
                              .sql = R"sql(select parent, state, sort_at, body from read_model
                   where tenant = $1 and kind = $2 and id = $3)sql"};
const LoopStatement kDocuments{.name = "several documents", .sql = R"sql(
            select r.parent, r.state, r.sort_at, r.body, r.tenant, r.kind, r.id
              from unnest($1::text[], $2::text[], $3::text[]) d(tenant, kind, id)
             cross join lateral (select * from read_model
                                  where tenant = d.tenant and kind = d.kind and id = d.id) r)sql"};
const LoopStatement kWriteDocuments{.name = "documents are written",
                                    .sql = R"sql(
             insert into read_model (tenant, kind, id, parent, state, sort_at, lane, position, body)
             select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[],
                                  $6::timestamptz[], $7::int[], $8::bigint[], $9::bytea[])
             on conflict (tenant, kind, id) do update
                set parent = excluded.parent, state = excluded.state, sort_at = excluded.sort_at,
                    lane = excluded.lane, position = excluded.position, body = excluded.body)sql",
                                    .read_for_each = 4};
const LoopStatement kDropDocuments{.name = "documents are dropped", .sql = R"sql(
             delete from read_model r
              using unnest($1::text[], $2::text[], $3::text[]) d(tenant, kind, id)
              where r.tenant = d.tenant and r.kind = d.kind and r.id = d.id)sql"};

// Of each event: its claim, its head, its lane, its owner and a work row.
const LoopStatement kAppend{
    .name = "append()", .sql = append_sql(), .read_for_each = 8, .read_besides = 10};

}  // namespace loops

std::vector<const LoopStatement*> loop_statements() {
    using namespace loops;
    return {&kRenewLease, &kReplicas,        &kLanesNow,       &kLivingOwner,   &kRelayHeads,
            &kRelayPage,  &kRelaySave,       &kLaneCompared,   &kLaneReadTo,    &kVerifyStretch,
            &kWorkDue,    &kSettingsChanges, &kHeads,          &kLanePage,      &kStream,
            &kStreams,    &kClaim,           &kMoveCursors,    &kCursor,        &kParkedKeys,
            &kDocument,   &kDocuments,       &kWriteDocuments, &kDropDocuments, &kAppend};
}

}  // namespace flowstack::eventlog
