-- The lane log of one service: the same for all five. See docs/ARCHITECTURE.md and common/eventlog.
--
-- events is the log and the outbox. Only append() writes it, and nothing changes it.
--
-- Of equally good indexes the planner takes the newest, and on a young table, which has no statistics, all
-- look equally good. So the primary keys of work and read_model are made after their other indexes: a plan made on
-- an empty table then seeks by the whole key and still serves when the table has grown.

-- The timeline on which the cluster writes. PostgreSQL begins a new one after each restore and each failover.
create function wal_timeline() returns int language sql stable as $$
    select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
$$;

-- A lane refuses to be written to (append() raises FS008) while its log may have lost events that others know: while lost_to
-- is set, and from a restore or failover on until its owner has compared it with the bus (0005_tail.sql).
create table lanes (
    lane             int primary key,
    epoch            int not null default 1,
    position         bigint not null default 0,       -- the head: positions 1..position exist, but for lost_tails, no other
    last_recorded_at timestamptz not null default 'epoch',
    timeline         int not null default wal_timeline(),  -- on which it was last found to be as far as the bus
    lost_to          bigint                           -- the bus or a reader had this position, and the log had not
) with (fillfactor = 10);

-- Positions that were given up after a restore (TailLost). No event ever has one of them again.
create table lost_tails (
    lane  int not null,
    first bigint not null,
    last  bigint not null,
    epoch int not null,                                -- the one that began behind them
    primary key (lane, first)
);

create table heads (
    stream  uuid primary key,                          -- one aggregate, in the whole database
    version bigint not null,
    lane    int not null
) with (fillfactor = 70);

create table events (
    lane        int not null,
    position    bigint not null,
    epoch       int not null,
    stream      uuid not null,
    version     bigint not null,
    event_id    uuid not null,
    tenant      text not null,
    category    text not null,
    key         text not null,
    type        text not null,                         -- full name of the payload's protobuf message
    recorded_at timestamptz not null,
    occurred_at timestamptz not null,
    command_id  text not null,
    meta        bytea not null,                        -- flowstack.common.v1.EventMeta
    payload     bytea not null,
    primary key (lane, position)
);
create index events_stream on events (stream, version);
alter table events alter column meta set storage plain, alter column payload set storage external;

-- A name that only one stream may hold. id = first 16 bytes of SHA-256(scope 0 kind 0 key).
create table claims (
    id           uuid not null,
    scope        text not null,                        -- the tenant, or '' for the platform
    kind         text not null,
    key          text not null,
    value        bytea not null,
    holder       uuid not null,
    request_hash bytea not null,                       -- of what was asked, where the claim is a command id
    made_at      timestamptz not null,
    primary key (id)
) partition by hash (id);
create table claims_0 partition of claims for values with (modulus 4, remainder 0);
create table claims_1 partition of claims for values with (modulus 4, remainder 1);
create table claims_2 partition of claims for values with (modulus 4, remainder 2);
create table claims_3 partition of claims for values with (modulus 4, remainder 3);

-- What the owner of a lane has to do, and when. Derived from events, so it can be made again. An event takes all
-- kinds of work with its key away at once: one look into the primary key, which nearly always finds none.
create table work (
    lane     int not null,
    kind     text not null,
    key      text not null,
    due_at   timestamptz not null,
    priority int not null,
    ref      bytea not null,
    -- Set: a person decides whether it is still to be done, and due_at is in the year 2200, so that nobody does it by himself.
    held_due_at timestamptz
);
create index work_due on work (lane, kind, due_at, key);
alter table work add primary key (lane, key, kind);

-- Who works on which lane is decided from these two tables alone: the living replicas share the lanes out
-- (common/eventlog/membership.h).
create table replicas (
    name        text primary key,
    incarnation bigint not null,                       -- counts the processes that had this name; the last one counts
    alive_until timestamptz not null                   -- a process that lives renews it about twice a second
);
create table lane_owner (
    lane        int primary key,
    owner_epoch bigint not null default 0,             -- append() compares it with the caller's
    replica     text not null default '',              -- '' when it was given back
    incarnation bigint not null default 0,             -- of the replica when it took the lane
    taken_at    timestamptz
);

create table lane_relay (
    lane      int primary key,
    published bigint not null default 0                -- only over the contiguous acknowledged prefix
) with (fillfactor = 50);

create table cursors (
    consumer text not null,
    source   text not null,
    lane     int not null,
    epoch    int not null default 1,                    -- of the event that it stands at, or of one before
    position bigint not null,
    decided  bigint not null default 0,                -- up to here nothing more is decided: a recovered tail holds what was
    primary key (consumer, source, lane)
) with (fillfactor = 50);

create table parked (
    consumer    text not null,
    source      text not null,
    lane        int not null,
    position    bigint not null,
    routing_key text not null,
    reason      text not null,
    event       bytea not null,                        -- flowstack.common.v1.RecordedEvent
    parked_at   timestamptz not null,
    primary key (consumer, source, lane, position)
);
create index parked_key on parked (consumer, source, lane, routing_key);

-- What every replica's door must know soon. seq is gapless: the counter row is locked last.
create table settings_changes (
    seq     bigint primary key,
    tenant  text not null,
    kind    text not null,
    key     text not null
);
create table settings_counter (only_row boolean primary key default true check (only_row), seq bigint not null);
insert into settings_counter (seq) values (0);

-- Read models are documents: body is the API resource's protobuf message, the columns are what lists ask for.
create table read_model (
    tenant   text not null,
    kind     text not null,
    id       text not null,
    parent   text not null default '',
    state    text not null default '',
    sort_at  timestamptz not null,
    lane     int not null,
    position bigint not null,                          -- of the event that it shows last
    body     bytea not null
);
create index read_model_list on read_model (tenant, kind, sort_at desc, id);
create index read_model_parent on read_model (tenant, kind, parent, sort_at desc, id) where parent <> '';
create index read_model_state on read_model (tenant, kind, state, sort_at desc, id) where state <> '';
alter table read_model add primary key (tenant, kind, id);

-- What must be single across replicas and lanes, such as a provider's token.
create table leases (
    name       text primary key,
    holder     text not null,
    version    bigint not null,
    value      bytea not null,
    expires_at timestamptz not null
);

-- Until all lanes of a service have their tails back: what the recovered events say about work rows, by the latest of them.
create table recovered_work (
    lane        int not null,
    kind        text not null,
    key         text not null,
    recorded_at timestamptz not null,                  -- of the event that says so
    due_at      timestamptz,                           -- null: it takes the row away
    priority    int not null,
    ref         bytea not null,
    primary key (lane, kind, key)
);

-- What was taken back of each lane, until it is in the log as a TailRecovered.
create table recoveries (
    lane          int primary key,
    first         bigint not null,
    last          bigint not null,
    payloads_lost bigint not null
);

-- Work that a source's event led to before this moment was perhaps done in a tail that was declared lost.
create table restored (only_row boolean primary key default true check (only_row), before timestamptz not null);
insert into restored (before) values ('epoch');
