-- An audience is frozen lane by lane, in the order of the customers' ids. Bytes, whatever the collation of the
-- database: the rules keep members in the same order.
create index read_model_contacts on read_model (tenant, lane, id collate "C") where kind = 'contact';
