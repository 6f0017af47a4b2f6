-- After a restore the log may end before what was published: its tail is lost, and the bus, or a service that read it, still
-- knows it. Nobody may then write to the lane, since positions would be used a second time (docs/backup.md, docs/adr/0022-lost-tail.md).

-- Notes that the bus, or a reader, has this position of the lane; 0: the bus has nothing. A log that is behind it refuses to be
-- written to from now on; one that is not, and was restored or failed over, may be written to again. Returns how far a log that
-- refuses must go; null: nothing has changed.
create function lane_compared(p_lane int, p_known bigint) returns bigint language sql security definer
  set search_path = pg_catalog, pg_temp as $$
    update public.lanes
       set timeline = public.wal_timeline(),
           lost_to = case when p_known > position then greatest(p_known, coalesce(lost_to, 0)) else lost_to end
     where lane = p_lane and (timeline <> public.wal_timeline() or p_known > position)
    returning coalesce(lost_to, 0)
$$;

-- Notes what a reader has of the lane. It says nothing about what the bus has.
create function lane_read_to(p_lane int, p_known bigint) returns void language sql security definer
  set search_path = pg_catalog, pg_temp as $$
    update public.lanes set lost_to = greatest(p_known, coalesce(lost_to, 0)) where lane = p_lane and p_known > position
$$;

-- Takes back events that the log has lost, as the bus has them. They follow the head, or, when the first is a TailLost, the gap
-- before it. Only for a lane whose tail is lost, so nothing that is there can change. FS009 names the position that does not fit.
create function recover_events(
    p_lane int, p_head bigint,                         -- the head that the caller saw
    p_first bigint, p_gap_from bigint,                 -- position of the first event; where the gap before it begins, or null
    e_epoch int[], e_stream uuid[], e_version bigint[], e_id uuid[], e_tenant text[], e_category text[], e_key text[],
    e_type text[], e_recorded timestamptz[], e_occurred timestamptz[], e_command text[], e_meta bytea[], e_payload bytea[],
    k_event int[], k_id uuid[], k_scope text[], k_kind text[], k_key text[], k_value bytea[], k_holder uuid[], k_hash bytea[],
    x_tenant text[], x_kind text[], x_key text[]
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    n constant int := cardinality(e_id);
    head bigint; lost bigint; latest timestamptz; other uuid;
begin
    select l.position, l.lost_to, l.last_recorded_at into head, lost, latest
      from public.lanes l where l.lane = p_lane for update;
    if head is distinct from p_head then
        raise exception 'lane %: somebody else writes to it, its head is % and was %', p_lane, head, p_head using errcode = 'FS009';
    end if;
    if lost is null or p_first + n - 1 > lost or p_first <> head + 1 and p_gap_from is distinct from head + 1 then
        raise exception 'lane %: % does not follow its head % in a tail that ends at %', p_lane, p_first, head, lost
            using errcode = 'FS009';
    end if;
    if p_first > head + 1 then
        insert into public.lost_tails (lane, first, last, epoch) values (p_lane, head + 1, p_first - 1, e_epoch[1]);
    end if;
    for i in 1 .. n loop
        if e_recorded[i] <= latest then
            raise exception 'lane % position %: it was not recorded after the event before', p_lane, p_first + i - 1
                using errcode = 'FS009';
        end if;
        latest := e_recorded[i];
        if e_version[i] = 1 then
            insert into public.heads (stream, version, lane) values (e_stream[i], 1, p_lane) on conflict do nothing;
        else
            update public.heads h set version = e_version[i]
             where h.stream = e_stream[i] and h.version = e_version[i] - 1 and h.lane = p_lane;
        end if;
        if not found then
            raise exception 'lane % position %: version % does not follow in its stream', p_lane, p_first + i - 1, e_version[i]
                using errcode = 'FS009';
        end if;
    end loop;
    insert into public.events (lane, position, epoch, stream, version, event_id, tenant, category, key, type,
                               recorded_at, occurred_at, command_id, meta, payload)
    select p_lane, p_first + g - 1, e_epoch[g], e_stream[g], e_version[g], e_id[g], e_tenant[g], e_category[g], e_key[g],
           e_type[g], e_recorded[g], e_occurred[g], e_command[g], e_meta[g], e_payload[g]
      from generate_series(1, n) g;
    for j in 1 .. coalesce(cardinality(k_id), 0) loop
        insert into public.claims (id, scope, kind, key, value, holder, request_hash, made_at)
        values (k_id[j], k_scope[j], k_kind[j], k_key[j], k_value[j], k_holder[j], k_hash[j], e_recorded[k_event[j]])
        on conflict do nothing;
        if not found then
            select c.holder into other from public.claims c where c.id = k_id[j];
            if other is distinct from k_holder[j] then
                raise exception 'lane % position %: % % is held by another stream', p_lane, p_first + k_event[j] - 1,
                    k_kind[j], k_key[j] using errcode = 'FS009';
            end if;
        end if;
    end loop;
    if x_tenant is not null then
        with counted as (
            update public.settings_counter s set seq = s.seq + cardinality(x_tenant) returning s.seq)
        insert into public.settings_changes (seq, tenant, kind, key)
        select counted.seq - cardinality(x_tenant) + g, x_tenant[g], x_kind[g], x_key[g]
          from counted, generate_series(1, cardinality(x_tenant)) g;
    end if;
    update public.lanes l
       set position = p_first + n - 1, last_recorded_at = latest, epoch = greatest(l.epoch, e_epoch[n])
     where l.lane = p_lane;
end $$;

-- Gives up the positions from the head to p_last: the event, a TailLost, is the first of a new epoch behind them.
create function lose_tail(
    p_lane int, p_head bigint, p_last bigint, e_stream uuid, e_id uuid, e_category text, e_key text, e_type text,
    e_occurred timestamptz, e_command text, e_meta bytea, e_payload bytea
) returns void language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    head bigint; lost bigint; old_epoch int; latest timestamptz; v bigint;
begin
    select l.position, l.lost_to, l.epoch, l.last_recorded_at into head, lost, old_epoch, latest
      from public.lanes l where l.lane = p_lane for update;
    if head is distinct from p_head or p_last < head or p_last < lost then
        raise exception 'lane %: its head is % and what is known of it goes to %', p_lane, head, lost using errcode = 'FS009';
    end if;
    latest := greatest(clock_timestamp(), latest + interval '1 microsecond');
    insert into public.heads (stream, version, lane) values (e_stream, 1, p_lane)
        on conflict (stream) do update set version = heads.version + 1 returning version into v;
    insert into public.events (lane, position, epoch, stream, version, event_id, tenant, category, key, type,
                               recorded_at, occurred_at, command_id, meta, payload)
    values (p_lane, p_last + 1, old_epoch + 1, e_stream, v, e_id, '', e_category, e_key, e_type, latest, e_occurred, e_command,
            e_meta, e_payload);
    if p_last > head then
        insert into public.lost_tails (lane, first, last, epoch) values (p_lane, head + 1, p_last, old_epoch + 1);
    end if;
    update public.lanes l set position = p_last + 1, epoch = old_epoch + 1, last_recorded_at = latest, lost_to = p_last + 1,
                              timeline = public.wal_timeline()
     where l.lane = p_lane;
end $$;

-- What the recovered events say about work becomes so.
create function apply_recovered_work() returns void language sql as $$
    delete from public.work w using public.recovered_work r where w.lane = r.lane and w.kind = r.kind and w.key = r.key;
    insert into public.work (lane, kind, key, due_at, priority, ref)
    select lane, kind, key, due_at, priority, ref from public.recovered_work where due_at is not null;
    delete from public.recovered_work;
$$;

-- When no lane misses its tail any more: they all may be written to again, under new owners, so that nobody goes on with what he
-- had in memory. Returns how many lanes still miss theirs; nothing is opened then.
create function open_lanes() returns int language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare missing int; waiting int;
begin
    perform from public.lane_owner o order by o.lane for update;
    perform from public.lanes l order by l.lane for update;
    select count(*) filter (where l.lost_to > l.position), count(*) filter (where l.lost_to is not null)
      into missing, waiting from public.lanes l;
    if missing = 0 and waiting > 0 then
        perform public.apply_recovered_work();
        update public.lanes set lost_to = null where lost_to is not null;
        update public.lane_owner set owner_epoch = owner_epoch + 1, replica = '', incarnation = 0;
    end if;
    return missing;
end $$;

grant select on lost_tails to flowstack_service;
revoke execute on all functions in schema public from public;
grant execute on function wal_timeline, lane_compared, lane_read_to, recover_events, lose_tail, apply_recovered_work, open_lanes
    to flowstack_service;
