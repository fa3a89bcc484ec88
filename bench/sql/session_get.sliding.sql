\set key random(:base, :base + :keys - 1)
UPDATE plain_session SET expires_at = now() + interval '30 minutes' WHERE id = :key AND expires_at > now() RETURNING data;
