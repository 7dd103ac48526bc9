-- Who may use what. A principal may be granted a secret of any namespace; a role only one of its own, which the two
-- foreign keys over role_namespace check (they rest while it is null).
CREATE TABLE grants (
    id              BIGINT NOT NULL CONSTRAINT grants_pk PRIMARY KEY,
    principal_id    BIGINT
                    CONSTRAINT grants_principal_fk REFERENCES principals (id) ON DELETE CASCADE,
    role_id         BIGINT,
    role_namespace  TEXT,
    secret_id       BIGINT NOT NULL
                    CONSTRAINT grants_secret_fk REFERENCES secrets (id) ON DELETE CASCADE,
    priority        BIGINT NOT NULL,
    expires_at      BIGINT,            -- null: never
    created_by      BIGINT CONSTRAINT grants_created_by_fk REFERENCES users (id),
    revision        BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL,
    CONSTRAINT grants_one_grantee CHECK ((principal_id IS NULL) <> (role_id IS NULL)),
    CONSTRAINT grants_role_namespace CHECK ((role_id IS NULL) = (role_namespace IS NULL)),
    CONSTRAINT grants_principal_secret_key UNIQUE (principal_id, secret_id),
    CONSTRAINT grants_role_secret_key UNIQUE (role_id, secret_id),
    CONSTRAINT grants_role_fk FOREIGN KEY (role_id, role_namespace)
        REFERENCES roles (id, namespace) ON DELETE CASCADE,
    CONSTRAINT grants_secret_namespace_fk FOREIGN KEY (secret_id, role_namespace)
        REFERENCES secrets (id, namespace) ON DELETE CASCADE
);
CREATE INDEX grants_secret ON grants (secret_id);
CREATE INDEX grants_expiry ON grants (expires_at);
CREATE INDEX grants_page ON grants (created_at, id);
