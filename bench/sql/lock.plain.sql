\set name (1 + :client_id) * :base + random(1, :keys)
INSERT INTO plain_lock VALUES (:name, now() + interval '30 seconds') ON CONFLICT (name) DO UPDATE SET fence = DEFAULT, expires_at = excluded.expires_at WHERE plain_lock.expires_at <= now() RETURNING fence \gset
DELETE FROM plain_lock WHERE name = :name AND fence = :fence;
