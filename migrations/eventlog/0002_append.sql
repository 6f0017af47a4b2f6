-- append(): one call, one batch of commands, one verdict each. See common/eventlog/command.h.
--
-- VOLATILE PL/pgSQL at READ COMMITTED, so that every statement sees what is committed when it runs: a
-- concurrent duplicate waits, then sees the first answer. Locks are taken in one order (claims by id, heads
-- by id, owners by lane, lanes by number), the lane rows last before the insert, so batches cannot deadlock
-- and a refused command never touches a lane. All arrays come sorted and indexed by the caller.
--
-- verdict: 1 ok, 2 wrong_version, 3 already_done, 4 other_body, 5 claim_taken, 6 not_owner.
-- SQLSTATE FS002: refused while strict; FS003: the lane's clock is ahead; FS005: a stream in a second lane.
create function append(
    p_strict boolean,
    l_id int[],
    s_id uuid[], s_lane int[], s_hint bigint[],
    k_id uuid[], k_scope text[], k_kind text[], k_key text[], k_first int[],
    c_lane int[], c_dedupe int[], c_id text[], c_owner_lane int[], c_owner_epoch bigint[], c_events int[],
    p_cmd int[], p_stream int[], p_expected bigint[], p_count int[],
    q_cmd int[], q_key int[], q_value bytea[], q_holder uuid[], q_hash bytea[], q_command boolean[],
    e_cmd int[], e_part int[], e_in_cmd int[], e_in_part int[], e_id uuid[], e_tenant text[], e_category text[],
    e_key text[], e_type text[], e_occurred timestamptz[], e_meta bytea[], e_payload bytea[],
    d_cmd int[], d_lane int[], d_kind text[], d_key text[],
    w_cmd int[], w_lane int[], w_kind text[], w_key text[], w_due timestamptz[], w_priority int[], w_ref bytea[],
    x_cmd int[], x_tenant text[], x_kind text[], x_key text[]
) returns table (
    verdict int, at_part int, actual bigint, in_lane int, first_position bigint, event_count int,
    base_versions bigint[], recorded timestamptz, taken_kind text, taken_value bytea, taken_holder uuid
) language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    n_cmd int := cardinality(c_lane);
    n_part int := cardinality(p_cmd);
    n_req int := cardinality(q_cmd);
    n_lane int := cardinality(l_id);
    k_holder uuid[]; k_value bytea[]; k_hash bytea[]; k_new boolean[]; k_winner int[];
    s_cur bigint[]; s_old bigint[]; s_new boolean[];
    l_total int[] := array_fill(0, array[greatest(n_lane, 1)]);
    l_base bigint[] := array_fill(0::bigint, array[greatest(n_lane, 1)]);
    l_epoch int[] := array_fill(0, array[greatest(n_lane, 1)]);
    l_time timestamptz[] := array_fill(null::timestamptz, array[greatest(n_lane, 1)]);
    c_verdict int[] := array_fill(1, array[n_cmd]);
    c_offset int[] := array_fill(0, array[n_cmd]);
    c_bad_part int[] := array_fill(null::int, array[n_cmd]);
    c_bad_req int[] := array_fill(null::int, array[n_cmd]);
    c_actual bigint[] := array_fill(null::bigint, array[n_cmd]);
    p_base bigint[] := array_fill(0::bigint, array[greatest(n_part, 1)]);
    c_part_from int[] := array_fill(1, array[n_cmd]);
    c_part_to int[] := array_fill(0, array[n_cmd]);
    pi int := 1; qi int := 1; p0 int; q0 int; v int; ki int; si int; epoch_now bigint;
    refused text; lane_base bigint; lane_epoch int; lane_time timestamptz;
    done_lane int; done_first bigint; done_count int; done_id text; done_time timestamptz;
begin
    -- Claims, in id order. A row that another transaction is making is waited for here.
    if cardinality(k_id) > 0 then
        with made as (
            insert into claims (id, scope, kind, key, value, holder, request_hash, made_at)
            select k.id, k.scope, k.kind, k.key, q_value[k.f], q_holder[k.f], q_hash[k.f], now()
              from unnest(k_id, k_scope, k_kind, k_key, k_first) with ordinality k(id, scope, kind, key, f, o)
             order by k.o
            on conflict do nothing
            returning id)
        select array_agg(m.id is not null order by k.o) into k_new
          from unnest(k_id) with ordinality k(id, o) left join made m on m.id = k.id;
        select array_agg(case when not n.made then c.holder end order by n.o),
               array_agg(case when not n.made then c.value end order by n.o),
               array_agg(case when not n.made then c.request_hash end order by n.o)
          into k_holder, k_value, k_hash
          from unnest(k_id, k_new) with ordinality n(id, made, o) left join claims c on c.id = n.id and not n.made;
        k_winner := array_fill(null::int, array[cardinality(k_id)]);
    end if;

    -- Heads, in id order. A new one starts at the version it will have if all goes well: one write, not two.
    if cardinality(s_id) > 0 then
        with made as (
            insert into heads (stream, version, lane)
            select s.id, s.hint, s.l from unnest(s_id, s_hint, s_lane) with ordinality s(id, hint, l, o)
             where s.hint > 0 order by s.o
            on conflict do nothing
            returning stream)
        select array_agg(m.stream is not null order by s.o) into s_new
          from unnest(s_id) with ordinality s(id, o) left join made m on m.stream = s.id;
        with locked as materialized (
            select h.stream, h.version, h.lane from heads h where h.stream = any (s_id) order by h.stream for update)
        select array_agg(case when s.fresh then 0 else coalesce(h.version, 0) end order by s.o),
               array_agg(coalesce(h.version, 0) order by s.o),
               string_agg(s.id::text, ', ') filter (where h.lane <> s.l)
          into s_cur, s_old, refused
          from unnest(s_id, s_new, s_lane) with ordinality s(id, fresh, l, o) left join locked h on h.stream = s.id;
        if refused is not null then
            raise exception 'streams % live in another lane', refused using errcode = 'FS005';
        end if;
    end if;

    -- Every command in order, each seeing the ones before.
    for i in 1 .. n_cmd loop
        v := 1; p0 := pi; q0 := qi;
        while qi <= n_req and q_cmd[qi] = i loop
            if v = 1 then
                ki := q_key[qi];
                if k_holder[ki] is not null then
                    if q_command[qi] then
                        v := case when k_hash[ki] = q_hash[qi] then 3 else 4 end;
                        c_bad_req[i] := qi;
                    elsif k_holder[ki] <> q_holder[qi] then
                        v := 5;
                        c_bad_req[i] := qi;
                    end if;
                end if;
            end if;
            qi := qi + 1;
        end loop;
        c_part_from[i] := p0;
        while pi <= n_part and p_cmd[pi] = i loop
            si := p_stream[pi];
            if v = 1 and p_expected[pi] <> -1 and p_expected[pi] <> s_cur[si] then
                v := 2;
                c_bad_part[i] := pi;
                c_actual[i] := s_cur[si];
            end if;
            pi := pi + 1;
        end loop;
        c_part_to[i] := pi - 1;
        if v = 1 and c_owner_lane[i] is not null then
            select o.owner_epoch into epoch_now from lane_owner o where o.lane = c_owner_lane[i] for share;
            if epoch_now is distinct from c_owner_epoch[i] then v := 6; end if;
        end if;

        if v = 1 then
            for j in p0 .. pi - 1 loop
                p_base[j] := s_cur[p_stream[j]];
                s_cur[p_stream[j]] := s_cur[p_stream[j]] + p_count[j];
            end loop;
            for j in q0 .. qi - 1 loop
                ki := q_key[j];
                if k_holder[ki] is null then
                    k_holder[ki] := q_holder[j]; k_value[ki] := q_value[j]; k_hash[ki] := q_hash[j];
                    k_winner[ki] := j;
                end if;
            end loop;
            c_offset[i] := l_total[c_lane[i]];
            l_total[c_lane[i]] := l_total[c_lane[i]] + c_events[i];
        end if;
        c_verdict[i] := v;
    end loop;

    -- A claim or head made above for a command that was then refused does not stay.
    if cardinality(k_id) > 0 then
        delete from claims c using unnest(k_id, k_new, k_winner) k(id, made, w)
         where c.id = k.id and k.made and k.w is null;
        update claims c set value = q_value[k.w], holder = q_holder[k.w], request_hash = q_hash[k.w]
          from unnest(k_id, k_new, k_winner, k_first) k(id, made, w, f)
         where c.id = k.id and k.made and k.w is not null and k.w <> k.f;
    end if;
    if s_cur is distinct from s_old then
        delete from heads h using unnest(s_id, s_cur, s_new) s(id, cur, fresh)
         where h.stream = s.id and s.fresh and s.cur = 0;
        update heads h set version = s.cur from unnest(s_id, s_cur, s_old) s(id, cur, old)
         where h.stream = s.id and s.cur <> s.old and s.cur > 0;
    end if;

    -- The lanes, last.
    for j in 1 .. n_lane loop
        if l_total[j] > 0 then
            update lanes l
               set position = l.position + l_total[j],
                   last_recorded_at = greatest(clock_timestamp(), l.last_recorded_at + interval '1 microsecond')
                                      + (l_total[j] - 1) * interval '1 microsecond'
             where l.lane = l_id[j]
            returning l.position - l_total[j], l.epoch,
                      l.last_recorded_at - (l_total[j] - 1) * interval '1 microsecond'
                 into lane_base, lane_epoch, lane_time;
            if not found then
                raise exception 'lane % does not exist', l_id[j] using errcode = 'FS001';
            end if;
            if lane_time > clock_timestamp() + interval '5 seconds' then
                raise exception 'lane % is ahead of the clock: last recorded %', l_id[j], lane_time
                    using errcode = 'FS003';
            end if;
            l_base[j] := lane_base; l_epoch[j] := lane_epoch; l_time[j] := lane_time;
        end if;
    end loop;

    insert into events (lane, position, epoch, stream, version, event_id, tenant, category, key, type,
                        recorded_at, occurred_at, command_id, meta, payload)
    select l_id[c_lane[e.c]], l_base[c_lane[e.c]] + c_offset[e.c] + e.ic, l_epoch[c_lane[e.c]],
           s_id[p_stream[e.p]], p_base[e.p] + e.ip, e.id, e.tenant, e.category, e.key, e.type,
           l_time[c_lane[e.c]] + (c_offset[e.c] + e.ic - 1) * interval '1 microsecond', e.occurred,
           c_id[e.c], e.meta, e.payload
      from unnest(e_cmd, e_part, e_in_cmd, e_in_part, e_id, e_tenant, e_category, e_key, e_type, e_occurred,
                  e_meta, e_payload)
           e(c, p, ic, ip, id, tenant, category, key, type, occurred, meta, payload)
     where c_verdict[e.c] = 1;

    if cardinality(d_cmd) > 0 then
        delete from work w using unnest(d_cmd, d_lane, d_kind, d_key) d(c, l, k, y)
         where w.lane = d.l and w.kind = d.k and w.key = d.y and c_verdict[d.c] = 1;
    end if;
    if cardinality(w_cmd) > 0 then
        insert into work (lane, kind, key, due_at, priority, ref)
        select distinct on (n.l, n.k, n.y) n.l, n.k, n.y, n.due, n.prio, n.ref
          from unnest(w_cmd, w_lane, w_kind, w_key, w_due, w_priority, w_ref)
               with ordinality n(c, l, k, y, due, prio, ref, o)
         where c_verdict[n.c] = 1
           -- Not what a later command of this batch takes away again.
           and not exists (select from unnest(d_cmd, d_lane, d_kind, d_key) d(c, l, k, y)
                            where d.l = n.l and d.k = n.k and d.y = n.y and d.c > n.c and c_verdict[d.c] = 1)
         order by n.l, n.k, n.y, n.o desc
        on conflict (lane, kind, key) do update
            set due_at = excluded.due_at, priority = excluded.priority, ref = excluded.ref;
    end if;
    if cardinality(x_cmd) > 0 then
        with wanted as (
            select x.t, x.k, x.y, row_number() over (order by x.o) as o
              from unnest(x_cmd, x_tenant, x_kind, x_key) with ordinality x(c, t, k, y, o)
             where c_verdict[x.c] = 1),
        counted as (
            update settings_counter s set seq = s.seq + (select count(*) from wanted) returning s.seq)
        insert into settings_changes (seq, tenant, kind, key)
        select counted.seq - (select count(*) from wanted) + wanted.o, wanted.t, wanted.k, wanted.y
          from wanted, counted;
    end if;

    for i in 1 .. n_cmd loop
        v := c_verdict[i];
        done_lane := null; done_first := null; done_count := null; done_time := null;
        if v = 1 then
            done_lane := l_id[c_lane[i]];
            done_first := l_base[c_lane[i]] + c_offset[i] + 1;
            done_count := c_events[i];
            done_time := l_time[c_lane[i]] + c_offset[i] * interval '1 microsecond';
        elsif v = 2 and c_dedupe[i] in (1, 2) and c_actual[i] > p_expected[c_bad_part[i]]
              and p_expected[c_bad_part[i]] >= 0 then
            -- The first answer of this very command stands where it wanted to write.
            select e.command_id, e.lane, e.position, e.recorded_at into done_id, done_lane, done_first, done_time
              from events e
             where e.stream = s_id[p_stream[c_bad_part[i]]] and e.version = p_expected[c_bad_part[i]] + 1;
            if done_id = c_id[i] then v := 3; end if;
        elsif v = 3 then
            select e.lane, e.position, e.recorded_at into done_lane, done_first, done_time
              from events e
             where e.stream = k_holder[q_key[c_bad_req[i]]] and e.command_id = c_id[i]
             order by e.version limit 1;
        end if;
        if v = 3 and done_lane is not null then
            select min(e.position), count(*), min(e.recorded_at) into done_first, done_count, done_time
              from events e
             where e.lane = done_lane and e.command_id = c_id[i]
               and e.position between done_first - 64 and done_first + 1024;
        end if;
        if p_strict and v not in (1, 3) then
            raise exception 'command % refused: verdict %', c_id[i], v
                using errcode = 'FS002',
                      detail = format('%s|%s|%s|%s|%s|%s', i, v, coalesce(c_actual[i]::text, ''),
                                      case when v in (4, 5) then k_kind[q_key[c_bad_req[i]]] end,
                                      case when v in (4, 5) then encode(k_value[q_key[c_bad_req[i]]], 'hex') end,
                                      case when v in (4, 5) then k_holder[q_key[c_bad_req[i]]]::text end);
        end if;
        verdict := v;
        at_part := c_bad_part[i] - c_part_from[i];
        actual := c_actual[i];
        in_lane := done_lane;
        first_position := done_first;
        event_count := done_count;
        base_versions := p_base[c_part_from[i] : c_part_to[i]];
        recorded := done_time;
        taken_kind := case when v in (4, 5) then k_kind[q_key[c_bad_req[i]]] end;
        taken_value := case when v in (4, 5) then k_value[q_key[c_bad_req[i]]] end;
        taken_holder := case when v in (4, 5) then k_holder[q_key[c_bad_req[i]]] end;
        return next;
    end loop;
end $$;

-- The consumer's compare-and-set. FS004: somebody else moved it, or never was there.
create function move_cursor(p_consumer text, p_source text, p_lane int, p_from bigint, p_to bigint)
returns void language plpgsql as $$
begin
    if p_from = 0 then
        insert into cursors (consumer, source, lane, position) values (p_consumer, p_source, p_lane, 0)
        on conflict do nothing;
    end if;
    update cursors set position = p_to
     where consumer = p_consumer and source = p_source and lane = p_lane and position = p_from;
    if not found then
        raise exception 'cursor of % over % lane % is not at %', p_consumer, p_source, p_lane, p_from
            using errcode = 'FS004';
    end if;
end $$;

-- The new owner of a lane. Waits for appends under the old owner's guard.
create function take_lane(p_lane int, p_replica text) returns bigint language sql as $$
    update lane_owner set owner_epoch = owner_epoch + 1, replica = p_replica, taken_at = clock_timestamp()
     where lane = p_lane returning owner_epoch
$$;

-- Makes lanes 0..n-1, or says that this installation has another number of them.
create function make_lanes(p_count int) returns int language plpgsql as $$
declare have int;
begin
    lock table lanes in exclusive mode;
    select count(*) into have from lanes;
    if have = 0 then
        insert into lanes (lane) select g from generate_series(0, p_count - 1) g;
        insert into lane_owner (lane) select g from generate_series(0, p_count - 1) g;
        insert into lane_relay (lane) select g from generate_series(0, p_count - 1) g;
        have := p_count;
    end if;
    return have;
end $$;
