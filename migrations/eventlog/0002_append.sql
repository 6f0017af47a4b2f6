-- append(): one call, one batch of commands, one verdict for each. Its contract for callers is in
-- common/eventlog/README.md; common/eventlog/append_statement.cc makes the call.
--
-- VOLATILE PL/pgSQL at READ COMMITTED, so that every statement sees what is committed when it runs: a
-- concurrent duplicate waits, then sees the first answer. Locks are taken in one order (claims by id, heads
-- by id, owners by lane, lanes by number), the lane rows last before the insert, so two batches cannot deadlock
-- and a refused command never touches a lane. All arrays come sorted and indexed by the caller.
--
-- Nearly every batch goes as its caller expects: all names are free, every stream has the expected version, every
-- owner is the newest one. So claims and heads are written as if all went well. If all did, there is nothing to
-- judge, and one row answers for the whole batch. If not, every command is judged in order, what was
-- written too early is put right, and each command gets its row. Both ways share the statements that follow.
--
-- Starting a statement costs as much as several rows, and receiving an array as much as a row. So a statement runs only
-- when there is something for it, and an array without elements comes as null. A SET of the function is done and undone
-- in every call, so it has one only, the search_path: it runs with its owner's rights, and nothing that the caller
-- made (a temporary table, type or function) may take the place of what it names. The sessions (common/postgres) ask
-- for generic plans without sequential scans. Every statement reads by a key, so one plan serves arrays of every
-- length.
--
-- Names. A prefix says of what a row of the arrays is; an index of another array counts from 1.
--
--   l_  a lane that the batch touches            l_id its number; l_total events for it; l_base position before the
--                                                batch; l_epoch, l_time of its first event
--   s_  a stream                                 s_id, s_lane; s_expect the version that it must have for all to go
--                                                well: 0 new, -1 any, -2 its commands contradict each other;
--                                                s_add the events that it gets then; s_old as found; s_cur as judged
--                                                so far; s_made made here
--   k_  a claimed name (key)                     k_id, k_scope, k_kind, k_key; k_first the request that made it;
--                                                k_made made here; k_holder, k_value, k_hash as found;
--                                                k_winner the request that has it
--   o_  an owner whom commands name              o_lane, o_epoch as named; o_now as found
--   c_  a command                                c_lane into l_; c_dedupe 1 creation, 2 version, else 0; c_id;
--                                                c_owner into o_, or null; c_events how many; c_offset events before it
--                                                in its lane; c_bad_part, c_bad_req what refused it; c_actual the
--                                                version found; c_part_from, c_part_to
--   p_  a part of a command                      p_cmd into c_; p_stream into s_; p_expected (-1 any, 0 create);
--                                                p_count events; p_base version before
--   q_  a command's request for a claim          q_cmd into c_; q_key into k_; q_value, q_holder; q_hash and
--                                                q_command when the name is the command's own id
--   e_  an event                                 e_cmd into c_; e_lane into l_; e_stream into s_; e_in_lane,
--                                                e_in_stream its place among the events of the batch for its lane and its
--                                                stream
--   d_  work rows to delete (del)                d_cmd into c_; d_lane, d_key; d_kinds all kinds that go, a line each:
--                                                most of them are not there, and a statement costs more than a kind
--   w_  a work row to write                      w_cmd into c_; then its columns
--   x_  a settings change                        x_cmd into c_; then its columns
--
--   i command, pi part, qi request, ei event, di work row to delete, wi work row to write, ki claimed name, si stream,
--   j lane, stream, owner, part or request in a loop; p0, q0 the first part and request of the command; v its verdict;
--   done_* where the events of a command that was written before are.
--
-- Verdicts and SQLSTATEs are those of common/eventlog/codes.h (a test compares them).
-- FS001 no such lane; FS002 refused while strict; FS003 the lane's clock is ahead; FS004 a cursor was moved;
-- FS005 a stream in a second lane; FS006 a change of history; FS007 an event is not parked any more;
-- FS008 the lane refuses to be written to; FS009 a lost tail is not what it was taken for (0005_tail.sql).
--
-- An answer has a name: columns of a function would be looked up in the catalogue in every call.
create type append_answer as (
    verdict int, at_part int, actual bigint, in_lane int, first_position bigint, event_count int,
    base_versions bigint[], recorded timestamptz, taken_kind text, taken_value bytea, taken_holder uuid,
    lane_bases bigint[], lane_times timestamptz[]
);
create function append(
    p_strict boolean,
    p_consistent boolean,                              -- the commands do not contradict each other
    l_id int[], l_total int[],
    s_id uuid[], s_lane int[], s_expect bigint[], s_add int[],
    k_id uuid[], k_scope text[], k_kind text[], k_key text[], k_first int[],
    o_lane int[], o_epoch bigint[],
    c_lane int[], c_dedupe int[], c_id text[], c_owner int[], c_events int[],
    p_cmd int[], p_stream int[], p_expected bigint[], p_count int[],
    q_cmd int[], q_key int[], q_value bytea[], q_holder uuid[], q_hash bytea[], q_command boolean[],
    e_cmd int[], e_lane int[], e_stream int[], e_in_lane int[], e_in_stream int[], e_id uuid[], e_tenant text[], e_category text[],
    e_key text[], e_type text[], e_occurred timestamptz[], e_meta bytea[], e_payload bytea[],
    d_cmd int[], d_lane int[], d_kinds text[], d_key text[],
    w_cmd int[], w_lane int[], w_kind text[], w_key text[], w_due timestamptz[], w_priority int[], w_ref bytea[],
    x_cmd int[], x_tenant text[], x_kind text[], x_key text[]
) returns setof append_answer language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp as $$
declare
    answer public.append_answer;
    all_ok constant int := 0;
    ok constant int := 1;
    wrong_version constant int := 2;
    already_done constant int := 3;
    other_body constant int := 4;
    claim_taken constant int := 5;
    not_owner constant int := 6;
    few constant smallint := 3;                        -- rows that one by one cost less than a statement for many
    smooth boolean := p_consistent;
    n_stream int := cardinality(s_id);
    n_made int := 0; n_key int; n_cmd int; n_part int; n_req int; n_del int; n_put int;
    k_holder uuid[]; k_value bytea[]; k_hash bytea[]; k_made uuid[]; k_winner int[];
    s_cur bigint[]; s_old bigint[]; s_made uuid[];
    o_now bigint[];
    any_refused boolean := false;
    l_base bigint[]; l_epoch int[]; l_time timestamptz[];
    c_verdict int[];                                   -- null: every command is ok
    c_offset int[]; c_bad_part int[]; c_bad_req int[]; c_actual bigint[]; c_part_from int[]; c_part_to int[];
    p_base bigint[];
    pi int; qi int; ei int; di int; wi int; p0 int; q0 int; v int; ki int; si int; li int;
    found_version bigint; found_lane int; found_epoch bigint;
    lane_base bigint; lane_epoch int; lane_time timestamptz; lane_timeline int; lane_lost_to bigint;
    now_timeline constant int := ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int;  -- wal_timeline()
    done_lane int; done_first bigint; done_count int; done_id text; done_time timestamptz;
begin
    -- Claims, in id order. A row that another transaction is making is waited for here.
    n_key := cardinality(k_id);
    if n_key <= few then
        for j in 1 .. n_key loop
            insert into public.claims (id, scope, kind, key, value, holder, request_hash, made_at)
            values (k_id[j], k_scope[j], k_kind[j], k_key[j], q_value[k_first[j]], q_holder[k_first[j]],
                    q_hash[k_first[j]], now())
            on conflict do nothing;
            if found then k_made := k_made || k_id[j]; else smooth := false; end if;
        end loop;
    elsif n_key > few then
        with made as (
            insert into public.claims (id, scope, kind, key, value, holder, request_hash, made_at)
            select k_id[g], k_scope[g], k_kind[g], k_key[g], q_value[k_first[g]], q_holder[k_first[g]],
                   q_hash[k_first[g]], now()
              from generate_series(1, n_key) g order by g
            on conflict do nothing
            returning id)
        select array_agg(m.id) into k_made from made m;
        smooth := smooth and n_key = coalesce(cardinality(k_made), 0);
    end if;

    -- Heads, in id order. Each goes to the version that it has if all goes well: one write, not two.
    s_old := array_fill(0::bigint, array[n_stream]);
    if n_stream <= few then
        for j in 1 .. n_stream loop
            if s_expect[j] <= 0 and s_add[j] > 0 then
                insert into public.heads (stream, version, lane) values (s_id[j], s_add[j], s_lane[j])
                on conflict do nothing;
                if found then s_made := s_made || s_id[j]; n_made := n_made + 1; end if;
            end if;
        end loop;
    elsif 0 >= any (s_expect) then
        with made as (
            insert into public.heads (stream, version, lane)
            select s_id[g], s_add[g], s_lane[g] from generate_series(1, n_stream) g
             where s_expect[g] <= 0 and s_add[g] > 0 order by g
            on conflict do nothing
            returning stream)
        select array_agg(m.stream), count(*) into s_made, n_made from made m;
    end if;
    if n_made < n_stream then
        for j in 1 .. n_stream loop
            if n_made > 0 and s_id[j] = any (s_made) then continue; end if;
            if s_add[j] > 0 then
                update public.heads h set version = h.version + s_add[j] where h.stream = s_id[j]
                returning h.version - s_add[j], h.lane into found_version, found_lane;
            else
                select h.version, h.lane into found_version, found_lane
                  from public.heads h where h.stream = s_id[j] for update;
            end if;
            if not found then
                smooth := smooth and s_expect[j] <= 0;
                continue;
            end if;
            if found_lane <> s_lane[j] then
                raise exception 'stream % lives in lane %', s_id[j], found_lane using errcode = 'FS005';
            end if;
            s_old[j] := found_version;
            smooth := smooth and s_expect[j] in (-1, found_version);
        end loop;
    end if;

    -- Owners, by lane. Shared: whoever takes the lane over waits for this commit.
    if o_lane is not null then
        for j in 1 .. cardinality(o_lane) loop
            select o.owner_epoch into found_epoch from public.lane_owner o where o.lane = o_lane[j] for share;
            o_now[j] := found_epoch;
        end loop;
        smooth := smooth and o_now = o_epoch;
    end if;

    -- Every command in order, each seeing the ones before.
    if not smooth then
        n_cmd := cardinality(c_lane); n_part := cardinality(p_cmd); n_req := coalesce(cardinality(q_cmd), 0);
        c_verdict := array_fill(ok, array[n_cmd]);
        c_offset := array_fill(0, array[n_cmd]);
        c_bad_part := array_fill(null::int, array[n_cmd]);
        c_bad_req := c_bad_part;
        c_actual := array_fill(null::bigint, array[n_cmd]);
        c_part_from := c_offset;
        c_part_to := c_offset;
        p_base := array_fill(0::bigint, array[n_part]);
        l_total := array_fill(0, array[cardinality(l_id)]);
        s_cur := s_old;
        if k_id is not null then
            k_winner := array_fill(null::int, array[cardinality(k_id)]);
            select array_agg(c.holder order by n.o), array_agg(c.value order by n.o),
                   array_agg(c.request_hash order by n.o)
              into k_holder, k_value, k_hash
              from unnest(k_id) with ordinality n(id, o)
                   left join public.claims c on c.id = n.id and n.id <> all (coalesce(k_made, '{}'));
        end if;
        pi := 1; qi := 1; ei := 1;
        for i in 1 .. n_cmd loop
            v := ok; p0 := pi; q0 := qi; li := c_lane[i];
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
            while pi <= n_part and p_cmd[pi] = i loop
                si := p_stream[pi];
                if v = ok and p_expected[pi] <> -1 and p_expected[pi] <> s_cur[si] then
                    v := wrong_version;
                    c_bad_part[i] := pi;
                    c_actual[i] := s_cur[si];
                end if;
                pi := pi + 1;
            end loop;
            c_part_from[i] := p0;
            c_part_to[i] := pi - 1;
            if v = ok and o_now[c_owner[i]] is distinct from o_epoch[c_owner[i]] then
                v := not_owner;
            end if;

            if v = ok then
                for j in q0 .. qi - 1 loop
                    ki := q_key[j];
                    if k_holder[ki] is null then
                        k_holder[ki] := q_holder[j]; k_value[ki] := q_value[j]; k_hash[ki] := q_hash[j];
                        k_winner[ki] := j;
                    end if;
                end loop;
                c_offset[i] := l_total[li];
                for j in p0 .. pi - 1 loop
                    si := p_stream[j];
                    p_base[j] := s_cur[si];
                    for n in 1 .. p_count[j] loop
                        s_cur[si] := s_cur[si] + 1;
                        l_total[li] := l_total[li] + 1;
                        e_in_stream[ei] := s_cur[si] - s_old[si];
                        e_in_lane[ei] := l_total[li];
                        ei := ei + 1;
                    end loop;
                end loop;
            else
                ei := ei + c_events[i];
            end if;
            c_verdict[i] := v;
            any_refused := any_refused or v <> ok;
        end loop;
    end if;

    -- What was written for a command that was then refused is put right.
    if any_refused then
        if k_made is not null then
            delete from public.claims c using unnest(k_id, k_winner) k(id, w)
             where c.id = k.id and k.id = any (k_made) and k.w is null;
            update public.claims c set value = q_value[k.w], holder = q_holder[k.w], request_hash = q_hash[k.w]
              from unnest(k_id, k_winner, k_first) k(id, w, f)
             where c.id = k.id and k.id = any (k_made) and k.w is not null and k.w <> k.f;
        end if;
        if s_made is not null then
            delete from public.heads h using unnest(s_id, s_cur) s(id, cur)
             where h.stream = s.id and s.id = any (s_made) and s.cur = 0;
        end if;
        update public.heads h set version = s.cur from unnest(s_id, s_cur, s_old, s_add) s(id, cur, old, add)
         where h.stream = s.id and s.cur <> s.old + s.add and s.cur > 0;
    end if;

    -- The lanes, last.
    for j in 1 .. cardinality(l_id) loop
        if l_total[j] > 0 then
            update public.lanes l
               set position = l.position + l_total[j],
                   last_recorded_at = greatest(clock_timestamp(), l.last_recorded_at + interval '1 microsecond')
                                      + (l_total[j] - 1) * interval '1 microsecond'
             where l.lane = l_id[j]
            returning l.position - l_total[j], l.epoch,
                      l.last_recorded_at - (l_total[j] - 1) * interval '1 microsecond', l.timeline, l.lost_to
                 into lane_base, lane_epoch, lane_time, lane_timeline, lane_lost_to;
            if not found then
                raise exception 'lane % does not exist', l_id[j] using errcode = 'FS001';
            end if;
            if lane_lost_to is not null then
                raise exception 'lane % refuses to be written to: its log ends at % and position % is known outside',
                    l_id[j], lane_base, lane_lost_to using errcode = 'FS008';
            end if;
            if lane_timeline <> now_timeline then
                raise exception 'lane % refuses to be written to until it is compared with the bus: the database was restored or failed over',
                    l_id[j] using errcode = 'FS008';
            end if;
            if lane_time > clock_timestamp() + interval '5 seconds' then
                raise exception 'lane % is ahead of the clock: last recorded %', l_id[j], lane_time
                    using errcode = 'FS003';
            end if;
            l_base[j] := lane_base; l_epoch[j] := lane_epoch; l_time[j] := lane_time;
        else
            l_base[j] := 0; l_epoch[j] := 0; l_time[j] := null;
        end if;
    end loop;

    if e_id is not null then
        insert into public.events (lane, position, epoch, stream, version, event_id, tenant, category, key, type,
                                   recorded_at, occurred_at, command_id, meta, payload)
        select l_id[e_lane[g]], l_base[e_lane[g]] + e_in_lane[g], l_epoch[e_lane[g]],
               s_id[e_stream[g]], s_old[e_stream[g]] + e_in_stream[g], e_id[g], e_tenant[g], e_category[g],
               e_key[g], e_type[g], l_time[e_lane[g]] + (e_in_lane[g] - 1) * interval '1 microsecond',
               e_occurred[g], c_id[e_cmd[g]], e_meta[g], e_payload[g]
          from generate_series(1, cardinality(e_id)) g
         where c_verdict is null or c_verdict[e_cmd[g]] = ok;
    end if;

    -- Work rows, command by command: what one puts a later one may take away again.
    if d_cmd is not null or w_cmd is not null then
        n_del := coalesce(cardinality(d_cmd), 0); n_put := coalesce(cardinality(w_cmd), 0);
        di := 1; wi := 1;
        for i in 1 .. n_del + n_put loop
            if di <= n_del and (wi > n_put or d_cmd[di] <= w_cmd[wi]) then
                if c_verdict is null or c_verdict[d_cmd[di]] = ok then
                    -- The kind is compared with that of a row that was found: an index on it must not be chosen.
                    delete from public.work w
                     where w.lane = d_lane[di] and w.key = d_key[di] and string_to_array(d_kinds[di], E'\n') @> array[w.kind];
                end if;
                di := di + 1;
            else
                if c_verdict is null or c_verdict[w_cmd[wi]] = ok then
                    insert into public.work (lane, kind, key, due_at, priority, ref)
                    values (w_lane[wi], w_kind[wi], w_key[wi], w_due[wi], w_priority[wi], w_ref[wi])
                    on conflict (lane, kind, key) do update
                        set due_at = excluded.due_at, priority = excluded.priority, ref = excluded.ref, held_due_at = null;
                end if;
                wi := wi + 1;
            end if;
        end loop;
    end if;
    if x_cmd is not null then
        with wanted as (
            select x.t, x.k, x.y, row_number() over (order by x.o) as o
              from unnest(x_cmd, x_tenant, x_kind, x_key) with ordinality x(c, t, k, y, o)
             where c_verdict is null or c_verdict[x.c] = ok),
        counted as (
            update public.settings_counter s set seq = s.seq + (select count(*) from wanted) returning s.seq)
        insert into public.settings_changes (seq, tenant, kind, key)
        select counted.seq - (select count(*) from wanted) + wanted.o, wanted.t, wanted.k, wanted.y
          from wanted, counted;
    end if;

    if c_verdict is null then
        answer.verdict := all_ok;
        answer.base_versions := s_old;
        answer.lane_bases := l_base;
        answer.lane_times := l_time;
        return next answer;
        return;
    end if;
    for i in 1 .. n_cmd loop
        answer := null;
        v := c_verdict[i];
        if v = ok then
            answer.verdict := ok;
            answer.in_lane := l_id[c_lane[i]];
            answer.first_position := l_base[c_lane[i]] + c_offset[i] + 1;
            answer.event_count := c_events[i];
            answer.base_versions := p_base[c_part_from[i] : c_part_to[i]];
            answer.recorded := l_time[c_lane[i]] + c_offset[i] * interval '1 microsecond';
            return next answer;
            continue;
        end if;
        done_lane := null; done_first := null; done_count := null; done_time := null;
        if v = wrong_version and c_dedupe[i] in (1, 2) and c_actual[i] > p_expected[c_bad_part[i]]
           and p_expected[c_bad_part[i]] >= 0 then
            -- The first answer of this very command stands where it wanted to write.
            select e.command_id, e.lane, e.position, e.recorded_at into done_id, done_lane, done_first, done_time
              from public.events e
             where e.stream = s_id[p_stream[c_bad_part[i]]] and e.version = p_expected[c_bad_part[i]] + 1;
            if done_id = c_id[i] then v := already_done; end if;
        elsif v = already_done then
            select e.lane, e.position, e.recorded_at into done_lane, done_first, done_time
              from public.events e
             where e.stream = k_holder[q_key[c_bad_req[i]]] and e.command_id = c_id[i]
             order by e.version limit 1;
        end if;
        if v = already_done and done_lane is not null then
            select min(e.position), count(*), min(e.recorded_at) into done_first, done_count, done_time
              from public.events e
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
        answer.verdict := v;
        answer.at_part := c_bad_part[i] - c_part_from[i];
        answer.actual := c_actual[i];
        answer.in_lane := done_lane;
        answer.first_position := done_first;
        answer.event_count := done_count;
        answer.base_versions := p_base[c_part_from[i] : c_part_to[i]];
        answer.recorded := done_time;
        answer.taken_kind := case when v in (other_body, claim_taken) then k_kind[q_key[c_bad_req[i]]] end;
        answer.taken_value := case when v in (other_body, claim_taken) then k_value[q_key[c_bad_req[i]]] end;
        answer.taken_holder := case when v in (other_body, claim_taken) then k_holder[q_key[c_bad_req[i]]] end;
        return next answer;
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
