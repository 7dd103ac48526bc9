-- A key may be held to one namespace, and to reading.
ALTER TABLE api_keys ADD COLUMN namespace TEXT CONSTRAINT api_keys_namespace CHECK (namespace <> '');
ALTER TABLE api_keys ADD COLUMN read_only BIGINT NOT NULL DEFAULT 0
    CONSTRAINT api_keys_read_only CHECK (read_only IN (0, 1));

-- Which secret a consent made for a credential is shown with the credential.
CREATE INDEX secrets_credential ON secrets (broker_credential_id);
