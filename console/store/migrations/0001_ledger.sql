-- How the schema is written, so that the same text runs on SQLite and on PostgreSQL, distributed ones included:
--
--   numbers    BIGINT, always 64 bits; also times (microseconds since 1970, UTC) and booleans (0 or 1, checked)
--   texts      TEXT; documents are JSON in a TEXT, read by the program and never by the database
--   bytes      BYTEA (SQLite stores a blob under any declared type)
--   row ids    given out by id_counters under the writers' lock, not by the engine
--   constraint names   one per rule, unique in the schema: the program turns them into errors
--
-- No triggers, no sequences, no advisory locks, no JSON operators, no engine-specific functions.

-- The one row every writing transaction updates first. It makes writers take turns (as SQLite does by itself), and
-- holds the heads of the two sequences that have to be without gaps: audit log and change feed.
CREATE TABLE ledger (
    id          BIGINT NOT NULL CONSTRAINT ledger_pk PRIMARY KEY,
    turn        BIGINT NOT NULL,   -- raised by every writing transaction
    audit_seq   BIGINT NOT NULL,   -- number of the last audit event
    audit_hash  BYTEA  NOT NULL,   -- hash of the last audit event; 32 zero bytes before the first
    change_seq  BIGINT NOT NULL,   -- number of the last change
    CONSTRAINT ledger_one_row CHECK (id = 1),
    CONSTRAINT ledger_hash_length CHECK (length(audit_hash) = 32)
);

-- The last row id given out per table.
CREATE TABLE id_counters (
    name  TEXT   NOT NULL CONSTRAINT id_counters_pk PRIMARY KEY,
    last  BIGINT NOT NULL
);

-- What changed, for those who hold something derived from it. Written in the transaction of the change, with numbers
-- in the order of commits: whoever has read up to n misses nothing by asking for what is above n.
CREATE TABLE changes (
    seq           BIGINT NOT NULL CONSTRAINT changes_pk PRIMARY KEY,
    principal_id  BIGINT,            -- the one principal concerned; null: those whose config_version is seq
    kind          TEXT   NOT NULL,   -- what was written: grant, secret, role, principal, credential, proxy, ...
    at            BIGINT NOT NULL
);

-- Who changed what. The program only inserts here. Each hash covers the previous hash and the row, so that a change
-- or a removal in the middle shows.
CREATE TABLE audit_events (
    seq          BIGINT NOT NULL CONSTRAINT audit_events_pk PRIMARY KEY,
    at           BIGINT NOT NULL,
    actor_kind   TEXT   NOT NULL,  -- user, api_key, proxy, system
    actor_id     BIGINT,           -- row id; null for the system
    as_operator  BIGINT NOT NULL,  -- an administrator viewing as operator
    action       TEXT   NOT NULL,  -- create, update, delete, ...
    object_kind  TEXT   NOT NULL,
    object_id    BIGINT NOT NULL,
    namespace    TEXT,
    before       TEXT,             -- JSON without secrets; null at creation
    after        TEXT,             -- JSON without secrets; null at deletion
    request_id   TEXT,
    address      TEXT,
    prev_hash    BYTEA  NOT NULL,
    hash         BYTEA  NOT NULL,
    CONSTRAINT audit_events_as_operator CHECK (as_operator IN (0, 1)),
    CONSTRAINT audit_events_actor_kind CHECK (actor_kind IN ('user', 'api_key', 'proxy', 'system')),
    CONSTRAINT audit_events_hash_length CHECK (length(hash) = 32 AND length(prev_hash) = 32)
);
CREATE INDEX audit_events_object ON audit_events (object_kind, object_id, seq);
CREATE INDEX audit_events_actor ON audit_events (actor_kind, actor_id, seq);

-- Few values of the whole installation: defaults of new principals, the canary of the encryption keys.
CREATE TABLE settings (
    name        TEXT   NOT NULL CONSTRAINT settings_pk PRIMARY KEY,
    value       TEXT   NOT NULL,   -- JSON
    updated_at  BIGINT NOT NULL
);

