-- Grantable secrets of all seven kinds. What only one kind has is its definition document
-- (docs/decisions/0014-one-table-of-secrets.md says why).
CREATE TABLE secrets (
    id                    BIGINT NOT NULL CONSTRAINT secrets_pk PRIMARY KEY,
    kind                  TEXT   NOT NULL,
    namespace             TEXT   NOT NULL,
    foreign_id            TEXT,
    name                  TEXT,
    description           TEXT,
    labels                TEXT   NOT NULL,
    search                TEXT   NOT NULL,
    definition            TEXT   NOT NULL,   -- JSON object with the attributes of the kind; no secret in it
    rules                 TEXT   NOT NULL,   -- JSON array of request rules in order; the index is the position
    broker_credential_id  BIGINT             -- set on the wrapper that a consent made
                          CONSTRAINT secrets_credential_fk REFERENCES broker_credentials (id) ON DELETE SET NULL,
    created_by            BIGINT CONSTRAINT secrets_created_by_fk REFERENCES users (id),
    revision              BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    CONSTRAINT secrets_foreign_id_key UNIQUE (kind, namespace, foreign_id),
    CONSTRAINT secrets_id_namespace_key UNIQUE (id, namespace),
    CONSTRAINT secrets_kind CHECK (kind IN ('static_secret', 'gcp_auth_secret', 'gcp_id_token_secret',
        'aws_auth_secret', 'oauth_token_secret', 'pg_dsn_secret', 'hmac_secret')),
    CONSTRAINT secrets_namespace CHECK (namespace <> ''),
    CONSTRAINT secrets_foreign_id CHECK (foreign_id <> ''),
    CONSTRAINT secrets_pg_dsn_named CHECK (kind <> 'pg_dsn_secret' OR foreign_id IS NOT NULL)
);
CREATE INDEX secrets_page ON secrets (kind, namespace, created_at, id);

-- Where the values of a secret come from. A secret has one source per slot: `source`, `keyfile`, `dsn`,
-- `credentials.<name>`, `token_endpoint_headers.<name>`.
CREATE TABLE secret_sources (
    id                    BIGINT NOT NULL CONSTRAINT secret_sources_pk PRIMARY KEY,
    secret_id             BIGINT NOT NULL
                          CONSTRAINT secret_sources_secret_fk REFERENCES secrets (id) ON DELETE CASCADE,
    slot                  TEXT   NOT NULL,
    position              BIGINT NOT NULL,   -- order within the secret, as sent
    source_type           TEXT   NOT NULL,
    config                TEXT   NOT NULL,   -- JSON object, echoed as stored
    value                 BYTEA,             -- sealed; only of control_plane
    broker_credential_id  BIGINT             -- what a token_broker source resolved to when it was written
                          CONSTRAINT secret_sources_credential_fk REFERENCES broker_credentials (id),
    CONSTRAINT secret_sources_slot_key UNIQUE (secret_id, slot),
    CONSTRAINT secret_sources_type CHECK (source_type IN ('env', 'aws_sm', 'aws_ssm', '1password',
        '1password_connect', 'control_plane', 'token_broker')),
    CONSTRAINT secret_sources_value CHECK ((value IS NOT NULL) = (source_type = 'control_plane')),
    CONSTRAINT secret_sources_credential
        CHECK ((broker_credential_id IS NOT NULL) = (source_type = 'token_broker'))
);
CREATE INDEX secret_sources_credential_ix ON secret_sources (broker_credential_id);
