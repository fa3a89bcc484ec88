INSERT INTO plain_session (id, user_id, data, expires_at) SELECT gen_random_uuid()::text, (:base::bigint + i)::text, :value, now() + interval '30 minutes' FROM generate_series(1, :per) AS i;
