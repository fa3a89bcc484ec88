\set key random(:base, :base + :keys - 1)
INSERT INTO plain_session (id, data, expires_at) VALUES ('s' || :key, :value, now() + interval '30 minutes') ON CONFLICT (id) DO UPDATE SET data = excluded.data, expires_at = excluded.expires_at;
