-- An attempt whose tokens are stored and whose end is not written yet. It has no lease any more.
ALTER TABLE broker_credentials ADD COLUMN saved_attempt_id TEXT;
