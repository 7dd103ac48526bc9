-- Registered OAuth clients whose consent flow mints broker credentials.
CREATE TABLE oauth_apps (
    id                    BIGINT NOT NULL CONSTRAINT oauth_apps_pk PRIMARY KEY,
    slug                  TEXT   NOT NULL,
    description           TEXT,
    labels                TEXT   NOT NULL,
    search                TEXT   NOT NULL,
    provider              TEXT   NOT NULL,
    client_id             TEXT   NOT NULL,
    client_secret         BYTEA  NOT NULL,   -- sealed
    allowed_scopes        TEXT   NOT NULL,   -- JSON array of texts
    credential_namespace  TEXT   NOT NULL,
    enabled               BIGINT NOT NULL,
    client_rejected_at    BIGINT,            -- the provider refused the client; null again after a change of it
    created_by            BIGINT CONSTRAINT oauth_apps_created_by_fk REFERENCES users (id),
    revision              BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    updated_at            BIGINT NOT NULL,
    CONSTRAINT oauth_apps_slug_key UNIQUE (slug),
    CONSTRAINT oauth_apps_slug CHECK (slug <> ''),
    CONSTRAINT oauth_apps_enabled CHECK (enabled IN (0, 1))
);
CREATE INDEX oauth_apps_page ON oauth_apps (created_at, id);

-- Credentials whose access token is kept fresh. Sealed columns are bound to table, column, row and namespace.
CREATE TABLE broker_credentials (
    id                            BIGINT NOT NULL CONSTRAINT broker_credentials_pk PRIMARY KEY,
    namespace                     TEXT   NOT NULL,
    foreign_id                    TEXT,
    name                          TEXT,
    description                   TEXT,
    labels                        TEXT   NOT NULL,
    search                        TEXT   NOT NULL,
    grant_type                    TEXT   NOT NULL,
    token_endpoint                TEXT   NOT NULL,
    scopes                        TEXT   NOT NULL,   -- JSON array of texts
    client_id                     TEXT,
    client_secret                 BYTEA,             -- sealed
    token_endpoint_headers        BYTEA,             -- sealed JSON object, names to values
    token_endpoint_header_names   TEXT   NOT NULL,   -- JSON array, in the order given; names are no secret
    refresh_token                 BYTEA,             -- sealed
    previous_refresh_token        BYTEA,             -- sealed; until the first refresh with its successor succeeds
    username                      BYTEA,             -- sealed
    password                      BYTEA,             -- sealed
    api_key                       BYTEA,             -- sealed
    access_token                  BYTEA,             -- sealed
    early_refresh_slack_seconds   BIGINT NOT NULL,
    early_refresh_fraction_ppm    BIGINT NOT NULL,   -- millionths, so that no engine rounds it
    max_refresh_interval_seconds  BIGINT NOT NULL,
    refresh_timeout_seconds       BIGINT NOT NULL,
    expires_at                    BIGINT,
    last_refresh                  BIGINT,
    next_attempt_at               BIGINT,
    failure_count                 BIGINT NOT NULL,
    dead                          BIGINT NOT NULL,
    dead_reason                   TEXT,
    seed_version                  BIGINT NOT NULL,   -- raised when an operator or a consent supplies fresh material
    attempt_id                    TEXT,              -- owner of the lease
    attempt_started_at            BIGINT,
    lease_until                   BIGINT,
    interrupted_at                BIGINT,            -- an attempt was claimed and never concluded
    oauth_app_id                  BIGINT CONSTRAINT broker_credentials_app_fk REFERENCES oauth_apps (id),
    provider_subject              TEXT,
    provider_email                TEXT,
    external_user_key             TEXT,
    created_by                    BIGINT CONSTRAINT broker_credentials_created_by_fk REFERENCES users (id),
    revision                      BIGINT NOT NULL,
    created_at                    BIGINT NOT NULL,
    updated_at                    BIGINT NOT NULL,
    CONSTRAINT broker_credentials_foreign_id_key UNIQUE (namespace, foreign_id),
    CONSTRAINT broker_credentials_subject_key UNIQUE (oauth_app_id, provider_subject),
    CONSTRAINT broker_credentials_namespace CHECK (namespace <> ''),
    CONSTRAINT broker_credentials_grant CHECK (grant_type IN ('refresh_token', 'password', 'preqin')),
    CONSTRAINT broker_credentials_slack CHECK (early_refresh_slack_seconds > 0),
    CONSTRAINT broker_credentials_fraction
        CHECK (early_refresh_fraction_ppm >= 0 AND early_refresh_fraction_ppm < 1000000),
    CONSTRAINT broker_credentials_interval CHECK (max_refresh_interval_seconds > 0),
    CONSTRAINT broker_credentials_timeout
        CHECK (refresh_timeout_seconds > 0 AND refresh_timeout_seconds <= 300),
    CONSTRAINT broker_credentials_dead CHECK (dead IN (0, 1)),
    CONSTRAINT broker_credentials_lease
        CHECK ((attempt_id IS NULL) = (lease_until IS NULL))
);
CREATE INDEX broker_credentials_page ON broker_credentials (namespace, created_at, id);
CREATE INDEX broker_credentials_due ON broker_credentials (dead, next_attempt_at);

-- The last attempts per credential; no token material.
CREATE TABLE broker_attempts (
    credential_id  BIGINT NOT NULL
                   CONSTRAINT broker_attempts_credential_fk REFERENCES broker_credentials (id) ON DELETE CASCADE,
    attempt_id     TEXT   NOT NULL,
    started_at     BIGINT NOT NULL,
    duration_ms    BIGINT NOT NULL,
    result         TEXT   NOT NULL,   -- success, retryable, dead, interrupted
    code           TEXT,
    rotated        BIGINT NOT NULL,
    CONSTRAINT broker_attempts_pk PRIMARY KEY (credential_id, attempt_id),
    CONSTRAINT broker_attempts_rotated CHECK (rotated IN (0, 1))
);
CREATE INDEX broker_attempts_time ON broker_attempts (credential_id, started_at);
