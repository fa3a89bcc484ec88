INSERT INTO plain_session (id, data, expires_at) SELECT 'gone' || i, :value, now() - interval '1 second' FROM generate_series(1, :per) AS i;
DELETE FROM plain_session WHERE expires_at < now();
