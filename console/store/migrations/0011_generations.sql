-- A change names the proxy it concerns, so that nothing else is read anew because of it.
ALTER TABLE changes ADD COLUMN proxy_id BIGINT;

-- The configuration of a proxy has the number of the change that made it what it is: the greatest of assigned_change
-- and the versions of its principals.
ALTER TABLE proxies ADD COLUMN assigned_change BIGINT NOT NULL DEFAULT 0;   -- number of its last change of principals or mode
ALTER TABLE proxies ADD COLUMN acknowledged_generation BIGINT;  -- the greatest number whose hash it echoed; null: none
ALTER TABLE proxies ADD COLUMN acknowledged_until BIGINT;       -- when what it acknowledged ends by itself, or ended; null: no end
ALTER TABLE proxies ADD COLUMN applied_generation BIGINT;       -- how many configurations it says it has put in force
ALTER TABLE proxies ADD COLUMN rejected_config_hash TEXT;       -- what it says it refused
