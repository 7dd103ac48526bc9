-- What a principal was shown to get at a version of its configuration, without values, for comparing with later ones.
-- The last few per principal.
CREATE TABLE config_views (
    id            BIGINT NOT NULL CONSTRAINT config_views_pk PRIMARY KEY,
    principal_id  BIGINT NOT NULL
                  CONSTRAINT config_views_principal_fk REFERENCES principals (id) ON DELETE CASCADE,
    version       BIGINT NOT NULL,   -- the principal's config_version at that moment
    body          BYTEA  NOT NULL,   -- sealed JSON: no value is in it, but all that is granted is
    created_at    BIGINT NOT NULL,
    CONSTRAINT config_views_version_key UNIQUE (principal_id, version)
);
