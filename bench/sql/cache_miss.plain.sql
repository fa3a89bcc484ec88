\set key random(:base + :keys, :base + 2 * :keys - 1)
SELECT value FROM plain_cache WHERE key = :key AND expires_at > now();
