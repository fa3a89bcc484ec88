\set key random(:base, :base + :keys - 1)
SELECT value FROM plain_cache WHERE key = :key AND expires_at > now();
