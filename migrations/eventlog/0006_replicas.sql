-- Who works on which lane is decided from these two tables alone: the living replicas share the lanes out.
create table replicas (
    name        text primary key,
    incarnation bigint not null,          -- counts the processes that had this name; only the last one counts
    alive_until timestamptz not null      -- a process that lives renews it about twice a second
);
alter table lane_owner add column incarnation bigint not null default 0;

grant select, insert, update on replicas to flowstack_service;

-- The new owner of a lane, unless another replica took it since p_seen_epoch was read. Waits for appends under
-- the old owner's guard.
drop function take_lane(int, text);
create function take_lane(p_lane int, p_replica text, p_incarnation bigint default 0, p_seen_epoch bigint default null)
returns bigint language sql as $$
    update lane_owner set owner_epoch = owner_epoch + 1, replica = p_replica, incarnation = p_incarnation,
                          taken_at = clock_timestamp()
     where lane = p_lane and owner_epoch = coalesce(p_seen_epoch, owner_epoch) returning owner_epoch
$$;
revoke execute on function take_lane from public;
grant execute on function take_lane to flowstack_service;
