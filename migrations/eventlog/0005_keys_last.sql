-- A young table has no statistics, all its indexes look equally good, and of equals the planner takes the
-- newest: rows were sought by (lane, kind) or (tenant, kind) and then one by one. The primary keys become the
-- newest indexes, so that a plan made on an empty table still serves when it has grown.
alter table work drop constraint work_pkey, add primary key (lane, kind, key);
alter table read_model drop constraint read_model_pkey, add primary key (tenant, kind, id);
