-- Which audit events are about a principal: itself, its grants, its roles, its proxies. An index over audit_events that
-- can be made again from them; the hash chain does not cover it.
CREATE TABLE audit_principals (
    principal_id  BIGINT NOT NULL,   -- no foreign key: events outlive what they are about
    seq           BIGINT NOT NULL CONSTRAINT audit_principals_event_fk REFERENCES audit_events (seq),
    CONSTRAINT audit_principals_pk PRIMARY KEY (principal_id, seq)
);
