-- What is still to be told of credentials that died; at most one per credential. Who tells it is decided by a
-- conditional update of next_try_at.
CREATE TABLE broker_notices (
    credential_id  BIGINT NOT NULL CONSTRAINT broker_notices_pk PRIMARY KEY
                   CONSTRAINT broker_notices_credential_fk REFERENCES broker_credentials (id) ON DELETE CASCADE,
    attempt_id     TEXT   NOT NULL,   -- the attempt that it died in: names the death
    reason         TEXT   NOT NULL,
    died_at        BIGINT NOT NULL,
    next_try_at    BIGINT NOT NULL,
    tries          BIGINT NOT NULL
);
CREATE INDEX broker_notices_due ON broker_notices (next_try_at);

-- The engine wakes when a lease ends without an outcome.
CREATE INDEX broker_credentials_lease ON broker_credentials (lease_until);
