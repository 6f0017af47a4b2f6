-- Open payments are counted over all tenants for a metric, by their age. They are few among many documents.
create index read_model_open_payment on read_model (state, sort_at) where kind = 'payment' and state in ('INITIATED', 'PENDING');
