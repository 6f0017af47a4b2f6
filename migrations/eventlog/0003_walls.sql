-- Two walls around history: what the service's role may do, and a trigger for everyone.

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'history is append-only: % on % refused', tg_op, tg_table_name using errcode = 'FS006';
end $$;
create trigger events_no_change before update or delete on events for each row execute function refuse_change();
create trigger events_no_truncate before truncate on events for each statement execute function refuse_change();

do $$ begin
    if not exists (select from pg_roles where rolname = 'flowstack_service') then
        create role flowstack_service login;
    end if;
exception when duplicate_object or unique_violation then null;  -- another database's migration made it
end $$;

revoke create on schema public from public;
grant usage on schema public to flowstack_service;
grant select on events, heads, lanes, claims, settings_changes to flowstack_service;
grant select, insert, update, delete on work, cursors, parked, read_model, leases, recovered_work, recoveries to flowstack_service;
grant select, update on restored to flowstack_service;
grant select, insert, update on replicas to flowstack_service;
grant select, update on lane_relay, lane_owner to flowstack_service;
revoke execute on all functions in schema public from public;
grant execute on function append, move_cursor, unpark, take_lane to flowstack_service;
