-- Whether principals that look like the account of a credential are suggested to whoever grants. Nothing is granted by it.
ALTER TABLE oauth_apps ADD COLUMN auto_grant TEXT NOT NULL DEFAULT 'off'
    CONSTRAINT oauth_apps_auto_grant CHECK (auto_grant IN ('off', 'suggest'));

-- Principals that are not suggested for a credential any more: somebody declined it, or took the grant away.
CREATE TABLE declined_suggestions (
    credential_id  BIGINT NOT NULL
                   CONSTRAINT declined_suggestions_credential_fk
                   REFERENCES broker_credentials (id) ON DELETE CASCADE,
    principal_id   BIGINT NOT NULL
                   CONSTRAINT declined_suggestions_principal_fk REFERENCES principals (id) ON DELETE CASCADE,
    declined_at    BIGINT NOT NULL,
    CONSTRAINT declined_suggestions_pk PRIMARY KEY (credential_id, principal_id)
);
CREATE INDEX declined_suggestions_principal ON declined_suggestions (principal_id);
