-- append(): one call, one batch of commands, one verdict for each. Its contract for callers is in
-- common/eventlog/README.md; common/eventlog/append_statement.cc makes the call.
--
-- VOLATILE PL/pgSQL at READ COMMITTED, so that every statement sees what is committed when it runs: a
-- concurrent duplicate waits, then sees the first answer. Locks are taken in one order (claims by id, heads
-- by id, owners shared, lanes by number), the lane rows last before the insert, so two batches cannot deadlock
-- and a refused command never touches a lane. All arrays come sorted and indexed by the caller.
--
-- A statement runs only when there is something for it: starting a statement that has nothing to do cost most of
-- a call with one command. Claims and heads that were all made here are not read again, and what a refused
-- command left is taken away only after a refusal. Plans are made once and never with a sequential scan: every
-- table is asked by its key, so one plan serves arrays of every length.
--
-- Names. A prefix says of what a row of the arrays is; an index of another array counts from 1.
--
--   l_  a lane that the batch touches            l_id its number; l_total events for it so far; l_base position
--                                                before the batch; l_epoch, l_time of its first event
--   s_  a stream                                 s_id, s_lane; s_hint version it gets if new and all goes well;
--                                                s_cur version as judged so far; s_old as found; s_made made here
--   k_  a claimed name (key)                     k_id, k_scope, k_kind, k_key; k_first the request that made it;
--                                                k_holder, k_value, k_hash as found; k_winner the request that has it
--   c_  a command                                c_lane into l_; c_dedupe 1 creation, 2 version, else 0; c_id;
--                                                c_owner_lane, c_owner_epoch its guard; c_events how many;
--                                                c_offset events before it in its lane; c_bad_part, c_bad_req what
--                                                refused it; c_actual the version found; c_part_from, c_part_to
--   p_  a part of a command                      p_cmd into c_; p_stream into s_; p_expected (-1 any, 0 create);
--                                                p_count events; p_base version before
--   q_  a command's request for a claim          q_cmd into c_; q_key into k_; q_value, q_holder; q_hash and
--                                                q_command when the name is the command's own id
--   e_  an event                                 e_cmd into c_; e_part into p_; e_in_cmd, e_in_part its place there
--   d_  a work row to delete (del)               d_cmd into c_; then its key
--   w_  a work row to write                      w_cmd into c_; then its columns
--   x_  a settings change                        x_cmd into c_; then its columns
--
--   i command, pi part, qi request, di work row to delete, wi work row to write, ki claimed name, si stream,
--   j lane, part or request in a loop; p0, q0 the first part and request of the command; v its verdict;
--   done_* where the events of a command that was written before are.
--
-- Verdicts and SQLSTATEs are those of common/eventlog/codes.h (a test compares them).
-- FS001 no such lane; FS002 refused while strict; FS003 the lane's clock is ahead; FS004 a cursor was moved;
-- FS005 a stream in a second lane; FS006 a change of history; FS007 an event is not parked any more.
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
) language plpgsql volatile security definer
  set search_path = public, pg_temp set plan_cache_mode = force_generic_plan set enable_seqscan = off as $$
declare
    ok constant int := 1;
    wrong_version constant int := 2;
    already_done constant int := 3;
    other_body constant int := 4;
    claim_taken constant int := 5;
    not_owner constant int := 6;
    n_cmd int := cardinality(c_lane);
    n_part int := cardinality(p_cmd);
    n_req int := cardinality(q_cmd);
    n_lane int := cardinality(l_id);
    n_key int := cardinality(k_id);
    n_stream int := cardinality(s_id);
    k_holder uuid[]; k_value bytea[]; k_hash bytea[]; k_made uuid[]; k_winner int[];
    s_cur bigint[]; s_old bigint[]; s_home int[]; s_made uuid[];
    any_refused boolean := false;
    l_total int[] := array_fill(0, array[greatest(n_lane, 1)]);
    l_base bigint[] := array_fill(0::bigint, array[greatest(n_lane, 1)]);
    l_epoch int[] := array_fill(0, array[greatest(n_lane, 1)]);
    l_time timestamptz[] := array_fill(null::timestamptz, array[greatest(n_lane, 1)]);
    c_verdict int[] := array_fill(ok, array[n_cmd]);
    c_offset int[] := array_fill(0, array[n_cmd]);
    c_bad_part int[] := array_fill(null::int, array[n_cmd]);
    c_bad_req int[] := array_fill(null::int, array[n_cmd]);
    c_actual bigint[] := array_fill(null::bigint, array[n_cmd]);
    p_base bigint[] := array_fill(0::bigint, array[greatest(n_part, 1)]);
    c_part_from int[] := array_fill(1, array[n_cmd]);
    c_part_to int[] := array_fill(0, array[n_cmd]);
    pi int := 1; qi int := 1; di int := 1; wi int := 1; p0 int; q0 int; v int; ki int; si int; epoch_now bigint;
    lane_base bigint; lane_epoch int; lane_time timestamptz;
    done_lane int; done_first bigint; done_count int; done_id text; done_time timestamptz;
begin
    -- Claims, in id order. A row that another transaction is making is waited for here.
    if n_key > 0 then
        with made as (
            insert into claims (id, scope, kind, key, value, holder, request_hash, made_at)
            select k.id, k.scope, k.kind, k.key, q_value[k.f], q_holder[k.f], q_hash[k.f], now()
              from unnest(k_id, k_scope, k_kind, k_key, k_first) with ordinality k(id, scope, kind, key, f, o)
             order by k.o
            on conflict do nothing
            returning id)
        select array_agg(m.id) into k_made from made m;
        k_winner := array_fill(null::int, array[n_key]);
        if cardinality(k_made) = n_key then
            k_holder := array_fill(null::uuid, array[n_key]);
            k_value := array_fill(null::bytea, array[n_key]);
            k_hash := k_value;
        else
            select array_agg(c.holder order by n.o), array_agg(c.value order by n.o),
                   array_agg(c.request_hash order by n.o)
              into k_holder, k_value, k_hash
              from unnest(k_id) with ordinality n(id, o)
                   left join claims c on c.id = n.id and n.id <> all (coalesce(k_made, '{}'));
        end if;
    end if;

    -- Heads, in id order. A new one starts at the version it will have if all goes well: one write, not two.
    if n_stream > 0 then
        if 0 < any (s_hint) then
            with made as (
                insert into heads (stream, version, lane)
                select s.id, s.hint, s.l from unnest(s_id, s_hint, s_lane) with ordinality s(id, hint, l, o)
                 where s.hint > 0 order by s.o
                on conflict do nothing
                returning stream)
            select array_agg(m.stream) into s_made from made m;
        end if;
        if cardinality(s_made) = n_stream then
            s_cur := array_fill(0::bigint, array[n_stream]);
            s_old := s_hint;
        else
            -- They come in the order of s_id: when all are there nothing has to be matched.
            select array_agg(h.version), array_agg(h.lane) into s_old, s_home
              from (select h.version, h.lane from heads h where h.stream = any (s_id)
                     order by h.stream for update) h;
            if s_made is null and cardinality(s_old) = n_stream then
                s_cur := s_old;
            else
                select array_agg(case when s.id = any (s_made) then 0 else coalesce(h.version, 0) end order by s.o),
                       array_agg(coalesce(h.version, 0) order by s.o), array_agg(coalesce(h.lane, s.l) order by s.o)
                  into s_cur, s_old, s_home
                  from unnest(s_id, s_lane) with ordinality s(id, l, o) left join heads h on h.stream = s.id;
            end if;
            if s_home is distinct from s_lane then
                raise exception 'streams % live in another lane',
                    (select string_agg(s.id::text, ', ') from unnest(s_id, s_lane, s_home) s(id, l, h) where s.l <> s.h)
                    using errcode = 'FS005';
            end if;
        end if;
    end if;

    -- Every command in order, each seeing the ones before.
    for i in 1 .. n_cmd loop
        v := ok; p0 := pi; q0 := qi;
        while qi <= n_req and q_cmd[qi] = i loop
            if v = ok then
                ki := q_key[qi];
                if k_holder[ki] is not null then
                    if q_command[qi] then
                        v := case when k_hash[ki] = q_hash[qi] then already_done else other_body end;
                        c_bad_req[i] := qi;
                    elsif k_holder[ki] <> q_holder[qi] then
                        v := claim_taken;
                        c_bad_req[i] := qi;
                    end if;
                end if;
            end if;
            qi := qi + 1;
        end loop;
        c_part_from[i] := p0;
        while pi <= n_part and p_cmd[pi] = i loop
            si := p_stream[pi];
            if v = ok and p_expected[pi] <> -1 and p_expected[pi] <> s_cur[si] then
                v := wrong_version;
                c_bad_part[i] := pi;
                c_actual[i] := s_cur[si];
            end if;
            pi := pi + 1;
        end loop;
        c_part_to[i] := pi - 1;
        if v = ok and c_owner_lane[i] is not null then
            select o.owner_epoch into epoch_now from lane_owner o where o.lane = c_owner_lane[i] for share;
            if epoch_now is distinct from c_owner_epoch[i] then v := not_owner; end if;
        end if;

        if v = ok then
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
        any_refused := any_refused or v <> ok;
    end loop;

    -- A claim or head made above for a command that was then refused does not stay.
    if any_refused then
        if k_made is not null then
            delete from claims c using unnest(k_id, k_winner) k(id, w)
             where c.id = k.id and k.id = any (k_made) and k.w is null;
            update claims c set value = q_value[k.w], holder = q_holder[k.w], request_hash = q_hash[k.w]
              from unnest(k_id, k_winner, k_first) k(id, w, f)
             where c.id = k.id and k.id = any (k_made) and k.w is not null and k.w <> k.f;
        end if;
        if s_made is not null then
            delete from heads h using unnest(s_id, s_cur) s(id, cur)
             where h.stream = s.id and s.id = any (s_made) and s.cur = 0;
        end if;
    end if;
    if s_cur is distinct from s_old then
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
     where c_verdict[e.c] = ok;

    -- Work rows, command by command: what one puts a later one may take away again.
    for i in 1 .. cardinality(d_cmd) + cardinality(w_cmd) loop
        if di <= cardinality(d_cmd) and (wi > cardinality(w_cmd) or d_cmd[di] <= w_cmd[wi]) then
            if c_verdict[d_cmd[di]] = ok then
                delete from work w where w.lane = d_lane[di] and w.kind = d_kind[di] and w.key = d_key[di];
            end if;
            di := di + 1;
        else
            if c_verdict[w_cmd[wi]] = ok then
                insert into work (lane, kind, key, due_at, priority, ref)
                values (w_lane[wi], w_kind[wi], w_key[wi], w_due[wi], w_priority[wi], w_ref[wi])
                on conflict (lane, kind, key) do update
                    set due_at = excluded.due_at, priority = excluded.priority, ref = excluded.ref;
            end if;
            wi := wi + 1;
        end if;
    end loop;
    if cardinality(x_cmd) > 0 then
        with wanted as (
            select x.t, x.k, x.y, row_number() over (order by x.o) as o
              from unnest(x_cmd, x_tenant, x_kind, x_key) with ordinality x(c, t, k, y, o)
             where c_verdict[x.c] = ok),
        counted as (
            update settings_counter s set seq = s.seq + (select count(*) from wanted) returning s.seq)
        insert into settings_changes (seq, tenant, kind, key)
        select counted.seq - (select count(*) from wanted) + wanted.o, wanted.t, wanted.k, wanted.y
          from wanted, counted;
    end if;

    for i in 1 .. n_cmd loop
        v := c_verdict[i];
        if v = ok then
            verdict := ok;
            in_lane := l_id[c_lane[i]];
            first_position := l_base[c_lane[i]] + c_offset[i] + 1;
            event_count := c_events[i];
            base_versions := p_base[c_part_from[i] : c_part_to[i]];
            recorded := l_time[c_lane[i]] + c_offset[i] * interval '1 microsecond';
            return next;
            continue;
        end if;
        done_lane := null; done_first := null; done_count := null; done_time := null;
        if v = wrong_version and c_dedupe[i] in (1, 2) and c_actual[i] > p_expected[c_bad_part[i]]
           and p_expected[c_bad_part[i]] >= 0 then
            -- The first answer of this very command stands where it wanted to write.
            select e.command_id, e.lane, e.position, e.recorded_at into done_id, done_lane, done_first, done_time
              from events e
             where e.stream = s_id[p_stream[c_bad_part[i]]] and e.version = p_expected[c_bad_part[i]] + 1;
            if done_id = c_id[i] then v := already_done; end if;
        elsif v = already_done then
            select e.lane, e.position, e.recorded_at into done_lane, done_first, done_time
              from events e
             where e.stream = k_holder[q_key[c_bad_req[i]]] and e.command_id = c_id[i]
             order by e.version limit 1;
        end if;
        if v = already_done and done_lane is not null then
            select min(e.position), count(*), min(e.recorded_at) into done_first, done_count, done_time
              from events e
             where e.lane = done_lane and e.command_id = c_id[i]
               and e.position between done_first - 64 and done_first + 1024;
        end if;
        if p_strict and v <> already_done then
            raise exception 'command % refused: verdict %', c_id[i], v
                using errcode = 'FS002',
                      detail = format('%s|%s|%s|%s|%s|%s', i, v, coalesce(c_actual[i]::text, ''),
                                      case when v in (other_body, claim_taken) then k_kind[q_key[c_bad_req[i]]] end,
                                      case when v in (other_body, claim_taken) then encode(k_value[q_key[c_bad_req[i]]], 'hex') end,
                                      case when v in (other_body, claim_taken) then k_holder[q_key[c_bad_req[i]]]::text end);
        end if;
        verdict := v;
        at_part := c_bad_part[i] - c_part_from[i];
        actual := c_actual[i];
        in_lane := done_lane;
        first_position := done_first;
        event_count := done_count;
        base_versions := p_base[c_part_from[i] : c_part_to[i]];
        recorded := done_time;
        taken_kind := case when v in (other_body, claim_taken) then k_kind[q_key[c_bad_req[i]]] end;
        taken_value := case when v in (other_body, claim_taken) then k_value[q_key[c_bad_req[i]]] end;
        taken_holder := case when v in (other_body, claim_taken) then k_holder[q_key[c_bad_req[i]]] end;
        return next;
        at_part := null; actual := null; taken_kind := null; taken_value := null; taken_holder := null;
    end loop;
end $$;

-- Moves a consumer's cursor by compare-and-set. FS004: it is not where the caller believes it to be.
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

-- Takes a parked event away, in the transaction of its effects. FS007: somebody else has done it.
create function unpark(p_consumer text, p_source text, p_lane int, p_position bigint) returns void language plpgsql as $$
begin
    delete from parked where consumer = p_consumer and source = p_source and lane = p_lane and position = p_position;
    if not found then
        raise exception 'event % of % lane % is not parked any more', p_position, p_source, p_lane
            using errcode = 'FS007';
    end if;
end $$;

-- The new owner of a lane, unless another replica took it since p_seen_epoch was read. Waits for appends under
-- the old owner's guard.
create function take_lane(p_lane int, p_replica text, p_incarnation bigint default 0, p_seen_epoch bigint default null)
returns bigint language sql as $$
    update lane_owner set owner_epoch = owner_epoch + 1, replica = p_replica, incarnation = p_incarnation,
                          taken_at = clock_timestamp()
     where lane = p_lane and owner_epoch = coalesce(p_seen_epoch, owner_epoch) returning owner_epoch
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
