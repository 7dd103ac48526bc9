-- Identities that may use secrets.
CREATE TABLE principals (
    id                     BIGINT NOT NULL CONSTRAINT principals_pk PRIMARY KEY,
    namespace              TEXT   NOT NULL,
    foreign_id             TEXT,
    name                   TEXT,
    labels                 TEXT   NOT NULL,   -- JSON object as sent; the table labels is the index over it
    search                 TEXT   NOT NULL,   -- foreign_id and name in lower case, for substring search
    repo_cache             TEXT   NOT NULL,
    observability_enabled  BIGINT NOT NULL,
    api_server_enabled     BIGINT NOT NULL,
    config_version         BIGINT NOT NULL,   -- number of the last change that may alter what the principal gets
    created_by             BIGINT CONSTRAINT principals_created_by_fk REFERENCES users (id),
    revision               BIGINT NOT NULL,
    created_at             BIGINT NOT NULL,
    updated_at             BIGINT NOT NULL,
    CONSTRAINT principals_foreign_id_key UNIQUE (namespace, foreign_id),
    CONSTRAINT principals_id_namespace_key UNIQUE (id, namespace),
    CONSTRAINT principals_namespace CHECK (namespace <> ''),
    CONSTRAINT principals_foreign_id CHECK (foreign_id <> ''),
    CONSTRAINT principals_repo_cache CHECK (repo_cache IN ('none', 'public', 'all')),
    CONSTRAINT principals_flags CHECK (observability_enabled IN (0, 1) AND api_server_enabled IN (0, 1))
);
CREATE INDEX principals_page ON principals (namespace, created_at, id);
CREATE INDEX principals_version ON principals (config_version);

-- What a principal may do in a Slack channel; drives the generated API token.
CREATE TABLE slack_permissions (
    principal_id  BIGINT NOT NULL
                  CONSTRAINT slack_permissions_principal_fk REFERENCES principals (id) ON DELETE CASCADE,
    channel_id    TEXT   NOT NULL,
    channel_name  TEXT,
    upload        BIGINT NOT NULL,
    download      BIGINT NOT NULL,
    history       BIGINT NOT NULL,
    CONSTRAINT slack_permissions_pk PRIMARY KEY (principal_id, channel_id),
    CONSTRAINT slack_permissions_flags
        CHECK (upload IN (0, 1) AND download IN (0, 1) AND history IN (0, 1)),
    CONSTRAINT slack_permissions_some CHECK (upload + download + history > 0)
);

-- Reusable bundles of grants.
CREATE TABLE roles (
    id              BIGINT NOT NULL CONSTRAINT roles_pk PRIMARY KEY,
    namespace       TEXT   NOT NULL,
    foreign_id      TEXT,
    name            TEXT,
    labels          TEXT   NOT NULL,
    search          TEXT   NOT NULL,
    config_version  BIGINT NOT NULL,   -- number of the last change of what the role gives
    created_by      BIGINT CONSTRAINT roles_created_by_fk REFERENCES users (id),
    revision        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    CONSTRAINT roles_foreign_id_key UNIQUE (namespace, foreign_id),
    CONSTRAINT roles_id_namespace_key UNIQUE (id, namespace),
    CONSTRAINT roles_namespace CHECK (namespace <> ''),
    CONSTRAINT roles_foreign_id CHECK (foreign_id <> '')
);
CREATE INDEX roles_page ON roles (namespace, created_at, id);

-- A principal holds a role of its own namespace. That it is the same is checked by the two foreign keys, which share
-- the column.
CREATE TABLE role_assignments (
    principal_id  BIGINT NOT NULL,
    role_id       BIGINT NOT NULL,
    namespace     TEXT   NOT NULL,
    created_by    BIGINT CONSTRAINT role_assignments_created_by_fk REFERENCES users (id),
    created_at    BIGINT NOT NULL,
    CONSTRAINT role_assignments_pk PRIMARY KEY (principal_id, role_id),
    CONSTRAINT role_assignments_principal_fk FOREIGN KEY (principal_id, namespace)
        REFERENCES principals (id, namespace) ON DELETE CASCADE,
    CONSTRAINT role_assignments_role_fk FOREIGN KEY (role_id, namespace)
        REFERENCES roles (id, namespace) ON DELETE CASCADE
);
CREATE INDEX role_assignments_role ON role_assignments (role_id, principal_id);

-- The labels of all labelled objects as rows, values as text, so that a list can filter by them with an index.
CREATE TABLE labels (
    object_kind  TEXT   NOT NULL,   -- principal, role, secret, credential, app
    object_id    BIGINT NOT NULL,
    key          TEXT   NOT NULL,
    value        TEXT   NOT NULL,
    CONSTRAINT labels_pk PRIMARY KEY (object_kind, object_id, key)
);
CREATE INDEX labels_value ON labels (object_kind, key, value, object_id);
