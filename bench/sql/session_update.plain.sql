\set key random(:base, :base + :keys - 1)
UPDATE plain_session SET data = :value, expires_at = now() + interval '30 minutes' WHERE id = :key AND expires_at > now();
