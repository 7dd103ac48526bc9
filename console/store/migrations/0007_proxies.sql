-- Running proxies.
CREATE TABLE proxies (
    id                     BIGINT NOT NULL CONSTRAINT proxies_pk PRIMARY KEY,
    name                   TEXT   NOT NULL,
    principal_id           BIGINT
                           CONSTRAINT proxies_principal_fk REFERENCES principals (id) ON DELETE SET NULL,
    fallback_principal_id  BIGINT
                           CONSTRAINT proxies_fallback_fk REFERENCES principals (id) ON DELETE SET NULL,
    fallback_mode          TEXT,              -- null: that of the deployment
    principal_assigned_at  BIGINT,            -- null while unassigned
    assignment             BIGINT NOT NULL,   -- raised whenever one of the principals or the mode changes
    acknowledged           BIGINT NOT NULL,   -- the assignment under which the proxy last echoed the current hash
    last_config_hash       TEXT,              -- as last echoed by the proxy
    last_seen_at           BIGINT,
    last_synced_at         BIGINT,            -- when it last echoed the current hash
    client_version         TEXT,
    created_by             BIGINT CONSTRAINT proxies_created_by_fk REFERENCES users (id),
    revision               BIGINT NOT NULL,
    created_at             BIGINT NOT NULL,
    updated_at             BIGINT NOT NULL,
    CONSTRAINT proxies_name CHECK (name <> ''),
    CONSTRAINT proxies_fallback_mode CHECK (fallback_mode IN ('per-target', 'when-empty', 'never')),
    CONSTRAINT proxies_acknowledged CHECK (acknowledged <= assignment)
);
CREATE INDEX proxies_page ON proxies (created_at, id);
CREATE INDEX proxies_principal ON proxies (principal_id);
CREATE INDEX proxies_fallback ON proxies (fallback_principal_id);

-- Digests of proxy tokens, of those in use and of those of deleted proxies: a row is never removed, so that a deleted
-- proxy can be told that it is revoked and no digest comes to life twice. Hence proxy_id has no foreign key.
CREATE TABLE proxy_tokens (
    token_hash   BYTEA  NOT NULL CONSTRAINT proxy_tokens_pk PRIMARY KEY,   -- SHA-256 of the whole token
    proxy_id     BIGINT NOT NULL,
    valid_until  BIGINT,            -- end of the grace after a rotation; null: no end
    revoked_at   BIGINT,            -- the proxy was deleted
    created_at   BIGINT NOT NULL,
    CONSTRAINT proxy_tokens_hash_length CHECK (length(token_hash) = 32)
);
CREATE INDEX proxy_tokens_proxy ON proxy_tokens (proxy_id);
