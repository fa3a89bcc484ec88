-- The same sessions in both stores, five for each user. covet's get an id that
-- pgbench can make up by being rotated to it: unlike saved ones they slide.
-- The caches stand beside them, for rows that compare the two, and their setup
-- has emptied covet's stores. psql variables: base, keys (number of sessions),
-- value (a JSON object), idle (covet's idle timeout).
\ir setup.cache.sql
SET client_min_messages = warning;
DROP TABLE IF EXISTS plain_session;
CREATE UNLOGGED TABLE plain_session (
	id text PRIMARY KEY,
	user_id text,
	data jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now(),
	expires_at timestamptz NOT NULL
);
CREATE INDEX plain_session_user_id_idx ON plain_session (user_id);
CREATE INDEX plain_session_expires_at_idx ON plain_session (expires_at);
INSERT INTO plain_session (id, user_id, data, expires_at)
	SELECT (:base + i)::text, (:base + i / 5)::text, :'value', now() + interval '30 minutes'
	FROM generate_series(0, :keys - 1) AS i;

SELECT 1 / (count(covet.session_rotate(covet.session_create(:'value', (:base + i / 5)::text, idle_timeout => :'idle'), '0', (:base + i)::text)) = :keys)::int AS ok
	FROM generate_series(0, :keys - 1) AS i \g /dev/null
VACUUM ANALYZE plain_session;
VACUUM ANALYZE covet._session;
SELECT 1 / (count(covet.session_get((:base + i)::text)) = :keys)::int AS ok
	FROM generate_series(0, :keys - 1) AS i \g /dev/null
