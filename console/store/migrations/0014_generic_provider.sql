-- What an app of the provider `generic` says about its provider, as a JSON object; null for providers that are known.
ALTER TABLE oauth_apps ADD COLUMN generic TEXT;
