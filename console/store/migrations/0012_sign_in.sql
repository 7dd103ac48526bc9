-- Whether somebody vouched for the address: an administrator or a provider. An address that a provider did not verify is
-- nobody's proof, so no other identity is ever linked to that user by it.
ALTER TABLE users ADD COLUMN email_verified BIGINT NOT NULL DEFAULT 1
    CONSTRAINT users_email_verified CHECK (email_verified IN (0, 1));

-- Who a user is at a sign-in provider.
CREATE TABLE user_identities (
    id               BIGINT NOT NULL CONSTRAINT user_identities_pk PRIMARY KEY,
    user_id          BIGINT NOT NULL CONSTRAINT user_identities_user_fk REFERENCES users (id),
    provider         TEXT   NOT NULL,   -- google, slack, okta, oidc
    subject          TEXT   NOT NULL,   -- claim sub
    email            TEXT,              -- as the provider said last
    email_verified   BIGINT NOT NULL,
    slack_team       TEXT,
    last_sign_in_at  BIGINT NOT NULL,
    created_at       BIGINT NOT NULL,
    updated_at       BIGINT NOT NULL,
    CONSTRAINT user_identities_subject_key UNIQUE (provider, subject),
    CONSTRAINT user_identities_provider CHECK (provider <> ''),
    CONSTRAINT user_identities_subject CHECK (subject <> ''),
    CONSTRAINT user_identities_email_verified CHECK (email_verified IN (0, 1))
);
CREATE INDEX user_identities_user ON user_identities (user_id, id);

-- Browsers that are signed in. A session that ended has no row; the audit log has its beginning and its end.
CREATE TABLE sessions (
    id            BIGINT NOT NULL CONSTRAINT sessions_pk PRIMARY KEY,
    token_hash    BYTEA  NOT NULL,   -- SHA-256 of what the cookie holds
    user_id       BIGINT NOT NULL CONSTRAINT sessions_user_fk REFERENCES users (id),
    provider      TEXT   NOT NULL,   -- password, or the provider
    as_operator   BIGINT NOT NULL,   -- an administrator's rights are paused
    address       TEXT,              -- where it was begun
    user_agent    TEXT,              -- by what
    last_used_at  BIGINT NOT NULL,   -- at most once a minute
    created_at    BIGINT NOT NULL,
    CONSTRAINT sessions_token_hash_key UNIQUE (token_hash),
    CONSTRAINT sessions_token_hash_length CHECK (length(token_hash) = 32),
    CONSTRAINT sessions_provider CHECK (provider <> ''),
    CONSTRAINT sessions_as_operator CHECK (as_operator IN (0, 1))
);
CREATE INDEX sessions_user ON sessions (user_id, id);

-- Attempts to sign in with a password that failed, or are under way. They are forgotten after a while.
CREATE TABLE login_attempts (
    id       BIGINT NOT NULL CONSTRAINT login_attempts_pk PRIMARY KEY,
    account  BYTEA,             -- SHA-256 of the address that was typed; null: it has signed in since, or it was none
    network  BYTEA  NOT NULL,   -- SHA-256 of where it came from
    at       BIGINT NOT NULL,
    CONSTRAINT login_attempts_account_length CHECK (length(account) = 32),
    CONSTRAINT login_attempts_network_length CHECK (length(network) = 32)
);
CREATE INDEX login_attempts_account ON login_attempts (account, at);
CREATE INDEX login_attempts_network ON login_attempts (network, at);
