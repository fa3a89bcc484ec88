\set key random(:base, :base + :keys - 1)
SELECT * FROM plain_session WHERE id = :key AND expires_at > now();
