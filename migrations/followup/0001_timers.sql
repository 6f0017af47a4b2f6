-- The open timers of one customer are asked for by prefix ("<tenant>/<customer>/…") whenever that customer writes.
-- Bytes, whatever the collation of the database: a range over any other order would miss rows.
create index work_by_key on work (lane, kind, key collate "C");
