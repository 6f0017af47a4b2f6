-- Payments that need a person are counted over all tenants for a metric. They are few among many documents.
create index read_model_payment_for_person on read_model (sort_at) where kind = 'payment_for_person';
