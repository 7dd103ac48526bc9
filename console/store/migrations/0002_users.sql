-- Console users. Nobody is deleted, so that the audit log can always name its actor.
CREATE TABLE users (
    id             BIGINT NOT NULL CONSTRAINT users_pk PRIMARY KEY,
    email          TEXT   NOT NULL,   -- trimmed, lower case
    name           TEXT,
    status         TEXT   NOT NULL,
    admin          BIGINT NOT NULL,
    password_hash  TEXT,              -- PHC string; null when only single sign-on is used
    approved_at    BIGINT,
    approved_by    BIGINT CONSTRAINT users_approved_by_fk REFERENCES users (id),
    revision       BIGINT NOT NULL,   -- raised by every write of the row
    created_at     BIGINT NOT NULL,
    updated_at     BIGINT NOT NULL,
    CONSTRAINT users_email_key UNIQUE (email),
    CONSTRAINT users_email_form CHECK (email = lower(email) AND email = trim(email) AND email <> ''),
    CONSTRAINT users_status CHECK (status IN ('pending', 'active', 'disabled')),
    CONSTRAINT users_admin CHECK (admin IN (0, 1))
);

-- Keys of the JSON API. A deleted key keeps its row, so that its digest can never be registered again.
CREATE TABLE api_keys (
    id            BIGINT NOT NULL CONSTRAINT api_keys_pk PRIMARY KEY,
    user_id       BIGINT NOT NULL CONSTRAINT api_keys_user_fk REFERENCES users (id),
    name          TEXT   NOT NULL,
    token_hash    BYTEA  NOT NULL,   -- SHA-256 of the whole token, prefix included
    last_used_at  BIGINT,            -- for display, at most once a minute
    deleted_at    BIGINT,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL,
    CONSTRAINT api_keys_token_hash_key UNIQUE (token_hash),
    CONSTRAINT api_keys_token_hash_length CHECK (length(token_hash) = 32),
    CONSTRAINT api_keys_name CHECK (name <> '')
);
CREATE INDEX api_keys_user ON api_keys (user_id, created_at, id);
