-- Keys that seal what the log holds sealed. Each is stored wrapped by a key that is outside of the database: MASTER_KEY
-- or a KMS (common/keys). They are no facts: a wrapped key is replaced when the key outside changes (docs/adr/0020-data-keys.md).
create table data_keys (
    tenant        text primary key,                    -- '' = this service's own
    wrapped       text not null,                       -- <version of the wrapping key>:<base64>
    wrapped_under text not null generated always as (regexp_replace(wrapped, ':[^:]*$', '')) stored,
    made_at       timestamptz not null default now(),
    wrapped_at    timestamptz not null default now()
);
create index data_keys_wrapped_under on data_keys (wrapped_under, tenant);

-- A data key that is gone opens nothing ever again, so the service's role cannot take one away, or give it to another tenant.
grant select, insert on data_keys to flowstack_service;
grant update (wrapped, wrapped_at) on data_keys to flowstack_service;
