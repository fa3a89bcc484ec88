\set user random(:base, :base + :keys / 5 - 1)
INSERT INTO plain_session (id, user_id, data, expires_at) VALUES (gen_random_uuid()::text, :user, :value, now() + interval '30 minutes') RETURNING id;
