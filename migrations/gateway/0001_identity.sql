-- What gateway keeps of who comes to its doors. None of it is a fact of the log: it may be lost, and then nobody knows when a
-- key was used last, and people log in again.

-- When an API key was used last, about to the minute.
create table api_key_uses (
    tenant  text not null,
    key_id  text not null,
    used_at timestamptz not null,
    primary key (tenant, key_id)
);

-- People who have logged in with a browser (docs/adr/0021-browser-sessions.md). The id that the browser has is not stored, only
-- its SHA-256: whoever reads this table cannot be anybody of it.
create table browser_sessions (
    id_sha256  bytea primary key check (octet_length(id_sha256) = 32),
    session_id text not null,         -- how events call it
    subject    text not null,         -- of the issuer
    grants     text not null,         -- JSON: a list of texts, as a token has them
    began_at   timestamptz not null,
    seen_at    timestamptz not null,  -- the session ends when this is too long ago
    expires_at timestamptz not null   -- and then, whatever happens
);
create index browser_sessions_expires_at on browser_sessions (expires_at);

grant select, insert, update, delete on api_key_uses, browser_sessions to flowstack_service;
