-- The sessions that the clients will delete, each its own. An id that was
-- deleted is not revived for a while, so each round has ids of its own.
INSERT INTO plain_session (id, user_id, data, expires_at)
	SELECT ((1 + :round) * :base + i)::text, (:base + i / 5)::text, :'value', now() + interval '30 minutes'
	FROM generate_series(0, :clients * :count - 1) AS i
	ON CONFLICT DO NOTHING;
SELECT count(covet.session_save(((1 + :round) * :base + i)::text, :'value', user_id => (:base + i / 5)::text, mode => 'add'))
	FROM generate_series(0, :clients * :count - 1) AS i \g /dev/null
